"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def replacing(target: Path) -> Iterator[BinaryIO]:
    """A file to write that becomes `target` at the end, or nothing when the block fails."""
    new = target.with_name(f".{target.name[:200]}.{secrets.token_hex(4)}.part")
    try:
        with new.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        new.replace(target)
    finally:
        new.unlink(missing_ok=True)


@contextmanager
def resuming(target: Path, part: str | None, size_bytes: int) -> Iterator[BinaryIO]:
    """The same, but what was written before a break is kept beside the target under the name of its
    part, and the next try goes on behind it. Without a name it begins anew each time."""
    if part is None:
        with replacing(target) as file:
            yield file
        return
    partial = target.with_name(f".{target.name[:200]}.{part}.part")
    with partial.open("ab") as file:
        if file.tell() > size_bytes:
            file.truncate(0)
        yield file
        file.flush()
        os.fsync(file.fileno())
    partial.replace(target)
