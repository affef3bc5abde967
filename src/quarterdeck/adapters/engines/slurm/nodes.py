"""Slurm's nodes as nodes of a site, less what others have of them.

What others have is what Slurm says is taken of a node, less what we asked of it there. So it is
right also where Slurm gives more than was asked for, whole cores or whole nodes, and where it does
not say whose it is.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from quarterdeck.adapters.engines.slurm.gpus import are_all_exact
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.cluster.hardware import Foreign, GangTerms, Location, Node, NodeState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from quarterdeck.adapters.engines.slurm.gpus import NodeGpus
    from quarterdeck.adapters.engines.slurm.records import (
        SlurmJob,
        SlurmNode,
        SlurmReservation,
    )
    from quarterdeck.adapters.engines.slurm.settings import SlurmSettings
    from quarterdeck.adapters.engines.slurm.view import Look
    from quarterdeck.core.cluster.demand import Grant

_RUNNING: Final = ("RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "STAGE_OUT")
_DRAINED: Final = ("DRAIN", "DRAINED", "DRAINING", "FAIL", "FAILING")
_PASSED_BY: Final = frozenset({"IGNORE_JOBS"})


class Held(NamedTuple):
    """What an attempt of ours was granted of a node, and what Slurm was asked for it there, which
    is more where the job did not say how many CPUs and how much memory it needs. `job` is the batch
    job's id once that is known."""

    grant: Grant
    cpus: int
    memory_bytes: int
    owner: str
    job: int | None


@dataclass(slots=True)
class _Share:
    """So much of one node."""

    gpus: int = 0
    cpus: int = 0
    memory_bytes: int = 0


def make_nodes(
    look: Look,
    settings: SlurmSettings,
    held: Mapping[str, Sequence[Held]],
    now_s: int,
    *,
    whole_gpus_only: bool = True,
    gang_terms: GangTerms | None = None,
) -> tuple[Node, ...]:
    """All nodes of the partition. `held`: what is ours of each; `whole_gpus_only`: whether it is
    Slurm that gives a job its GPUs; `gang_terms`: None for those of one batch job of Slurm's, which
    gets the same of each of its nodes."""
    terms = gang_terms or GangTerms(is_alike=True, has_same_gpus=are_all_exact(look.gpus.values()))
    ours = {one.job for some in held.values() for one in some}
    by_node: defaultdict[str, list[SlurmJob]] = defaultdict(list)
    for job in look.jobs.values():
        if job.state in _RUNNING and job.id not in ours:
            for name in job.nodes:
                by_node[name].append(job)
    kept = _find_reservations(look.rare.reservations, settings, now_s)
    may_start, why_not = _find_open(look, settings, now_s)
    found = []
    for seen in look.nodes:
        gpus, mine = look.gpus[seen.name], held.get(seen.name, ())
        state, reason = _state_of(seen)
        if state is NodeState.READY and seen.name not in may_start:
            state, reason = NodeState.DRAINED, why_not
        begun = [one for one in mine if _has_begun(one, seen.name, look)]
        others = _others_on(seen, gpus, by_node[seen.name], mine, begun)
        found.append(
            Node(
                name=seen.name,
                cpus=seen.cpus,
                memory_bytes=seen.memory_bytes,
                devices=gpus.devices(settings.hardware),
                address=seen.address or seen.hostname or seen.name,
                state=state,
                topology=settings.hardware.topology if settings.hardware is not None else None,
                location=look.rare.locations.get(seen.name, Location()),
                reason=reason,
                whole_gpus_only=whole_gpus_only,
                gang_terms=terms,
                others=(*_surplus(mine, look), *others, *kept.get(seen.name, ())),
            )
        )
    return tuple(found)


def _surplus(mine: Sequence[Held], look: Look) -> Iterator[Foreign]:
    """What our own jobs have beyond what the plan granted them, for as long as they do."""
    for one in mine:
        cpus = one.cpus - one.grant.cpus
        memory_bytes = max(0, one.memory_bytes - one.grant.memory_bytes)
        job = look.jobs.get(one.job) if one.job is not None else None
        if job is not None and not job.has_ended and (cpus > 0 or memory_bytes):
            ends_at_ns = None if job.ended_s is None else job.ended_s * NS_PER_S
            name = f"what Slurm gives {one.owner} beside its GPUs"
            yield Foreign(name, (), max(0, cpus), memory_bytes, ends_at_ns)


def _has_begun(one: Held, node: str, look: Look) -> bool:
    """Whether what Slurm says is taken of the node has it, too: what still waits is not."""
    job = look.jobs.get(one.job) if one.job is not None else None
    return job is not None and job.state in _RUNNING and node in job.nodes


def _find_open(look: Look, settings: SlurmSettings, now_s: int) -> tuple[frozenset[str], str]:
    """The nodes on which Slurm would start a job of this site, and why on no other."""
    partition, name = look.rare.partition, settings.reservation
    if partition.state not in ("UP", ""):
        return frozenset(), f"Slurm: partition {partition.name} is {partition.state.lower()}"
    if not name:
        return frozenset(seen.name for seen in look.nodes), ""
    ours = next((one for one in look.rare.reservations if one.name == name), None)
    if ours is None or (ours.ends_s is not None and ours.ends_s <= now_s):
        return frozenset(), f"Slurm: there is no reservation {name} now"
    if ours.starts_s is None or ours.starts_s > now_s:
        return frozenset(), f"Slurm: reservation {name} has not begun"
    return frozenset(ours.nodes), f"Slurm: it is not in reservation {name}"


