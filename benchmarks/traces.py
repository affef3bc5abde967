"""Where the public traces lie, and how their files are read."""

from __future__ import annotations

import csv
import io
import lzma
import os
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULT: Final = Path(__file__).resolve().parents[2] / "shared" / "traces"


class NoTraces(Exception):
    """A trace is not where it was looked for."""


def folder() -> Path:
    """`$QD_TRACES`, or `../shared/traces` beside the project."""
    return Path(os.environ.get("QD_TRACES") or DEFAULT)


def find(path: str) -> Path | None:
    """A file of the folder, compressed or not; None where it is not there."""
    plain = folder() / path
    return next((one for one in (plain.with_name(f"{plain.name}.xz"), plain) if one.exists()), None)


def read_rows(path: str) -> Iterator[dict[str, str]]:
    """The rows of a CSV file with a header."""
    with _open(path) as file:
        yield from csv.DictReader(file)


def read_lines(path: str) -> Iterator[list[str]]:
    """The lines of a file without a header, cut at the tabs."""
    with _open(path) as file:
        yield from csv.reader(file, delimiter="\t")


def read_text(path: str) -> str:
    """All of a file."""
    with _open(path) as file:
        return file.read()


def read_packed_rows(archive: str, member: str) -> Iterator[dict[str, str]]:
    """The rows of a CSV file with a header that lies in a tar archive."""
    with tarfile.open(_get(archive)) as packed:
        try:
            file = packed.extractfile(member)
        except KeyError:
            file = None
        if file is None:
            raise NoTraces(f"no {member} in {archive}")
        with io.TextIOWrapper(file, encoding="utf-8", newline="") as text:
            yield from csv.DictReader(text)


def _get(path: str) -> Path:
    found = find(path)
    if found is None:
        raise NoTraces(f"no {path}[.xz] in {folder()}: set QD_TRACES to the folder of the traces")
    return found


def _open(path: str) -> TextIO:
    found = _get(path)
    if found.suffix == ".xz":
        return lzma.open(found, "rt", encoding="utf-8", newline="")
    return found.open(encoding="utf-8", newline="")
