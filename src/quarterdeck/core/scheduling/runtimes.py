"""How long jobs should run, learned from those that have ended.

A job is compared with what ended before it and is like it: of the same person, name and shape (what
it asks for), then of fewer of these, then of the same team and shape. Each wider group fills in for
what a narrower one is too small to tell, so one earlier run of the same name counts half, a few of
them nearly all. That what somebody ran last says more than any estimate is from Tsafrir et al.,
"Backfilling Using System-Generated Predictions Rather than User Runtime Estimates" (IEEE TPDS
2007); names and people as what jobs are known by are from the QSSF scheduler of Hu et al.,
"Characterization and Prediction of Deep Learning Workloads in Large-Scale GPU Datacenters" (SC
2021).

Runs that were cut short say only that they would have taken longer: they count by the product-limit
estimator (Kaplan and Meier, JASA 1958). Everything is quantiles, so a few runs that are wrong by a
hundredfold change little. A time limit is never believed, but no job is expected beyond its own.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quarterdeck.core.cluster.demand import Demand

POINTS: Final = 25
"""What a run time is told by: the mean of each 25th of the runs, from the shortest on."""
FILLS_IN: Final = 1.0
"""A wider group counts as much as so many runs of the narrower one: from 1 to 4 it makes a
difference of a point or two on the log of HPC2N."""
BEYOND: Final = 2.0
"""Of a job of which nothing like it has ended it is told that it takes twice as long as it has run:
half of those whose lives have the tail that is usual for processes do (Harchol-Balter and Downey,
"Exploiting Process Lifetime Distributions for Dynamic Load Balancing", ACM TOCS 1997)."""
NARROW_RUNS: Final = 32
NARROW_HALF: Final = 3.0
WIDE_RUNS: Final = 256
WIDE_HALF: Final = 40.0
"""How many runs of a group are kept, and after how many further ones a run counts half."""
GROUPS_MAX: Final = 10_000
"""The groups that ended something lately; about 10 MB at most."""
LEAST_S: Final = 1.0
NAMELESS: Final = "job"

_TAIL = re.compile(r"(?:^|[-_.:+ ]+|(?<=[a-z]))(?:\d+|(?=[0-9a-f]*\d)[0-9a-f]{6,})$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Likeness:
    """What a job is known by before it runs. `who` is its person, empty where nobody is named;
    `name` and `shape` are as `general_name` and `shape_of` say them."""

    who: str = ""
    name: str = ""
    shape: str = ""
    team: str = ""


@dataclass(frozen=True, slots=True)
class RunTime:
    """How long a job should run in seconds: the mean of each of equal shares of the runs like it,
    ascending, and none beyond its time limit."""

    points_s: tuple[float, ...]

    @property
    def median_s(self) -> float:
        """As many should run longer as shorter."""
        return self.points_s[len(self.points_s) // 2]

    def quantile_s(self, share: float) -> float:
        """What this share of the runs does not exceed."""
        return self.points_s[min(len(self.points_s) - 1, int(share * len(self.points_s)))]

    def left_s(self, ran_s: float, share: float) -> float:
        """How much longer one runs that has run so long already: what this share of those that got
        so far does not exceed. Where none got so far: as long again."""
        first = bisect_right(self.points_s, ran_s)
        beyond = self.points_s[first:]
        if not beyond:
            return max(LEAST_S, ran_s * (BEYOND - 1))
        return beyond[min(len(beyond) - 1, int(share * len(beyond)))] - ran_s

    def within(self, limit_s: float | None) -> RunTime:
        """The same for a job that is stopped after so long."""
        if limit_s is None or self.points_s[-1] <= limit_s:
            return self
        return RunTime(tuple(min(point, limit_s) for point in self.points_s))


class RunTimes:
    """See the module. It is fed with runs in the order of their ends; the same runs give the same
    answers. A run costs as many steps as there are kinds of groups, an answer a sort of the few
    hundred runs that a group keeps at most."""

    def __init__(self, groups_max: int = GROUPS_MAX) -> None:
        self._groups: OrderedDict[tuple[str, ...], _Group] = OrderedDict()
        self._groups_max = groups_max

    def add(self, like: Likeness, ran_s: float, *, is_cut_short: bool = False) -> None:
        """A job like this ran so long; `is_cut_short`: and would have run on."""
        for key, is_wide in _keys_of(like):
            group = self._groups.get(key)
            if group is None:
                group = self._groups[key] = _Group(is_wide=is_wide)
            self._groups.move_to_end(key)
            group.add(max(LEAST_S, ran_s), is_cut_short=is_cut_short)
        while len(self._groups) > self._groups_max:
            self._groups.popitem(last=False)

    def find(self, like: Likeness, limit_s: float | None = None) -> RunTime | None:
        """How long a job like this should run, with this time limit; None before any has ended."""
        runs: list[tuple[float, bool, float]] = []
        left = 1.0
        for key, _ in _keys_of(like):
            group = self._groups.get(key)
            if group is None:
                continue
            weighed = group.weighed()
            total = sum(weight for _, _, weight in weighed)
            share = left * total / (total + FILLS_IN)
            runs += [(ran_s, is_cut, weight * share / total) for ran_s, is_cut, weight in weighed]
            left -= share
        return RunTime(_points_of(runs)).within(limit_s) if runs else None

    def __len__(self) -> int:
        """How many groups it knows."""
        return len(self._groups)


class _Group:
    """The last runs of jobs that are alike in something, in the order of their ends. One that was
    cut short is kept as a negative number."""

    __slots__ = ("_half", "_runs")

    def __init__(self, *, is_wide: bool) -> None:
        self._half = WIDE_HALF if is_wide else NARROW_HALF
        self._runs: deque[float] = deque(maxlen=WIDE_RUNS if is_wide else NARROW_RUNS)

    def add(self, ran_s: float, *, is_cut_short: bool) -> None:
        self._runs.append(-ran_s if is_cut_short else ran_s)

    def weighed(self) -> list[tuple[float, bool, float]]:
        """Each run, whether it was cut short, and how much it counts."""
        fades, weight, found = 0.5 ** (1 / self._half), 1.0, []
        for run in reversed(self._runs):
            found.append((abs(run), run < 0, weight))
            weight *= fades
        return found


def general_name(name: str) -> str:
    """The name without the numbers and hashes at its end, in which runs of one thing differ:
    `train-bert-0042` and `train-bert-lr3_9f31c2` are both like `train-bert…` runs before them."""
    before = ""
    general = name.strip()
    while general != before:
        before, general = general, _TAIL.sub("", general)
    return general.lower() or NAMELESS


def shape_of(demand: Demand) -> str:
    """What a job asks for, as far as those who ask for the same are alike."""
    one = demand.resources
    wanted = f"{one.gpus}g{one.gpu_kind}" if one.gpus else f"{one.cpus}c"
    return f"{demand.nodes}x{wanted}{'+' * len(demand.beside)}"


def _keys_of(like: Likeness) -> Iterator[tuple[tuple[str, ...], bool]]:
    """The groups of a job from the narrowest on, and which are wide."""
    if like.who and like.name:
        yield ("who name shape", like.who, like.name, like.shape), False
        yield ("who name", like.who, like.name), False
    if like.who:
        yield ("who shape", like.who, like.shape), False
        yield ("who", like.who), False
    yield ("team shape", like.team, like.shape), True
    yield ("shape", like.shape), True
    yield ("all",), True


def _points_of(runs: Sequence[tuple[float, bool, float]]) -> tuple[float, ...]:
    """The mean of each of equal shares of the runs, each with whether it was cut short and its
    weight: the product-limit estimator, of which the last share goes beyond all runs if the longest
    of them were cut short."""
    at_risk = sum(weight for _, _, weight in runs)
    survive, masses = 1.0, []
    ordered = sorted(runs)
    for ran_s, is_cut, weight in ordered:
        if not is_cut:
            ends = survive * weight / at_risk
            masses.append((ran_s, ends))
            survive -= ends
        at_risk = max(at_risk - weight, 1e-12)
    if survive > 1e-6:
        masses.append((ordered[-1][0] * BEYOND, survive))
    return _means_of(masses)


def _means_of(masses: Sequence[tuple[float, float]]) -> tuple[float, ...]:
    """Values in order with their masses, as the means of equal shares."""
    size = sum(mass for _, mass in masses) / POINTS
    means: list[float] = []
    value, room = 0.0, size
    for one, mass in masses:
        left = mass
        while left >= room and len(means) < POINTS - 1:
            means.append((value + one * room) / size)
            left -= room
            value, room = 0.0, size
        value += one * left
        room -= left
    taken = size - room
    means.append(value / taken if taken > 1e-12 else masses[-1][0])
    while len(means) < POINTS:
        means.append(masses[-1][0])
    return tuple(means)
