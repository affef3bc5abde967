"""A real PostgreSQL server for the length of a test run, from the programs of this machine."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

USER: Final = "quarterdeck"
PASSWORD: Final = "not-secret: a throwaway server on loopback"
START_TRIES: Final = 5
START_S_MAX: Final = 60


def find_postgres() -> Path | None:
    """The folder with the server's programs, or None: on PATH, else Debian's newest version."""
    on_path = shutil.which("pg_ctl")
    if on_path is not None:
        return Path(on_path).resolve().parent
    found = Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")
    versions = sorted(found, key=lambda path: int(path.parts[-3].partition(".")[0]))
    return versions[-1].parent if versions else None


@contextmanager
def running_postgres(*, is_durable: bool = False) -> Iterator[PostgresServer]:
    """A server on a free port of loopback, gone with its data afterwards.

    Unless it is to be durable it never waits for the disk, which makes tests fast and is the one
    thing in which it differs from a real one.
    """
    programs = find_postgres()
    assert programs is not None, "there is no pg_ctl"
    folder = Path(tempfile.mkdtemp(prefix="qd-postgres-"))
    server = PostgresServer(programs, folder, is_durable=is_durable)
    try:
        server.create()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


class PostgresServer:
    """One server; `running_postgres` makes it."""

    def __init__(self, programs: Path, folder: Path, *, is_durable: bool) -> None:
        self._programs = programs
        self._folder = folder
        self._data = folder / "data"
        self._is_durable = is_durable
        self._port = 0
        self._databases = count(1)

    def create(self) -> None:
        """Make the data folder, with a superuser who needs a password."""
        password = self._folder / "password"
        password.write_text(PASSWORD + "\n")
        if self._account is not None:
            os.chown(self._folder, self._account.pw_uid, self._account.pw_gid)
            os.chown(password, self._account.pw_uid, self._account.pw_gid)
        self._run(
            "initdb", "-D", str(self._data), "-U", USER, "--pwfile", str(password),
            "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync",
        )  # fmt: skip

    def start(self) -> None:
        """Start it, and wait until it answers. A restart keeps the port, so old URLs hold."""
        for tries_left in reversed(range(START_TRIES)):
            port = self._port or _free_port()
            try:
                self._run(
                    "pg_ctl", "start", "-D", str(self._data), "-w", "-t", str(START_S_MAX),
                    "-l", str(self._folder / "log"), "-o", " ".join(self._options(port)),
                )  # fmt: skip
            except subprocess.CalledProcessError as error:
                # Somebody else may have taken the port between the look and the start.
                if tries_left and not self._port:
                    continue
                log = self._folder / "log"
                error.add_note(log.read_text() if log.exists() else "(it wrote no log)")
                raise
            self._port = port
            return

    def stop(self) -> None:
        """End it at once, if it runs; clients find their connections broken."""
        if (self._data / "postmaster.pid").exists():
            self._run("pg_ctl", "stop", "-D", str(self._data), "-m", "fast", "-w")

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"store_{next(self._databases)}"
        self._run(
            "createdb", "-h", "127.0.0.1", "-p", str(self._port), "-U", USER, name,
            env={**os.environ, "PGPASSWORD": PASSWORD},
        )  # fmt: skip
        password = PASSWORD.replace(" ", "%20").replace(":", "%3A")
        return f"postgresql://{USER}:{password}@127.0.0.1:{self._port}/{name}"

    @cached_property
    def _account(self) -> pwd.struct_passwd | None:
        """Whom to run as: PostgreSQL refuses to run as root."""
        if os.getuid() != 0:
            return None
        for name in ("postgres", "nobody"):
            try:
                return pwd.getpwnam(name)
            except KeyError:
                continue
        raise AssertionError("root needs an account 'postgres' or 'nobody' for PostgreSQL")

    def _options(self, port: int) -> Iterator[str]:
        yield f"-p {port} -k {self._folder} -c listen_addresses=127.0.0.1"
        yield "-c max_connections=60 -c shared_buffers=32MB"
        if not self._is_durable:
            yield "-c fsync=off -c full_page_writes=off"

    def _run(self, program: str, *arguments: str, env: dict[str, str] | None = None) -> None:
        """Run one of the programs. Its output goes to a file, because a server that was started
        keeps the descriptors of who started it."""
        account = self._account
        switch: dict[str, Any] = (
            {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}
        )
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(
                [self._programs / program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                env=env,
                check=False,
                **switch,
            )
            if done.returncode:
                output.seek(0)
                error = subprocess.CalledProcessError(done.returncode, program)
                error.add_note(output.read().decode(errors="replace"))
                raise error


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
