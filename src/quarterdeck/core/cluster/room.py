"""What is free on a node."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from quarterdeck.core.cluster.hardware import Cordon, Node, NodeState
from quarterdeck.core.cluster.outside import NOTHING, Outside, outside_of
from quarterdeck.core.cluster.parts import Part, parse_part

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quarterdeck.core.cluster.demand import Grant


WHOLE: Final = Part("")
"""What somebody holds of a GPU who holds all of it."""


@dataclass(frozen=True, slots=True)
class Room:
    """The free part of one node of one site."""

    site: str
    node: Node
    free_devices: tuple[str, ...]
    free_cpus: int
    free_memory_bytes: int
    cordons: tuple[Cordon, ...] = ()
    cordoned_devices: tuple[str, ...] = ()
    """Devices that nobody holds and that would be free but for their cordon."""
    parts: tuple[str, ...] = ()
    """Slices and shares of its devices that somebody holds."""
    lent: tuple[str, ...] = ()
    """Devices that others of the site hold whole (`Node.others`): what is given back of these by
    one of ours is not free."""
    disputed: tuple[str, ...] = ()
    """Those of them that were granted to one of ours, too: others were there first."""
    outside: Outside = NOTHING
    """What others of the site have of the node."""

    @property
    def shut(self) -> frozenset[str]:
        """Devices of which nothing comes free when one of ours gives it back."""
        return frozenset([*self.lent, *(one.device for one in self.cordons if one.device)])

    @property
    def cordon(self) -> Cordon | None:
        """What keeps new work off the whole node."""
        return next((one for one in self.cordons if one.device is None), None)

    @property
    def is_open(self) -> bool:
        """Whether new work may go to the node at all."""
        return self.node.state is NodeState.READY and self.cordon is None

    def opened(self) -> Room:
        """The room as it would be without its cordons."""
        freed = {*self.free_devices, *self.cordoned_devices}
        free = tuple(device.id for device in self.node.devices if device.id in freed)
        return replace(self, free_devices=free, cordons=(), cordoned_devices=())

    @classmethod
    def empty(cls, site: str, node: Node) -> Room:
        """The room of a node on which nothing of ours runs."""
        return room_of(site, node, ())


def room_of(
    site: str, node: Node, grants: Iterable[Grant], cordons: tuple[Cordon, ...] = ()
) -> Room:
    """The node less what is granted on it, what others hold and what is cordoned, in one pass.

    A granted device that has left its node takes nothing: there is nothing left to take. A device
    granted twice is a bug; one that others hold, too, is not: they may have been faster.
    """
    held: dict[str, Part] = {}
    parts: list[str] = []
    cpus, memory_bytes = node.cpus, node.memory_bytes
    for grant in grants:
        for device in grant.devices:
            if "/" not in device:
                assert device not in held, f"{grant}: {held[device]} is held"
                held[device] = WHOLE
                continue
            part = parse_part(device)
            before = held.get(part.gpu)
            assert before is None or _can_share(before, part), f"{grant}: {before} is held"
            held.setdefault(part.gpu, part)
            if not part.is_whole:
                parts.append(device)
        cpus -= grant.cpus
        memory_bytes -= grant.memory_bytes
    lent: tuple[str, ...] = ()
    disputed: tuple[str, ...] = ()
    outside = outside_of(node)
    if outside.loans:
        lent, disputed = _lend(outside, held, parts)
        cpus -= outside.held.cpus
        memory_bytes -= outside.held.memory_bytes
    unheld = [device.id for device in node.devices if device.id not in held]
    free: tuple[str, ...] = tuple(unheld)
    shut: tuple[str, ...] = ()
    if cordons:
        closed = {cordon.device for cordon in cordons}
        free = tuple([device for device in unheld if device not in closed])
        shut = tuple([device for device in unheld if device in closed])
    there = (lent, disputed, outside)
    return Room(site, node, free, cpus, memory_bytes, cordons, shut, tuple(parts), *there)


def _lend(
    outside: Outside, held: dict[str, Part], parts: list[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Others have what they hold, too: the GPUs that they have whole, and those of them that ours
    held. What they share of the time of a GPU counts as all of it."""
    lent: dict[str, bool] = {}
    ours = frozenset(held)
    for loan in outside.loans:
        for device in loan.grant.devices:
            part = parse_part(device)
            before = held.setdefault(part.gpu, part if part.profile else Part(part.gpu))
            if part.profile and before.profile and part.gpu not in lent:
                parts.append(device)
            else:
                lent[part.gpu] = part.gpu in ours
    if lent:
        parts[:] = [part for part in parts if parse_part(part).gpu not in lent]
    return tuple(lent), tuple(gpu for gpu, is_disputed in lent.items() if is_disputed)


def _can_share(one: Part, other: Part) -> bool:
    """Whether both may be of one GPU: two slices, or two shares."""
    if one.is_whole or other.is_whole or one == other:
        return bool(one.percent < 100 and other.percent < 100)
    return bool(one.profile) == bool(other.profile)
