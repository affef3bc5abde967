"""When and where a job starts at the latest that nothing may make later any more: its *shadow*.

Time limits tell when what runs is over at the latest, and so when and where who waits starts at the
latest. Who is over before then may start anywhere, everybody else only on other nodes (EASY: Lifka,
"The ANL/IBM SP scheduling system", JSSPP 1995; Mu'alem and Feitelson, TPDS 2001). So its start
never moves later by what passes it. Several shadows are reckoned one after the other, each with the
others in place (`shadows`).
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from quarterdeck.basics.quantities import format_span
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.scheduling.latency import START_S
from quarterdeck.core.scheduling.placer import Placer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from quarterdeck.core.cluster.demand import Grant
    from quarterdeck.core.scheduling.bookings import Bound
    from quarterdeck.core.scheduling.endings import Endings
    from quarterdeck.core.scheduling.nearness import Insists
    from quarterdeck.core.scheduling.placer import Sites
    from quarterdeck.core.scheduling.plan import Placement
    from quarterdeck.core.scheduling.snapshot import Waiting

SPANS_MAX: Final = 32
"""So many bookings that begin before it are looked at one by one."""
SLACK_S: Final = 60.0
"""A proposed time limit is shorter by so much at most: whoever reads it has to type."""


@dataclass(frozen=True, slots=True)
class Shadow:
    """A job starts then at the latest, on these rows, with these grants, and is over by `end_ns`;
    None without a time limit."""

    waiting: Waiting
    start_ns: int
    rows: NDArray[np.bool_]
    site: str = ""
    grants: tuple[Grant, ...] = ()

    @property
    def end_ns(self) -> int | None:
        """When it is over at the latest; None without a time limit."""
        return over_ns(self.waiting, self.start_ns)

    def lets_pass(self, waiting: Waiting, now_ns: int, limit_s: float | None = None) -> bool:
        """Whether a job that starts now, with its time limit or another one, is over by then."""
        runs_s = waiting.runs_s if limit_s is None else limit_s + waiting.grace_s
        return runs_s is not None and now_ns + (runs_s + START_S) * NS_PER_S <= self.start_ns

    def limit_for(self, waiting: Waiting, now_ns: int) -> str | None:
        """The longest time limit with which a job would be let pass; None if there is no such."""
        left_s = (self.start_ns - now_ns) / NS_PER_S - START_S - waiting.grace_s
        limit_s = left_s - min(SLACK_S, left_s / 20)
        return format_span(limit_s) if limit_s >= 1 else None


def over_ns(waiting: Waiting, start_ns: int) -> int | None:
    """When a job that starts then is over at the latest; None without a time limit."""
    if waiting.runs_s is None:
        return None
    return start_ns + round((waiting.runs_s + START_S) * NS_PER_S)


class Future:
    """What will be free. `placer` has what is free now, `others` wait for what comes free, too, and
    `bound` has what will be booked by then."""

    def __init__(
        self, placer: Placer, endings: Endings, others: Sequence[Shadow], bound: Bound
    ) -> None:
        self.placer = placer
        self._endings = endings
        self._others = others
        self._bound = bound
        self._now_ns = bound.now_ns

    @property
    def times_ns(self) -> list[int]:
        """When more may be free: something has ended, a booking is over, or one of the others has
        begun or ended."""
        turns = [at_ns for one in self._others for at_ns in (one.start_ns, one.end_ns)]
        turns += self._bound.ends_ns
        later = {at_ns for at_ns in turns if at_ns is not None and at_ns > self._now_ns}
        return sorted({*later, *self._endings.times_ns})

    def lasts_ns(self, waiting: Waiting) -> list[int]:
        """The last times at which a job may start on nodes that are booked after that."""
        over = over_ns(waiting, 0)
        return [] if over is None else self._bound.lasts_ns(waiting, over)

    def at(self, at_ns: int, waiting: Waiting) -> tuple[Placer, NDArray[np.bool_]]:
        """What is left then by the others that have begun and are not over, and the rows on which a
        job may lie that starts then: not those of who begins before it would be over, and not what
        is booked before that."""
        free, is_over_ns = self._endings.free_at(self.placer.free, at_ns), over_ns(waiting, at_ns)
        bars = self._bound.bars(waiting, at_ns=at_ns)
        free.barred = None
        rows = np.ones(len(self.placer.free.fleet.nodes), bool) if bars is None else ~bars.rows
        held: list[tuple[str, Grant]] = []
        for one in self._others:
            if one.start_ns > at_ns:
                if is_over_ns is None or one.start_ns < is_over_ns:
                    rows &= ~one.rows
            elif one.end_ns is None or one.end_ns > at_ns:
                held += ((one.site, grant) for grant in one.grants)
        free = free.granted(held) if held else free
        return Placer(free, self.placer.insists), rows


def find_shadow(
    future: Future, waiting: Waiting, where: tuple[Sites, Insists], until_ns: int | None = None
) -> Shadow | None:
    """When and where a job starts at the latest by the time limits of what runs and of who waits,
    too, if that is before `until_ns`; None if they do not tell.

    Without others that is the first time at which there is room: room only comes, but for the times
    from which on a job would run into a booking, and between two of these it is the first. With
    others room may come and go, and what is found is a time at which there is room, and just before
    which there was none: to try all took seconds, and when it can start sooner it does.
    """
    sites, insists = where

    def fits(at_ns: int) -> bool:
        placer, rows = future.at(at_ns, waiting)
        return placer.could_place(waiting.demand, sites, insists, within=rows)

    times_ns = [at for at in future.times_ns if until_ns is None or at < until_ns]
    spans = _spans(times_ns, future.lasts_ns(waiting))
    found = (_first(span, fits) for span in spans if span)
    start_ns = next((at_ns for at_ns in found if at_ns is not None), None)
    if start_ns is None:
        return None
    then, beside = future.at(start_ns, waiting)
    rows = _sparing(future.placer, then, waiting, where, beside)
    placement = then.place(waiting.job_id, waiting.demand, sites, insists=insists, within=rows)
    return None if placement is None else shadow_of(waiting, start_ns, placement, then)


def shadow_of(waiting: Waiting, start_ns: int, placement: Placement, placer: Placer) -> Shadow:
    """The shadow of a job that is placed there then."""
    rows = np.zeros(len(placer.free.fleet.nodes), bool)
    for grant in placement.grants:
        rows[placer.free.fleet.rows[placement.site, grant.node]] = True
    return Shadow(waiting, start_ns, rows, placement.site, placement.grants)


def _spans(times_ns: Sequence[int], lasts_ns: Sequence[int]) -> list[Sequence[int]]:
    """The times in parts: each ends with the last one that is not after one of `lasts_ns`."""
    spans, start = [], 0
    for last_ns in lasts_ns[:SPANS_MAX]:
        end = bisect_right(times_ns, last_ns)
        spans.append(times_ns[start:end])
        start = end
    return [*spans, times_ns[start:]]


def _first(times_ns: Sequence[int], holds: Callable[[int], bool]) -> int | None:
    """The first of these at which something holds that goes on holding; None if it does not at the
    last."""
    if not times_ns or not holds(times_ns[-1]):
        return None
    low, high = -1, len(times_ns) - 1
    while high - low > 1:
        middle = (low + high) // 2
        if holds(times_ns[middle]):
            high = middle
        else:
            low = middle
    return times_ns[high]


def _sparing(
    now: Placer,
    then: Placer,
    waiting: Waiting,
    where: tuple[Sites, Insists],
    beside: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Where it may lie, with as few of the nodes that are free now as will do: others can use those
    until then, and longer."""
    sites, insists = where
    is_free = now.free.fits(waiting.demand.resources)
    spare = np.flatnonzero(is_free & beside)

    def with_first(count: int) -> NDArray[np.bool_]:
        rows = ~is_free & beside
        rows[spare[:count]] = True
        return rows

    low, high = -1, len(spare)
    while high - low > 1:
        middle = (low + high) // 2
        if then.could_place(waiting.demand, sites, insists, within=with_first(middle)):
            high = middle
        else:
            low = middle
    return with_first(high)
