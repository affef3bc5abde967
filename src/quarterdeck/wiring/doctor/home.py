"""The home: the file system under it, what SQLite and locks do there, its server and its token."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from quarterdeck import __version__
from quarterdeck.adapters.disk.filesystem import FilesystemDisk
from quarterdeck.adapters.stores.sql.network_mount import refuse_network_mount
from quarterdeck.basics.errors import QuarterdeckError, Refused
from quarterdeck.basics.quantities import format_bytes
from quarterdeck.wiring.doctor.accounts import (
    find_launcher,
    find_server_uid,
    look_at_accounts,
    look_at_root,
)
from quarterdeck.wiring.doctor.findings import Finding, Level, attempt, note, ok, problem

if TYPE_CHECKING:
    from collections.abc import Callable

CLOCK_APART_S_MAX: Final = 5.0
EARLIEST_S: Final = 1_700_000_000
"""November 2023: a clock before that was never set."""


def look_at_home(root: Path) -> list[Finding]:
    """All of it. Nothing is left behind there."""
    where = find_existing(root)
    place = attempt("home", lambda: look_at_place(root, where))
    if place.level is Level.PROBLEM:
        return [place]
    return [
        place,
        attempt("disk", lambda: look_at_disk(where)),
        attempt("store", lambda: look_at_store(where)),
        attempt("locks", lambda: look_at_locks(where)),
        attempt("clock", lambda: look_at_clock(where, time.time())),
        attempt("token", lambda: look_at_token(root / "token")),
        attempt("server", lambda: look_at_server(root, ask_server)),
        attempt("privilege", lambda: look_at_root(find_server_uid(root))),
        attempt(
            "accounts",
            lambda: look_at_accounts(find_launcher(root, os.environ), find_server_uid(root)),
        ),
    ]


def find_existing(root: Path) -> Path:
    """The home, or the nearest folder above it that is there."""
    place = root
    while not place.exists() and place != place.parent:
        place = place.parent
    return place


def look_at_place(root: Path, where: Path, mountinfo: str | None = None) -> Finding:
    """That it may be written, and is on a disk of this machine."""
    try:
        refuse_network_mount(root, mountinfo)
    except Refused as refusal:
        return problem("home", refusal.message, refusal.hint)
    if not where.is_dir() or not os.access(where, os.W_OK | os.X_OK):
        return problem(
            "home", f"{where} cannot be written", "choose another with --home or QD_HOME"
        )
    if where != root:
        return ok("home", f"{root} will be made by the first `qd up`")
    mode = stat.S_IMODE(root.stat().st_mode)
    if mode & 0o077:
        return note("home", f"{root} can be entered by others (mode {mode:o})", f"chmod 700 {root}")
    return ok("home", str(root))


def look_at_disk(where: Path) -> Finding:
    """Its room, against what is kept free."""
    space = FilesystemDisk(where, str(where), ballast_bytes=0).look()
    if space.is_full:
        return problem("disk", space.message, "free some space there; `qd gc --plan` may help")
    kept = format_bytes(space.reserve_bytes)
    return ok("disk", f"{format_bytes(space.free_bytes)} free (new work needs {kept})")


def look_at_store(where: Path) -> Finding:
    """That SQLite can keep a write-ahead log there."""
    told = f"SQLite {sqlite3.sqlite_version}"
    try:
        with tempfile.TemporaryDirectory(prefix=".doctor-", dir=where) as folder:
            connection = sqlite3.connect(Path(folder) / "trial.db")
            try:
                mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
                connection.execute("CREATE TABLE trial (x)")
                connection.commit()
            finally:
                connection.close()
    except (OSError, sqlite3.Error) as error:
        return problem("store", f"{told}: {error}", "use another disk, or --store postgresql://…")
    if mode != "wal":
        return problem(
            "store",
            f"{told} cannot use a write-ahead log at {where}",
            "use another disk, or --store postgresql://…",
        )
    return ok("store", f"{told} with a write-ahead log")


def look_at_locks(where: Path) -> Finding:
    """File locks and named pipes, by which runners are found and woken."""
    try:
        with tempfile.TemporaryDirectory(prefix=".doctor-", dir=where) as folder:
            os.mkfifo(Path(folder) / "fifo")
            with (Path(folder) / "lock").open("w") as first:
                fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
                with (Path(folder) / "lock").open("w") as second:
                    try:
                        fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    except BlockingIOError:
                        return ok("locks", "file locks and named pipes work")
    except OSError as error:
        return problem("locks", f"no locks or pipes at {where}: {error}", "use a local disk")
    return problem("locks", f"a lock at {where} was given twice", "use a local disk")


def look_at_clock(where: Path, now_s: float) -> Finding:
    """That the time is set, and that the disk agrees with it."""
    with tempfile.NamedTemporaryFile(prefix=".doctor-", dir=where) as file:
        apart_s = abs(os.fstat(file.fileno()).st_mtime - now_s)
    told = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now_s))
    if now_s < EARLIEST_S:
        return problem("clock", f"it is not {told}", "set the clock; chrony or ntpd keep it right")
    if apart_s > CLOCK_APART_S_MAX:
        return note(
            "clock",
            f"{told}, but the files of {where} are stamped {apart_s:.0f}s apart from that",
            "is the disk another machine's?",
        )
    return ok("clock", told)


def look_at_token(path: Path) -> Finding:
    """That nobody else can read it."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return ok("token", "it will be made by the first `qd up`")
    if mode & 0o077:
        return problem(
            "token", f"{path} can be read by others (mode {mode:o})", f"chmod 600 {path}"
        )
    return ok("token", f"{path}, only its owner's")


def look_at_server(root: Path, ask: Callable[[Path], str]) -> Finding:
    """Whether one runs on the home and is of this version. `ask` answers its version."""
    try:
        version = ask(root)
    except QuarterdeckError as error:
        if (root / "server.json").exists():
            return note("server", str(error), error.hint)
        return ok("server", "none runs on this home now (`qd up --detach` starts one)")
    if version != __version__:
        return note(
            "server",
            f"it is of version {version}, this `qd` of {__version__}",
            "`qd down`, then `qd up` with the version that you want; jobs go on meanwhile",
        )
    return ok("server", f"it runs and answers, version {version}")


def ask_server(root: Path) -> str:
    """The version of the server that the home announces."""
    from quarterdeck.sdk import Client

    with Client(home=root, patience_s=0) as client:
        return client.get_server().version
