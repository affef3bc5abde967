"""`QD_HOME`: the folder that is a server's whole memory, and the files by which it is found.

server.lock     held by the server that uses the home; a second one is refused
server.json     url, pid and version of that server, for `qd` and for scripts
token           the owner's token (mode 0600)
signing_key     what short-lived tokens of runners and agents are signed with (mode 0600)
claim           while nobody owns a server that others can reach: the code that makes an owner
home_id         a random name, by which processes of this home are told from another's
store           the store's address, when it is not the SQLite file of the home
quarterdeck.db  jobs, sites and the event log
verdicts.db     what waiting jobs were told
promises.db     when they were promised to start, and whether it was kept
cycles.db       every plan that was made, for `qd sim replay`
blobs/          work folders by content
audit/          the audit log, its key and its checkpoint; never deleted by retention
sites/local/    the embedded site: spools, logs, results, checkpoints
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from quarterdeck.adapters.spool.locks import is_held
from quarterdeck.adapters.stores.sql.network_mount import refuse_network_mount
from quarterdeck.basics.errors import Conflict, Refused

if TYPE_CHECKING:
    from types import TracebackType


class Home:
    """A home that this process holds, from `__enter__` to `__exit__` or its death."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lock: int | None = None

    def __enter__(self) -> Home:
        """Take the home. Raises `Refused` for one that is taken or that lies where it cannot."""
        refuse_network_mount(self.root)
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(
                self.root / "server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
        except OSError as error:
            raise Refused(
                f"the home {self.root} cannot be used: {error.strerror}",
                field="home",
                hint="choose another folder with --home or QD_HOME",
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            self._lock = None
            raise self._taken() from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go of it."""
        if self._lock is not None:
            (self.root / "server.json").unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None

    def check_free(self) -> None:
        """Refuse a home that is taken or that lies where it cannot. Changes nothing."""
        refuse_network_mount(self.root)
        if is_held(self.root / "server.lock"):
            raise self._taken()

    @property
    def site_root(self) -> Path:
        """The embedded site's folder."""
        return self.root / "sites" / "local"

    def token(self) -> str:
        """The owner's token, made at the first start."""
        return self._secret("token", 32)

    def signing_key(self) -> bytes:
        """What tokens of runners and agents are signed with, made at the first start."""
        return bytes.fromhex(self._secret("signing_key", 32))

    def claim_code(self) -> str:
        """What the first owner shows who comes from elsewhere; the same until it is used."""
        return self._secret("claim", 32, prefix="qdc_")

    def drop_claim(self) -> None:
        """It was used, or is not needed."""
        (self.root / "claim").unlink(missing_ok=True)

    def home_id(self) -> str:
        """The home's own name, made at the first start."""
        return self._secret("home_id", 8)

    def store_url(self, wanted: str | None) -> str:
        """The store's address: the one that was used first. Another one is refused, because a
        server with the wrong store would take all running work for strays."""
        default = f"sqlite:///{(self.root / 'quarterdeck.db').resolve()}"
        path = self.root / "store"
        known = path.read_text().strip() if path.exists() else None
        has_database = (self.root / "quarterdeck.db").exists()
        if known is None and has_database:
            known = default
        if known is not None and wanted is not None and wanted != known:
            raise Refused(
                f"the home {self.root} belongs to another store than the one given",
                field="store",
                hint="leave --store out to use the home's own, or take another --home",
            )
        url = known or wanted or default
        if url != default and not path.exists():
            _write_private(path, url)
        return url

    def announce(self, url: str, version: str, launcher: Path | None = None) -> None:
        """Write `server.json`, whole or not at all."""
        content: dict[str, object] = {"url": url, "pid": os.getpid(), "version": version}
        if launcher is not None:
            content["launcher"] = str(launcher)
        new = self.root / ".server.json.new"
        new.unlink(missing_ok=True)
        _write_private(new, json.dumps(content))
        new.rename(self.root / "server.json")

    def _secret(self, name: str, size: int, prefix: str = "") -> str:
        path = self.root / name
        if not path.exists():
            new = self.root / f".{name}.new"
            new.unlink(missing_ok=True)
            _write_private(new, prefix + secrets.token_hex(size))
            new.rename(path)
        if path.stat().st_mode & 0o077:
            raise Refused(
                f"{path} can be read by others (mode {path.stat().st_mode & 0o777:04o})",
                field="home",
                hint=f"chmod 600 {path}",
            )
        return path.read_text().strip()

    def _taken(self) -> Conflict:
        try:
            server = json.loads((self.root / "server.json").read_text())
            who = f"pid {server['pid']} at {server['url']}"
        except (OSError, ValueError, KeyError):
            who = "it is just starting or ending"
        return Conflict(
            f"a server already uses the home {self.root} ({who})",
            code="home_in_use",
            field="home",
            hint="use that one, end it with `qd down`, or give another --home",
        )


def default_home() -> Path:
    """`QD_HOME`, or `~/.quarterdeck`."""
    return Path(os.environ.get("QD_HOME") or Path.home() / ".quarterdeck")


def _write_private(path: Path, content: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w") as stream:
        stream.write(content + "\n")
        stream.flush()
        os.fsync(stream.fileno())
