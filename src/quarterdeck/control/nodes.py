"""Keep new work off a node or some of its GPUs, move work off a node, and let it in again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quarterdeck.basics.errors import Conflict, Invalid, NotFound
from quarterdeck.control.steps import take_events
from quarterdeck.core.cluster.events import Cordoned, Resumed
from quarterdeck.core.jobs import decide
from quarterdeck.core.limits import LIMITS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterdeck.basics.ids import JobId
    from quarterdeck.control.plane import ControlPlane
    from quarterdeck.core.cluster.hardware import Node
    from quarterdeck.core.cluster.room import Room
    from quarterdeck.ports.store import Transaction


@dataclass(frozen=True, slots=True)
class Place:
    """A node, or some of its GPUs by their ids."""

    site: str
    node: str
    devices: tuple[str, ...] = ()


def find_place(
    plane: ControlPlane, node: str, gpus: Sequence[str] = (), site: str | None = None
) -> Place:
    """The node of that name and those of its GPUs, each given by its index on the node or its id.

    Raises `NotFound` for a node or a GPU that there is not, and `Conflict` when several sites have
    a node of that name and none is named.
    """
    room = find_room(plane, node, site)
    devices = tuple(dict.fromkeys(_find_device(room.node, gpu) for gpu in gpus))
    return Place(room.site, node, devices)


def find_room(plane: ControlPlane, node: str, site: str | None = None) -> Room:
    """The node with what is free of it."""
    plane.board.catch_up()
    found = [
        room
        for room in plane.board.list_free()
        if room.node.name == node and site in (None, room.site)
    ]
    if not found:
        where = f" at site {site[:80]!a}" if site is not None else ""
        raise NotFound(
            f"there is no node {node[:80]!a}{where}",
            code="unknown_node",
            field="node",
            hint="`qd node` lists those there are",
        )
    if len(found) > 1:
        sites = ", ".join(sorted(room.site for room in found))
        raise Conflict(
            f"there is a node {node} at each of these sites: {sites}",
            code="ambiguous_node",
            field="site",
            hint="say which one with --site",
        )
    return found[0]


def cordon(
    plane: ControlPlane, place: Place, reason: str, actor: str, *, is_dry_run: bool = False
) -> None:
    """Nothing new goes there until `resume`; what runs there goes on. Doing it again replaces the
    reason."""
    _check_reason(reason)
    if is_dry_run:
        return
    now_ns = plane.clock.now_ns()
    event = Cordoned(now_ns, place.site, place.node, place.devices, reason, actor)
    plane.store.transact(lambda tx: tx.append_site(event))
    _tell(plane)


def drain(
    plane: ControlPlane, place: Place, reason: str, actor: str, *, is_dry_run: bool = False
) -> list[JobId]:
    """Cordon the node, then stop what runs there, with its grace, so that it starts elsewhere; says
    which jobs. Once the cordon is written no plan that did not know of it can be committed, so what
    is held from then on is all there is. Cut off between the two, it may simply be said again."""
    assert not place.devices, "single GPUs are cordoned, nodes are drained"
    cordon(plane, place, reason, actor, is_dry_run=is_dry_run)
    held_by = {job_id: None for job_id, _ in plane.board.list_holds(place.site, place.node)}
    if is_dry_run:
        return list(held_by)
    now_ns = plane.clock.now_ns()

    def work(tx: Transaction) -> list[JobId]:
        stopped = []
        for job_id in held_by:
            job = tx.find_job(job_id)
            events = decide.evict(job, place.node, actor, reason, now_ns) if job is not None else []
            if job is not None and events:
                take_events(tx, job, events)
                stopped.append(job_id)
        return stopped

    stopped = plane.store.transact(work)
    _tell(plane)
    return stopped


def resume(plane: ControlPlane, place: Place, actor: str, *, is_dry_run: bool = False) -> None:
    """New work may go there again. What is not cordoned stays as it is."""
    if is_dry_run:
        return
    event = Resumed(plane.clock.now_ns(), place.site, place.node, place.devices, actor)

    def work(tx: Transaction) -> None:
        site = tx.find_site(place.site)
        cordons = site.cordons_of(place.node) if site is not None else ()
        if any(not place.devices or one.device in place.devices for one in cordons):
            tx.append_site(event)

    plane.store.transact(work)
    _tell(plane)


def _tell(plane: ControlPlane) -> None:
    plane.board.catch_up()
    plane.changed.ring()
    plane.wished.ring()


def _check_reason(reason: str) -> None:
    if len(reason) > LIMITS.note_chars_max or not reason.isprintable():
        raise Invalid(
            f"reason is {reason[:80]!a}",
            field="reason",
            hint=f"write up to {LIMITS.note_chars_max} printable characters",
        )


def _find_device(node: Node, gpu: str) -> str:
    ids = [device.id for device in node.devices]
    if gpu in ids:
        return gpu
    if gpu.isdecimal() and len(gpu) < 5 and int(gpu) < len(ids):
        return ids[int(gpu)]
    has = f"0 to {len(ids) - 1}" if ids else "none"
    raise NotFound(
        f"node {node.name} has no GPU {gpu[:80]!a}",
        code="unknown_gpu",
        field="gpus",
        hint=f"give an index ({has}) or an id that `qd node show {node.name}` lists",
    )
