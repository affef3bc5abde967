"""Files in folders that jobs can change, and never what a link leads to.

On a cluster a job has the server's account, but not the server's machine: a link that it puts in
the place of a file or a folder would lead the server to what only the server has. So each is opened
by its name in a folder that is open already, and refused if it is a link. Above that, whoever runs
the site may use links.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

LEVELS: Final = 4
"""How many folders up from a replica's file are no links: those of all attempts, of its job, its
attempt and its replica."""
OF_ATTEMPT: Final = 3
"""The same of a file in an attempt's folder."""
_FOLDER: Final = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: Final = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Without NONBLOCK the opening of a pipe would wait for whoever has its other end."""
_NOT_PLAIN: Final = (errno.ELOOP, errno.ENOTDIR, errno.ENXIO)


@contextmanager
def open_folder(folder: Path, levels: int = LEVELS) -> Iterator[int]:
    """Its descriptor, for calls with `dir_fd`. `OSError` where it or one of those above it, as many
    as there are `levels`, is a link; with 0 all may be."""
    handle = _walk(folder, levels)
    try:
        yield handle
    finally:
        os.close(handle)


def list_folders(root: Path, levels: int) -> list[Path]:
    """The folders in it, by name, without links to some; none where it is none itself, or may not
    be read."""
    try:
        with open_folder(root, levels) as handle, os.scandir(handle) as entries:
            found = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []
    return [root / name for name in sorted(found)]


def check_folder(folder: Path) -> None:
    """`NotADirectoryError` where it is a link, or no folder."""
    with open_folder(folder, levels=1):
        return


def remove_tree(name: str, above: int) -> None:
    """Delete what has that name in the folder `above`, a descriptor, as far as it can be. However
    deep: folders are moved up before they are emptied, as deep ones have no path that could be
    named."""
    with suppress(OSError):
        os.unlink(name, dir_fd=above)
        return
    pending = [name]
    while pending:
        folder = pending.pop()
        with suppress(OSError):
            handle = os.open(folder, os.O_RDONLY | _FOLDER, dir_fd=above)
            try:
                pending += _empty(handle, above)
            finally:
                os.close(handle)
            os.rmdir(folder, dir_fd=above)


def _open_up(handle: int) -> None:
    """Whoever made a folder may have forbidden that it is written."""
    with suppress(OSError):  # of another account, which is over all the same
        os.fchmod(handle, 0o700)


def _empty(handle: int, above: int) -> list[str]:
    """Unlink the files, and move the folders `above`: their names there."""
    _open_up(handle)
    with os.scandir(handle) as entries:
        names = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    moved = []
    for name, is_folder in names:
        new = f".{secrets.token_hex(8)}.gone"
        with suppress(OSError):
            if is_folder:
                below = os.open(name, os.O_RDONLY | _FOLDER, dir_fd=handle)
                _open_up(below)
                os.close(below)
                os.rename(name, new, src_dir_fd=handle, dst_dir_fd=above)
                moved.append(new)
            else:
                os.unlink(name, dir_fd=handle)
    return moved


def open_plain(path: Path, levels: int = LEVELS) -> BinaryIO:
    """A file to read. `FileNotFoundError` where there is none, or a link or a pipe in its place."""
    try:
        with open_folder(path.parent, levels) as folder:
            handle = os.open(path.name, os.O_RDONLY | _FILE, dir_fd=folder)
    except OSError as error:
        if error.errno in _NOT_PLAIN:
            raise _absent(path) from None
        raise
    return _only_plain(handle, path, "rb")


def make_plain(path: Path, levels: int = LEVELS) -> BinaryIO:
    """A file to lock or to give a time; an empty one is made where there is none. `OSError` where
    there is something else."""
    with _named(path), open_folder(path.parent, levels) as folder:
        handle = os.open(path.name, os.O_WRONLY | os.O_CREAT | _FILE, 0o600, dir_fd=folder)
        return _only_plain(handle, path, "wb")


def write_plain(path: Path, content: bytes, mode: int = 0o600, levels: int = LEVELS) -> None:
    """Write the file whole or not at all, in the place of whatever has its name: a folder is moved
    aside. `mode`: who may read it, whatever is usual here. `OSError` when the disk does not take
    it."""
    new = f".{path.name}.{secrets.token_hex(8)}.new"
    with _named(path), open_folder(path.parent, levels) as folder:
        made = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FILE
        handle = os.open(new, made, 0o600, dir_fd=folder)
        try:
            with os.fdopen(handle, "wb") as stream:
                os.fchmod(handle, mode)
                stream.write(content)
            _put(new, path.name, folder)
        except BaseException:
            with suppress(OSError):
                os.unlink(new, dir_fd=folder)
            raise


def _put(new: str, name: str, folder: int) -> None:
    try:
        os.rename(new, name, src_dir_fd=folder, dst_dir_fd=folder)
    except IsADirectoryError:
        aside = f".{name}.{secrets.token_hex(8)}.aside"
        os.rename(name, aside, src_dir_fd=folder, dst_dir_fd=folder)
        os.rename(new, name, src_dir_fd=folder, dst_dir_fd=folder)


def _walk(folder: Path, levels: int) -> int:
    parts = folder.parts
    first = max(1, len(parts) - levels)
    handle = os.open(Path(*parts[:first]), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in parts[first:]:
            below = os.open(name, os.O_RDONLY | _FOLDER, dir_fd=handle)
            os.close(handle)
            handle = below
    except OSError as error:
        os.close(handle)
        if error.errno == errno.ENOTDIR:
            raise NotADirectoryError(error.errno, "a link or no folder", str(folder)) from None
        raise OSError(error.errno, error.strerror, str(folder)) from None
    return handle


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """What goes wrong is told with the whole path, which a call with `dir_fd` does not know."""
    try:
        yield
    except OSError as error:
        told = "a link is in its place" if error.errno == errno.ELOOP else error.strerror
        raise OSError(error.errno, told, str(path)) from error


def _only_plain(handle: int, path: Path, how: Literal["rb", "wb"]) -> BinaryIO:
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return os.fdopen(handle, how)
    os.close(handle)
    raise _absent(path)


def _absent(path: Path) -> FileNotFoundError:
    return FileNotFoundError(errno.ENOENT, "no plain file", str(path))
