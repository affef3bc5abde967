"""Nodes and their GPUs as the wire shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.basics.times import to_iso
from quarterdeck.core.cluster.parts import gpu_of, parse_part
from quarterdeck.wire.v1.cluster import CordonView, DeviceView, ForeignView, NodeDetail, NodeView

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.cluster.demand import Grant
    from quarterdeck.core.cluster.hardware import Cordon, Foreign
    from quarterdeck.core.cluster.room import Room


def node_view(room: Room, job_ids: Sequence[JobId]) -> NodeView:
    """One machine. All its GPUs are of one model."""
    node = room.node
    return NodeView(
        name=node.name,
        site=room.site,
        state=node.state.value,
        pretend=node.pretend,
        gpu_model=node.devices[0].model if node.devices else None,
        gpus=len(node.devices),
        gpus_free=len(room.free_devices) if room.is_open else 0,
        cpus=node.cpus,
        cpus_free=max(0, room.free_cpus),
        memory_bytes=node.memory_bytes,
        memory_free_bytes=max(0, room.free_memory_bytes),
        jobs=list(job_ids),
        cordon=_cordon_view(room.cordon),
        gpus_cordoned=sum(cordon.device is not None for cordon in room.cordons),
        rack=node.location.rack,
        unit=node.location.unit,
        pod=node.location.pod,
        gpu_states=_gpu_states(room),
        reason=node.reason,
        others=[_foreign_view(one) for one in node.others],
    )


def node_detail(
    room: Room, holds: Sequence[tuple[JobId, Grant]], visible: Collection[JobId]
) -> NodeDetail:
    """One machine with its GPUs. `holds` are the jobs with what they hold of it."""
    shown = [job_id for job_id in dict.fromkeys(job_id for job_id, _ in holds) if job_id in visible]
    held: dict[str, list[tuple[JobId, str]]] = {}
    for job_id, grant in holds:
        for device in grant.devices:
            held.setdefault(parse_part(device).gpu, []).append((job_id, device))
    lent: dict[str, list[str]] = {}
    for one in room.node.others:
        for gpu in dict.fromkeys(map(gpu_of, () if one.is_reservation else one.devices)):
            lent.setdefault(gpu, []).append(one.name)
    cordons = {cordon.device: cordon for cordon in room.cordons}
    devices = [
        DeviceView(
            index=index,
            id=device.id,
            model=device.model,
            memory_bytes=device.memory_bytes,
            state=state,
            jobs=[job_id for job_id, _ in held.get(device.id, ()) if job_id in visible],
            others=lent.get(device.id, []),
            parts=[part for _, part in held.get(device.id, ()) if part != device.id],
            cordon=_cordon_view(cordons.get(device.id)),
        )
        for index, (device, state) in enumerate(
            zip(room.node.devices, _gpu_states(room), strict=True)
        )
    ]
    return NodeDetail(**node_view(room, shown).model_dump(), devices=devices)


def _gpu_states(room: Room) -> list[str]:
    """In the order of the node's GPUs."""
    free, shut = frozenset(room.free_devices), frozenset(room.cordoned_devices)
    lent = frozenset(room.lent)
    sliced = {parse_part(part).gpu for part in room.parts}
    if not room.is_open:
        free, shut = frozenset(), free | shut
    return [
        "free"
        if device.id in free
        else "cordoned"
        if device.id in shut
        else "others"
        if device.id in lent
        else "sliced"
        if device.id in sliced
        else "held"
        for device in room.node.devices
    ]


def _foreign_view(one: Foreign) -> ForeignView:
    return ForeignView(
        name=one.name,
        gpus=len(set(map(gpu_of, one.devices))),
        cpus=one.cpus,
        memory_bytes=one.memory_bytes,
        starts_at=to_iso(one.starts_at_ns) if one.is_reservation else None,
        ends_at=None if one.ends_at_ns is None else to_iso(one.ends_at_ns),
    )


def _cordon_view(cordon: Cordon | None) -> CordonView | None:
    if cordon is None:
        return None
    return CordonView(reason=cordon.reason, by=cordon.actor, at=to_iso(cordon.at_ns))
