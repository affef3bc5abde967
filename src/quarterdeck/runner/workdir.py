"""Lay out a replica's work folder from the snapshot: every attempt gets a fresh copy.

Copies, not links: a command may write into its files, and the blobs are everybody's.
"""

from __future__ import annotations

import os
from typing import Any


def lay_out(target: str, snapshot: dict[str, Any] | None, blobs_dir: str) -> None:
    """Make the folder and put the snapshot's files into it."""
    os.makedirs(target, exist_ok=True)
    if snapshot is None:
        return
    made = {target}
    for entry in snapshot["files"]:
        path = os.path.normpath(os.path.join(target, entry["path"]))
        if not path.startswith(target + os.sep):
            raise ValueError("the snapshot's path %r leads out of the folder" % entry["path"])
        folder = os.path.dirname(path)
        if folder not in made:
            os.makedirs(folder, exist_ok=True)
            made.add(folder)
        if "target" in entry:
            os.symlink(entry["target"], path)
        else:
            _copy(os.path.join(blobs_dir, entry["digest"][:2], entry["digest"]), path, entry)


def _copy(source: str, path: str, entry: dict[str, Any]) -> None:
    try:
        reader = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise ValueError(
            "the content of %r (%s) is not at the site" % (entry["path"], entry["digest"])
        ) from None
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        writer = os.open(path, flags, 0o600)
        try:
            left = os.fstat(reader).st_size
            while left > 0:
                sent = os.sendfile(writer, reader, None, left)
                if sent == 0:
                    raise ValueError("the content of %r is cut short" % entry["path"])
                left -= sent
            os.fchmod(writer, entry["mode"])
        finally:
            os.close(writer)
    finally:
        os.close(reader)
