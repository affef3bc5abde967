"""`qd support-bundle`: what somebody who helps needs to see, and no secret.

What goes in is named here, one by one; nothing is copied because it lies somewhere. Tokens, jobs'
logs, commands, variables, notes and tags never do, and addresses lose their passwords.
"""

from __future__ import annotations

import io
import json
import platform
import re
import tarfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from quarterdeck import __version__
from quarterdeck.basics.errors import QuarterdeckError, Refused
from quarterdeck.basics.quantities import format_bytes
from quarterdeck.wiring.home import default_home

if TYPE_CHECKING:
    from collections.abc import Iterable

LOG_BYTES: Final = 256 * 1024
JOBS_SHOWN: Final = 200
_PASSWORD: Final = re.compile(r"(?<=://)[^/\s@]*@")
_LONG_WORD: Final = re.compile(r"[A-Za-z0-9_+/=-]{32,}")
_JOB_KEYS: Final = (
    "id", "state", "reason", "exit_code", "priority", "nodes", "ranks_per_node", "gpus_per_node",
    "cpus_per_node", "memory_bytes_per_node", "demand", "pretend", "submitted_at", "started_at",
    "ended_at", "retries",
)  # fmt: skip
"""Of each job only these: none of them is text that a person wrote."""


@click.command()
@click.option(
    "--home", type=click.Path(path_type=Path), help="Data folder [QD_HOME, ~/.quarterdeck]."
)
@click.option("-o", "--output", "target", type=click.Path(path_type=Path), metavar="FILE.tar.gz")
@click.option("--dry-run", is_flag=True, help="Only list what would be in it.")
def command(home: Path | None, target: Path | None, *, dry_run: bool) -> None:
    """Collect what helps to find a fault into one file: no tokens, no commands, no job logs."""
    root = (home or default_home()).absolute()
    parts = collect(root)
    for name, content in parts.items():
        click.echo(f"{name}  {format_bytes(len(content))}", err=not dry_run)
    if dry_run:
        return
    path = target or Path(f"quarterdeck-support-{time.strftime('%Y%m%d-%H%M%S')}.tar.gz")
    try:
        with path.open("xb") as stream, tarfile.open(fileobj=stream, mode="w:gz") as bundle:
            for name, content in parts.items():
                entry = tarfile.TarInfo(f"quarterdeck-support/{name}")
                entry.size, entry.mtime, entry.mode = len(content), int(time.time()), 0o600
                bundle.addfile(entry, io.BytesIO(content))
    except OSError as error:
        raise Refused(
            f"{path} cannot be written: {error.strerror}", hint="choose another with -o"
        ) from None
    click.echo(str(path))


def collect(root: Path) -> dict[str, bytes]:
    """What goes into the bundle, by name."""
    from quarterdeck.wiring.doctor.command import as_text, examine

    secrets = [text for name in ("token",) if (text := _read(root / name).decode().strip())]
    parts = {
        "about.json": _as_json({"version": __version__, "python": platform.python_version(),
                                "system": platform.platform()}),
        "doctor.txt": as_text(examine(root)).encode(),
        "home.json": _as_json(_sizes(root)),
        "server.log": _tail(root / "server.log"),
        "launcher.log": _tail(root / "sites" / "local" / "run" / "launcher.log"),
        **_ask_server(root),
    }  # fmt: skip
    return {name: _without_secrets(content, secrets) for name, content in parts.items()}


def _ask_server(root: Path) -> dict[str, bytes]:
    from quarterdeck.sdk import Client

    try:
        with Client(home=root, patience_s=0) as client:
            jobs = client.list_jobs(limit=JOBS_SHOWN).jobs
            plain = [job.model_dump() for job in jobs]
            return {
                "server.json": client.get_server().model_dump_json(indent=2).encode(),
                "nodes.json": client.list_nodes().model_dump_json(indent=2).encode(),
                "jobs.json": _as_json([{key: job[key] for key in _JOB_KEYS} for job in plain]),
            }
    except QuarterdeckError as error:
        return {"server.json": _as_json({"error": str(error)})}


def _sizes(root: Path) -> dict[str, Any]:
    """How much lies where: names of folders that we made, never of files inside them."""
    folders = (root, *_folders(root), *_folders(root / "sites" / "local"))
    return {
        str(folder.relative_to(root)): {
            "files": sum(1 for path in folder.iterdir() if path.is_file()),
            "bytes": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
        }
        for folder in folders
    }


def _folders(root: Path) -> Iterable[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []


def _tail(path: Path) -> bytes:
    content = _read(path)[-LOG_BYTES:]
    return content.partition(b"\n")[2] if len(content) == LOG_BYTES else content


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _as_json(content: object) -> bytes:
    return json.dumps(content, indent=2, default=str).encode()


def _without_secrets(content: bytes, secrets: Iterable[str]) -> bytes:
    """The second net: known secrets, passwords in addresses, and words that look like keys."""
    text = content.decode("utf-8", "replace")
    for secret in secrets:
        text = text.replace(secret, "(removed)")
    text = _PASSWORD.sub("(removed)@", text)
    return _LONG_WORD.sub("(removed)", text).encode()
