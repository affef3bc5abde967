"""A launch order as the runner reads it: one JSON file per replica, written once."""

from __future__ import annotations

import errno
import json
import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from quarterdeck.adapters.spool.plain import LEVELS, open_folder, write_plain
from quarterdeck.basics.errors import Unavailable
from quarterdeck.core.cluster.parts import parse_part
from quarterdeck.core.jobs.lineup import part_of, parts_of
from quarterdeck.core.jobs.manifest import parse_manifest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from quarterdeck.adapters.blobs.filesystem import FilesystemBlobs
    from quarterdeck.adapters.spool.paths import SitePaths
    from quarterdeck.core.cluster.hardware import Node
    from quarterdeck.ports.engine import LaunchOrder

VERSION: Final = 1
ORDER: Final = "order.json"
STOP: Final = "stop.json"
"""Files of a replica's folder: what is to be run, and that it is to stop."""
LOG_LIMITS: Final = {
    "rate_bytes_per_s": 10 * 2**20,
    "burst_bytes": 64 * 2**20,
    "size_bytes_max": 2**30,
}
"""What a replica may log: enough for every job that somebody reads, too little to fill a disk."""


def make_order(
    order: LaunchOrder, node_rank: int, node: Node, home_id: str, paths: SitePaths
) -> dict[str, Any]:
    """The order of one replica, without its work folder."""
    spec, ref = order.spec, order.ref
    part = part_of(spec, len(order.grants), node_rank)
    return {
        "version": VERSION,
        "home_id": home_id,
        "site": paths.root.name,
        "job_id": ref.job_id,
        "attempt": ref.attempt,
        "node_rank": node_rank,
        "nnodes": len(order.grants),
        "ranks_per_node": part.role.ranks_per_node,
        "roles": _make_roles(order),
        "role": part.role.name,
        "node": node.name,
        "address": node.address,
        "command": list(part.role.command),
        "env": dict(spec.env),
        "image": spec.image,
        "isolate": spec.is_isolated,
        "hidden": [str(folder) for folder in (paths.root, *paths.hidden)],
        "devices": [_visible(device) for device in order.grants[node_rank].devices],
        "nics": list(order.grants[node_rank].nics),
        "pretend": node.pretend,
        "results_dir": str(paths.results(ref) / str(node_rank)),
        "checkpoint_dir": str(paths.checkpoint(ref, order.task)),
        "checkpoint_path": spec.checkpoint_path,
        "stop_signal": spec.stopping.signal,
        "grace_s": spec.stopping.grace_s,
        "barrier": len(order.grants) > 1,
        "inbox": str(paths.inbox),
        "time_limit_s": spec.time_limit_s,
        "task": _make_task(order),
        "limits": {
            "memory_bytes": part.resources.memory_bytes,
            "cpus": part.resources.cpus,
        },
        "log": LOG_LIMITS,
    }


def _make_roles(order: LaunchOrder) -> list[dict[str, Any]] | None:
    """Which replicas are of which role; None for a job that has only its own command."""
    if not order.spec.roles:
        return None
    return [
        {"name": part.role.name, "first": part.first, "size": part.size}
        for part in parts_of(order.spec, len(order.grants))
    ]


def _visible(device: str) -> str:
    """What CUDA is told: a share of a GPU is the GPU."""
    part = parse_part(device)
    return part.gpu if not part.profile else device


def _make_task(order: LaunchOrder) -> dict[str, int] | None:
    if order.task is None or order.spec.array is None:
        return None
    return {"index": order.task, "count": len(order.spec.array.indices)}


def make_snapshot(digest: str | None, blobs: FilesystemBlobs) -> dict[str, Any] | None:
    """The work folder's files, to be copied from the blobs."""
    if digest is None:
        return None
    with blobs.open(digest) as stream:
        manifest = parse_manifest(stream.read())
    files: list[dict[str, Any]] = []
    for entry in manifest.files:
        if entry.target is not None:
            files.append({"path": entry.path, "target": entry.target})
        else:
            files.append(
                {
                    "path": entry.path,
                    "mode": entry.mode,
                    "size": entry.size_bytes,
                    "digest": entry.digest,
                }
            )
    return {"files": files}


def write_json(
    path: Path, content: dict[str, Any], mode: int = 0o600, levels: int = LEVELS
) -> None:
    """Write the file whole or not at all. `Unavailable` when the disk does not take it. `mode`: who
    may read it; an order holds what its owner keeps secret, and the runner is of our account."""
    with site_disk():
        write_plain(path, json.dumps(content, ensure_ascii=True).encode(), mode, levels)


def write_stop(folder: Path, grace_s: float, name: str) -> None:
    """Tell the runner of a replica's folder to stop its command: by this signal, then a kill."""
    write_json(folder / STOP, {"grace_s": grace_s, "signal": name})


@contextmanager
def site_disk() -> Iterator[None]:
    """What the disk refuses becomes `Unavailable`: the next turn tries again."""
    try:
        yield
    except OSError as error:
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise Unavailable(
            f"the site's disk: {error}",
            code="disk_full" if is_full else None,
            hint="free some space there" if is_full else "look at the disk",
        ) from error


def poke(folder: Path, word: str) -> None:
    """Ask a runner to look into its folder. Nobody reading is no error: it looks by itself too."""
    flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with open_folder(folder) as here:
            handle = os.open("control.fifo", flags, dir_fd=here)
    except OSError:
        return
    try:
        if stat.S_ISFIFO(os.fstat(handle).st_mode):
            os.write(handle, f"{word}\n".encode())
    except OSError:
        return
    finally:
        os.close(handle)
