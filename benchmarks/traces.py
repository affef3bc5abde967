"""Where the public traces lie, and how their files are read."""

from __future__ import annotations

import csv
import lzma
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

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
    found = find(path)
    if found is None:
        raise NoTraces(f"no {path}[.xz] in {folder()}: set QD_TRACES to the folder of the traces")
    if found.suffix == ".xz":
        with lzma.open(found, "rt", encoding="utf-8", newline="") as file:
            yield from csv.DictReader(file)
    else:
        with found.open(encoding="utf-8", newline="") as file:
            yield from csv.DictReader(file)
