"""The nodes of a site whose jobs run under pilots.

Those that pilots hold are ours whole, until a little before the pilot's end. Of the others only so
many are offered as pilots may still be made, and only those of which nobody has anything: what the
plan places on one of them is what a pilot is made for.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from quarterdeck.adapters.engines.slurm.nodes import Held, make_nodes
from quarterdeck.adapters.engines.slurm.pilots import HOLD_S_LEAST, hold_of
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.cluster.demand import Grant
from quarterdeck.core.cluster.hardware import Foreign, GangTerms, Node, NodeState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from quarterdeck.adapters.engines.slurm.pilots import Pilot
    from quarterdeck.adapters.engines.slurm.settings import PilotSettings
    from quarterdeck.adapters.engines.slurm.view import Look

LATE_S: Final = 3600.0
"""Before its end a pilot is given no job without a time limit: one that begins there has this long,
or a quarter of what the pilot stays in all."""


def make_pilot_nodes(
    look: Look,
    settings: PilotSettings,
    holding: Mapping[str, Pilot],
    avoided: Mapping[str, str],
    now_s: float,
) -> tuple[Node, ...]:
    """All nodes of the partition. `holding`: the pilots by node; `avoided`: nodes for which Slurm
    did not start one, and what it said."""
    held = {
        seen.name: (_hold(pilot, seen.cpus, seen.memory_bytes, look),)
        for seen in look.nodes
        if (pilot := holding.get(seen.name)) is not None
    }
    terms = GangTerms(nodes_max=settings.nodes_max)
    nodes = make_nodes(
        look, settings.slurm, held, int(now_s), whole_gpus_only=False, gang_terms=terms
    )
    offered = _offered(nodes, look, settings, holding, avoided, now_s)
    return tuple(
        _ours(node, holding[node.name], look, now_s)
        if node.name in holding
        else _offer(node, offered.get(node.name, ""))
        for node in nodes
    )


def _hold(pilot: Pilot, cpus: int, memory_bytes: int, look: Look) -> Held:
    gpus = look.gpus[pilot.node]
    devices = tuple(gpus.id_of(index) for index in range(len(gpus.types)))
    grant = Grant(pilot.node, devices, cpus, memory_bytes)
    return Held(grant, cpus, memory_bytes, "the pilot", pilot.batch.ticket.job)


def _ours(node: Node, pilot: Pilot, look: Look, now_s: float) -> Node:
    """With the end of its pilot, as a reservation by Slurm: what cannot be over by then is not
    started there."""
    if pilot.is_lost:
        told = f"its pilot (Slurm job {pilot.batch.ticket.job}) has fallen silent"
        return replace(node, state=NodeState.DOWN, reason=told)
    job = look.jobs.get(pilot.batch.ticket.job or 0)
    if job is None or job.ended_s is None or job.state == "PENDING":
        return node
    ends_s = job.ended_s - pilot.margin_s
    end = Foreign(
        f"the time limit of Slurm job {job.id}",
        ends_at_ns=job.ended_s * NS_PER_S,
        starts_at_ns=max(1, int(ends_s * NS_PER_S)),
        spares_unlimited=ends_s - now_s > min(LATE_S, pilot.hold_s / 4),
    )
    return replace(node, others=(*node.others, end))


def _offer(node: Node, withheld: str) -> Node:
    """One that no pilot holds: none of it is to be had when others have a part of it."""
    if node.state is not NodeState.READY:
        return node
    if withheld:
        return replace(node, state=NodeState.DRAINED, reason=withheld)
    sharers = [one for one in node.others if not one.is_reservation]
    if not sharers:
        return node
    ends_ns = [one.ends_at_ns for one in sharers]
    last_ns = None if None in ends_ns else max(end for end in ends_ns if end is not None)
    name = (
        sharers[0].name if len(sharers) == 1 else f"{sharers[0].name} and {len(sharers) - 1} more"
    )
    devices = tuple(device.id for device in node.devices)
    whole = Foreign(name, devices, node.cpus, node.memory_bytes, last_ns)
    return replace(node, others=(whole, *(one for one in node.others if one.is_reservation)))


def _offered(
    nodes: Sequence[Node],
    look: Look,
    settings: PilotSettings,
    holding: Mapping[str, Pilot],
    avoided: Mapping[str, str],
    now_s: float,
) -> dict[str, str]:
    """Why each node that is free is withheld; empty for those that are offered."""
    left = max(0, settings.nodes_max - len(holding))
    told = {}
    for node in free_nodes(nodes, holding):
        why = avoided.get(node.name, "")
        if not why and hold_of(node, look, settings, now_s) < HOLD_S_LEAST:
            why = "it is soon kept for others"
        if not why and not left:
            why = f"nodes_max is {settings.nodes_max}, and so many are held or offered"
        left -= not why
        told[node.name] = why
    return told


def free_nodes(nodes: Iterable[Node], holding: Mapping[str, Pilot]) -> list[Node]:
    """Those of which nobody has anything, the best first."""
    free = [
        node
        for node in nodes
        if node.name not in holding
        and node.state is NodeState.READY
        and all(one.is_reservation for one in node.others)
    ]
    return sorted(free, key=_by_use)


def _by_use(node: Node) -> tuple[int, str, str, str, str]:
    """Most GPUs first, then neighbours together."""
    where = node.location
    return (-len(node.devices), where.pod, where.unit, where.rack, node.name)
