"""Files of outages: nodes that were lost, drained or cordoned, and for how long.

A CSV file with a header: `at` and `for` are seconds, on the clock of the workload's `submit`; an
empty `for` never ends.
"""

from __future__ import annotations

import math
from bisect import bisect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from quarterdeck.basics.errors import Invalid, QuarterdeckError
from quarterdeck.sim.fast.cells import find, rows_of, seconds, shown
from quarterdeck.sim.fast.remarks import Remark, Remarks
from quarterdeck.sim.fast.story import Outage, OutageKind

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

NEEDED: Final = ("at", "node", "for")
OPTIONAL: Final = ("kind",)


@dataclass(frozen=True, slots=True)
class Outages:
    """By time, and what was wrong with the file."""

    outages: tuple[Outage, ...] = ()
    remarks: tuple[Remark, ...] = ()
    left_out: int = 0
    untold: int = 0


def read_outages(text: str, name: str, nodes: Collection[str]) -> Outages:
    """The outages of a CSV file. `Invalid` when its header or none of its lines can be used.

    A node may be lost while it is cordoned or drained. One that is lost already, or kept free
    already, cannot be so again: the file does not say which of the two ends it.
    """
    remarks = Remarks()
    found: list[Outage] = []
    away: dict[tuple[str, bool], list[_Away]] = {}
    for line, cells in rows_of(text, NEEDED, OPTIONAL, name, "outages", remarks):
        try:
            outage = _outage_of(cells, nodes)
            is_lost = outage.kind is OutageKind.LOSS
            _insert(away.setdefault((outage.node, is_lost), []), outage, line)
        except QuarterdeckError as error:
            remarks.leave_out(line, error)
            continue
        if found and outage.at_s < found[-1].at_s:
            remarks.tell(line, f"at {outage.at_s:.10g} is before the line above: sorted by time")
        found.append(outage)
    remarks.check_some_left(found, name, "outages")
    return Outages(
        tuple(sorted(found, key=lambda one: (one.at_s, one.node))),
        tuple(sorted(remarks.kept, key=lambda one: one.line)),
        remarks.left_out,
        remarks.untold,
    )


class _Away(NamedTuple):
    """When a node is away, and the line that says so."""

    at_s: float
    until_s: float
    line: int


def _insert(others: list[_Away], outage: Outage, line: int) -> None:
    """Keep a node's outages by time and apart from each other."""
    mine = _Away(outage.at_s, outage.at_s + outage.for_s, line)
    place = bisect(others, mine)
    for other in others[max(0, place - 1) : place + 1]:
        if other.at_s < mine.until_s and mine.at_s < other.until_s:
            raise Invalid(f"{outage.node} is away already then, as line {other.line} says")
    others.insert(place, mine)


def _outage_of(cells: Mapping[str, str], nodes: Collection[str]) -> Outage:
    if cells["node"] not in nodes:
        raise Invalid(f"node is {shown(cells['node'])}, which is no node of the cluster")
    kind = find(cells, "kind") or OutageKind.LOSS.value
    if kind not in list(OutageKind):
        raise Invalid(f"kind is {shown(kind)}, not one of {', '.join(OutageKind)}")
    at_s = seconds(cells["at"], "at")
    for_s = seconds(cells["for"], "for") if cells["for"] else math.inf
    if not for_s:
        raise Invalid("for is 0: the node would not be away at all")
    return Outage(cells["node"], at_s, for_s, OutageKind(kind))
