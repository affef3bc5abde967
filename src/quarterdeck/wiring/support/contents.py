"""What goes into a support bundle.

Everything is named here, one by one; nothing is copied because it lies somewhere. Of jobs and
events only numbers, times and codes are taken, none of which is text that a person wrote.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import threading
from collections import Counter, deque
from importlib.metadata import PackageNotFoundError, requires, version
from typing import TYPE_CHECKING, Any, Final

from quarterdeck import __version__
from quarterdeck.basics.errors import QuarterdeckError
from quarterdeck.wiring.support.redaction import known_secrets, without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from quarterdeck.sdk import Client
    from quarterdeck.wire.v1.events import EventView

LOG_BYTES: Final = 256 * 1024
JOBS_SHOWN: Final = 200
JOBS_COUNTED: Final = 1000
EVENTS_SHOWN: Final = 500
EVENTS_S_MAX: Final = 5.0
_JOB_KEYS: Final = (
    "id", "state", "reason", "exit_code", "priority", "nodes", "ranks_per_node", "gpus_per_node",
    "cpus_per_node", "memory_bytes_per_node", "demand", "pretend", "submitted_at", "started_at",
    "ended_at", "retries",
)  # fmt: skip
_EVENT_KEYS: Final = ("attempt", "task", "reason")


def collect(root: Path, environment: Mapping[str, str]) -> dict[str, bytes]:
    """What goes into the bundle, by name."""
    from quarterdeck.wiring.doctor.command import as_text, examine

    parts = {
        "about.json": _as_json(_versions()),
        "settings.json": _as_json(_settings(root, environment)),
        "doctor.txt": as_text(examine(root)).encode(),
        "home.json": _as_json(_sizes(root)),
        "server.log": _tail(root / "server.log"),
        "launcher.log": _tail(root / "sites" / "local" / "run" / "launcher.log"),
        **_ask_server(root),
    }
    secrets = known_secrets(root, environment)
    return {name: without_secrets(content, secrets) for name, content in parts.items()}


def _versions() -> dict[str, Any]:
    return {
        "version": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": dict(_package_versions()),
    }


def _package_versions() -> Iterator[tuple[str, str | None]]:
    """Of what the project itself asks for."""
    try:
        asked = requires("quarterdeck") or []
    except PackageNotFoundError:
        return
    for line in asked:
        if "extra ==" in line:
            continue
        name = line.partition(";")[0].partition(">")[0].partition("[")[0].strip()
        try:
            yield name, version(name)
        except PackageNotFoundError:
            yield name, None


def _settings(root: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    """Which are set; of the values only the kind of the store."""
    store = _read(root / "store").decode("utf-8", "replace") or environment.get("QD_STORE", "")
    return {
        "variables_set": sorted(name for name in environment if name.startswith("QD_")),
        "store": store.partition(":")[0] or "sqlite",
    }


def _ask_server(root: Path) -> dict[str, bytes]:
    from quarterdeck.sdk import Client

    try:
        with Client(home=root, patience_s=0) as client:
            server = client.get_server()
            jobs = [job.model_dump() for job in client.list_jobs(limit=JOBS_COUNTED).jobs]
            counts = {
                "jobs_counted": len(jobs),
                "by_state": Counter(job["state"] for job in jobs),
                "queue_length": client.get_queue(limit=1).length,
            }
            shown = [{key: job[key] for key in _JOB_KEYS} for job in jobs[:JOBS_SHOWN]]
            events = _newest_events(client, server.last_event or 0)
            return {
                "server.json": server.model_dump_json(indent=2).encode(),
                "nodes.json": client.list_nodes().model_dump_json(indent=2).encode(),
                "counts.json": _as_json(counts),
                "jobs.json": _as_json(shown),
                "events.jsonl": b"".join(
                    json.dumps(_plain(one)).encode() + b"\n" for one in events
                ),
            }
    except QuarterdeckError as error:
        return {"server.json": _as_json({"error": str(error)})}


def _newest_events(client: Client, head: int) -> list[EventView]:
    """The end of the log. Read beside, because a stream whose end has been swept never ends."""
    found: deque[EventView] = deque(maxlen=EVENTS_SHOWN)

    def read() -> None:
        with contextlib.suppress(QuarterdeckError):
            for event in client.stream_events(after=max(0, head - EVENTS_SHOWN)):
                found.append(event)
                if event.seq >= head:
                    return

    if head:
        reading = threading.Thread(target=read, daemon=True)
        reading.start()
        reading.join(EVENTS_S_MAX)
    return list(found)


def _plain(event: EventView) -> dict[str, Any]:
    told = event.model_dump(exclude={"data"})
    return told | {key: event.data[key] for key in _EVENT_KEYS if key in event.data}


def _sizes(root: Path) -> dict[str, Any]:
    """How much lies where: names of folders that we made, never of files inside them."""
    folders = (root, *_folders(root), *_folders(root / "sites" / "local"))
    return {str(folder.relative_to(root)): _size_of(folder) for folder in folders}


def _size_of(folder: Path) -> dict[str, int]:
    """Files may go while they are counted."""
    files = size_bytes = 0
    for where, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                size_bytes += os.lstat(os.path.join(where, name)).st_size  # noqa: PTH118 - many
                files += 1
    return {"files": files, "bytes": size_bytes}


def _folders(root: Path) -> list[Path]:
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
