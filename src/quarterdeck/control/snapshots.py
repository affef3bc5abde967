"""Keep a work folder: its files by content first, then the manifest that names them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.errors import Conflict, Invalid, NotFound
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.control.disk import check_room
from quarterdeck.core.jobs.manifest import parse_manifest

SEEN_NS: Final = 600 * NS_PER_S
"""For so long a work folder that was seen whole needs no second look: a thousand jobs of one folder
cost one. No rule of retention is that short."""
SEEN_MAX: Final = 1000

if TYPE_CHECKING:
    from quarterdeck.control.plane import ControlPlane
    from quarterdeck.core.jobs.job import Job
    from quarterdeck.core.jobs.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Kept:
    """The manifest's digest; it is kept once nothing is missing any more."""

    digest: str
    missing: tuple[str, ...]


def keep_snapshot(plane: ControlPlane, manifest: Manifest, owner: str | None = None) -> Kept:
    """Keep the manifest if all its files are here; otherwise say which are not. `Unavailable` on
    a full disk.

    Files that the owner has not sent are missing, too (see `holdings`); without one, for who may
    have everything, only those that nobody has.
    """
    check_room(plane)
    digests = [entry.digest for entry in manifest.files if entry.digest is not None]
    missing = plane.blobs.missing(digests)
    if owner is not None:
        unseen = plane.holdings.lacks(owner, digests).union(missing)
        missing = [digest for digest in dict.fromkeys(digests) if digest in unseen]
    if not missing:
        plane.blobs.put(manifest.digest, [manifest.to_bytes()])
        if owner is not None:
            plane.folders_held.add(owner, manifest.digest)
    return Kept(manifest.digest, tuple(missing))


def may_name(plane: ControlPlane, digest: str, owner: str | None) -> bool:
    """Whether somebody's job may have this work folder: they have kept it, or were shown the
    request of a job that has it. No owner stands for who may have everything.

    That the manifest is here says nothing: anybody may upload one, as a file, that names the files
    of others.
    """
    return owner is None or not plane.folders_held.lacks(owner, [digest])


def use_snapshot(plane: ControlPlane, digest: str) -> bool:
    """Whether the manifest and all its files are here; if so, their time of last use is now.

    See `retention` for why that keeps them from being deleted under a job.
    """
    now_ns, used = plane.clock.now_ns(), plane.snapshots_used
    if 0 <= now_ns - used.get(digest, now_ns - SEEN_NS) < SEEN_NS:
        return True
    if plane.blobs.missing([digest]):
        return False
    try:
        with plane.blobs.open(digest) as stream:
            manifest = parse_manifest(stream.read())
    except (NotFound, Invalid):
        return False
    if plane.blobs.missing([entry.digest for entry in manifest.files if entry.digest]):
        return False
    if len(used) >= SEEN_MAX:
        used.clear()
    used[digest] = now_ns
    return True


def check_snapshot_kept(plane: ControlPlane, job: Job) -> None:
    """Raise `Conflict` for a job whose work folder retention has deleted: it cannot run again."""
    if job.spec.snapshot is not None and not use_snapshot(plane, job.spec.snapshot):
        raise Conflict(
            f"the work folder of job {job.id} was deleted by retention, so it cannot run again",
            code="snapshot_deleted",
            hint="submit the job anew from its folder; `qd up --keep snapshots=SPAN` keeps them "
            "longer",
        )