def _state_of(seen: SlurmNode) -> tuple[NodeState, str]:
    if seen.may_run:
        return NodeState.READY, ""
    told = " ".join([seen.state, *sorted(seen.flags)]).lower()
    reason = f"Slurm: {told}" + (f" ({seen.reason})" if seen.reason else "")
    is_drained = bool(seen.flags & set(_DRAINED)) or seen.state in _DRAINED
    is_up = seen.state not in ("DOWN", "ERROR", "UNKNOWN") and "NOT_RESPONDING" not in seen.flags
    return (NodeState.DRAINED if is_drained and is_up else NodeState.DOWN), reason


def _others_on(
    seen: SlurmNode,
    gpus: NodeGpus,
    jobs: Iterable[SlurmJob],
    mine: Sequence[Held],
    begun: Sequence[Held],
) -> list[Foreign]:
    """Those of others that run there, and what is taken by nobody knows whom. Of what is ours only
    what has `begun` is a part of what is taken."""
    used = sum(one.count for one in seen.gres_used if one.name == "gpu")
    ours = sum(len(one.grant.devices) for one in begun)
    left = _Share(
        max(0, min(used, len(gpus.types)) - ours),
        max(0, seen.cpus_used - sum(one.cpus for one in begun)),
        max(0, seen.memory_used_bytes - sum(one.memory_bytes for one in begun)),
    )
    free = _devices_of_others(seen, gpus, mine)
    found = []
    for job in sorted(jobs, key=lambda job: (job.ended_s or 1 << 62, job.id)):
        share = _share_of(job, left)
        ends_at_ns = None if job.ended_s is None else job.ended_s * NS_PER_S
        found.append(_foreign(f"Slurm job {job.id}", share, free, ends_at_ns))
        left = _Share(
            left.gpus - share.gpus,
            left.cpus - share.cpus,
            left.memory_bytes - share.memory_bytes,
        )
    if left.gpus or left.cpus or left.memory_bytes:
        found.append(_foreign("Slurm", left, free, None))
    return found


def _devices_of_others(seen: SlurmNode, gpus: NodeGpus, mine: Sequence[Held]) -> list[str]:
    """The devices that are not ours, those first that Slurm says are taken. Where it gives any of
    a node's, only their number is true, and ours keep the names that the plan gave them."""
    ours = {device for one in mine for device in one.grant.devices}
    all_devices = [gpus.id_of(index) for index in range(len(gpus.types))]
    told = {index for one in seen.gres_used if one.name == "gpu" for index in one.indices}
    if gpus.are_exact:
        # Each has a type of its own; a number may be missing where a GPU was taken out.
        taken = {one.type for one in seen.gres_used if one.name == "gpu" and one.count}
        told = {index for index, kind in enumerate(gpus.types) if kind in taken}
    rest = [device for device in all_devices if device not in ours]
    return sorted(rest, key=lambda device: gpus.index_of(device) not in told)


def _share_of(job: SlurmJob, left: _Share) -> _Share:
    """Its share of one node, where Slurm tells the sum: the same on each, and no more than is
    taken there."""
    nodes = max(1, len(job.nodes))
    # Without AccountingStorageTRES=gres/gpu only what it asked for is told, of each node.
    asked = sum(one.count for one in job.asked_gres if one.name == "gpu")
    gpus = -(-job.tres["gres/gpu"] // nodes) if "gres/gpu" in job.tres else asked
    return _Share(
        min(left.gpus, gpus),
        min(left.cpus, -(-job.cpus // nodes)),
        min(left.memory_bytes, job.memory_bytes // nodes),
    )


def _foreign(name: str, share: _Share, free: list[str], ends_at_ns: int | None) -> Foreign:
    devices = tuple(free[: share.gpus])
    del free[: share.gpus]
    return Foreign(name, devices, share.cpus, share.memory_bytes, ends_at_ns)


def _find_reservations(
    reservations: Iterable[SlurmReservation], settings: SlurmSettings, now_s: int
) -> dict[str, list[Foreign]]:
    """By node: what Slurm keeps for others from a time on. One that has begun keeps it, too."""
    found: defaultdict[str, list[Foreign]] = defaultdict(list)
    for one in reservations:
        is_ours = bool(settings.reservation) and one.name == settings.reservation
        if is_ours or one.flags & _PASSED_BY or one.starts_s is None:
            continue
        if one.ends_s is not None and one.ends_s <= now_s:
            continue
        ends_at_ns = None if one.ends_s is None else one.ends_s * NS_PER_S
        kept = Foreign(
            f"Slurm reservation {one.name}",
            ends_at_ns=ends_at_ns,
            starts_at_ns=max(1, one.starts_s * NS_PER_S),
        )
        for node in one.nodes:
            found[node].append(kept)
    return dict(found)
