"""The mark in a site's folder by which its server knows that it is the one.

A shared folder that is not mounted is an empty one of this machine. An engine that began there
would know of no attempt, and launch again all that runs.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from quarterdeck.adapters.spool.plain import open_folder, open_plain, write_plain
from quarterdeck.basics.errors import Conflict, Unavailable
from quarterdeck.wiring.connected.building import make_paths

if TYPE_CHECKING:
    from quarterdeck.wiring.connected.entry import SiteEntry

MARK: Final = ".quarterdeck"
"""It holds the id of the home whose site it is."""
ID_CHARS_MAX: Final = 100


def read_mark(entry: SiteEntry) -> str:
    """The id of the home that has marked the folder; empty where none has."""
    try:
        with open_plain(make_paths(entry).root / MARK, levels=0) as stream:
            return stream.read(ID_CHARS_MAX).decode(errors="replace").strip()
    except OSError:
        return ""


def write_mark(entry: SiteEntry, home_id: str, *, force: bool) -> None:
    """Make the folder that of this home's site, for this account alone. `Conflict` where it is
    another home's, unless by `force`; `Unavailable` where it cannot be written."""
    root = make_paths(entry).root
    known = read_mark(entry)
    if known not in ("", home_id) and not force:
        raise Conflict(
            f"folder is {entry.folder}, and {root} is the site of another home (its id: {known})",
            code="site_taken",
            field="folder",
            hint="choose another name or folder; --force takes it over, if that home is no more",
        )
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        close_root(entry)
        write_plain(root / MARK, f"{home_id}\n".encode(), levels=0)
    except OSError as error:
        raise Unavailable(
            f"folder is {entry.folder}, where nothing can be written: {error}",
            field="folder",
            hint="name a folder that this account may write, on all nodes",
        ) from error


def check_mark(entry: SiteEntry, home_id: str) -> None:
    """Raise `Unavailable` unless the site's folder is there and of this home."""
    root, known = make_paths(entry).root, read_mark(entry)
    if not known:
        raise Unavailable(
            f"{root} has no mark of this site: is it mounted?",
            hint=f"mount it; if it is the right folder, `qd site add {entry.name} … --force`",
        )
    if known != home_id:
        raise Unavailable(
            f"{root} is the site of another home (its id: {known})",
            hint=f"name another folder; `qd site add {entry.name} … --force` takes it over",
        )


def close_root(entry: SiteEntry) -> None:
    """Keep others out of the site's folder, whose orders hold the environments of jobs. One of
    another account stays as it is; `qd site check` tells of it."""
    with open_folder(make_paths(entry).root, levels=0) as root, suppress(PermissionError):
        if os.fstat(root).st_mode & 0o077:
            os.fchmod(root, 0o700)
