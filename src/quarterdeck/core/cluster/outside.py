"""What others of a site have of one node, reckoned once whenever that changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from quarterdeck.core.cluster.demand import Grant
from quarterdeck.core.cluster.parts import gpu_of, parse_part

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quarterdeck.core.cluster.hardware import Foreign, Node


class Loan(NamedTuple):
    """What another one holds of a node now, and when that comes free at the latest; None: nobody
    knows."""

    grant: Grant
    ends_at_ns: int | None


class Amount(NamedTuple):
    """So much of a node."""

    gpus: int = 0
    cpus: int = 0
    memory_bytes: int = 0


class Outside(NamedTuple):
    """All of it: what is held now, and the reservations. `held` is the sum of what is held, of GPUs
    those of the node of which they have something, and `first_ns` when the first of it ends;
    `lasting` is what nobody knows an end of, of GPUs only whole ones."""

    loans: tuple[Loan, ...] = ()
    reserved: tuple[Foreign, ...] = ()
    held: Amount = Amount()
    first_ns: int | None = None
    lasting: Amount = Amount()


NOTHING: Final = Outside()


def outside_of(node: Node) -> Outside:
    """Of this node."""
    if not node.others:
        return NOTHING
    now = [one for one in node.others if not one.is_reservation]
    endless = [one for one in now if one.ends_at_ns is None]
    own = {device.id for device in node.devices}
    touched = {gpu_of(device) for one in now for device in one.devices}
    whole = {
        part.gpu for one in endless for part in map(parse_part, one.devices) if not part.profile
    }
    return Outside(
        tuple(
            Loan(Grant(node.name, one.devices, one.cpus, one.memory_bytes), one.ends_at_ns)
            for one in now
        ),
        tuple(one for one in node.others if one.is_reservation),
        _sum(now, len(touched & own)),
        min((one.ends_at_ns for one in now if one.ends_at_ns is not None), default=None),
        _sum(endless, len(whole & own)),
    )


def _sum(held: Iterable[Foreign], gpus: int) -> Amount:
    held = list(held)
    return Amount(gpus, sum(one.cpus for one in held), sum(one.memory_bytes for one in held))
