"""Files that `qd sim` writes: that one can be written is looked at before anything takes long."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from quarterdeck.basics.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

HINT = "name a file in a folder that is there and that you may write to"


def check_writable(path: Path, field: str, inputs: Iterable[Path | None]) -> None:
    """Refuse what could not be written, or is one of the files that are read."""
    try:
        why = _why_not(path)
        doubled = next((one for one in inputs if one is not None and _is_same(path, one)), None)
    except OSError as error:
        raise _refusal(path, field, error.strerror) from None
    if why is not None:
        raise _refusal(path, field, why)
    if doubled is not None:
        raise Invalid(
            f"{field} is {path}, which is a file that this reads or writes already",
            field=field,
            hint="name another file",
        )


def write(path: Path, text: str, field: str) -> None:
    """The file, in UTF-8."""
    try:
        path.write_bytes(text.encode("utf-8"))
    except OSError as error:
        raise _refusal(path, field, error.strerror) from None


def _why_not(path: Path) -> str | None:
    if path.is_dir():
        return "it is a folder"
    if path.exists():
        return None if os.access(path, os.W_OK) else "it may not be written"
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    return None if os.access(path.parent, os.W_OK | os.X_OK) else "its folder may not be written"


def _is_same(path: Path, other: Path) -> bool:
    if path.exists() and other.exists():
        return path.samefile(other)
    return path.absolute() == other.absolute()


def _refusal(path: Path, field: str, why: str | None) -> Invalid:
    return Invalid(f"{field}: {path} cannot be written: {why}", field=field, hint=HINT)
