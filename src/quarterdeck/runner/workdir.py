"""Lay out a replica's work folder from the snapshot: every attempt gets a fresh copy.

Copies, not links: a command may write into its files, and the blobs are everybody's.
"""

from __future__ import annotations

import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
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


def link_checkpoint(work: str, path: str, checkpoint_dir: str) -> None:
    """Make `path` in the work folder the job's checkpoint folder.

    What the snapshot has there is the first checkpoint, and only the first: once a checkpoint
    folder holds something, that is newer. Several replicas may do this at once.
    """
    link = os.path.normpath(os.path.join(work, path))
    parent = os.path.dirname(link)
    if not link.startswith(work + os.sep) or not _is_inside(work, parent):
        raise ValueError("checkpoint.path %r leads out of the work folder" % path)
    if os.path.islink(link) or (os.path.exists(link) and not os.path.isdir(link)):
        raise ValueError("checkpoint.path %r is a file in the work folder, not a folder" % path)
    os.makedirs(parent, exist_ok=True)
    if os.path.isdir(link):
        _give_first(link, checkpoint_dir)
    os.symlink(checkpoint_dir, link)


def _is_inside(work: str, parent: str) -> bool:
    real, root = os.path.realpath(parent), os.path.realpath(work)
    return real == root or real.startswith(root + os.sep)


def _give_first(folder: str, checkpoint_dir: str) -> None:
    """Move the folder onto the empty one in one step; if that one is not empty, drop it."""
    import shutil

    checkpoint_dir = os.path.realpath(checkpoint_dir)  # There may be a door before it.
    try:
        os.rename(folder, checkpoint_dir)
    except OSError as error:
        if error.errno == errno.EXDEV:
            copy = "%s.%d.new" % (checkpoint_dir, os.getpid())
            shutil.copytree(folder, copy, symlinks=True)
            try:
                os.rename(copy, checkpoint_dir)
            except OSError:
                shutil.rmtree(copy)
        elif error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        shutil.rmtree(folder)
