"""What the plots show, reckoned from stories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from quarterdeck.sim.fast.measures.fragmentation import fragmentation_of
from quarterdeck.sim.fast.measures.steps import mean
from quarterdeck.sim.fast.measures.usage import bounds_of, gpus_of, held_gpus, waiting_jobs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from quarterdeck.sim.fast.story import Ran
    from quarterdeck.sim.report.column import Column

BUCKETS: Final = 120
QUANTILES: Final = 200
TEAMS_MAX: Final = 12
SIZES: Final = (
    ("none", 0.0), ("up to 1", 1.0), ("2–4", 4.0), ("5–8", 8.0), ("9–32", 32.0), ("33–128", 128.0),
    ("above", float("inf")),
)  # fmt: skip
"""Jobs by how many GPUs they have in all: the name of the group, and the most that is in it."""


class Line(NamedTuple):
    """Points of one run."""

    xs: list[float]
    ys: list[float]


class OverTime(NamedTuple):
    """One line a run, all over the same span: shares of GPUs, and jobs that wait."""

    held: list[Line]
    waiting: list[Line]
    unusable: list[Line]


class Bars(NamedTuple):
    """Groups of bars, one bar a run in each; None where a run has nothing there."""

    groups: list[str]
    values: list[list[float | None]]


def over_time(columns: Sequence[Column]) -> OverTime:
    """From the first submission to the last end of the longest run, in equal parts."""
    bounds = [bounds_of(one.story) for one in columns]
    begin_s, end_s = min(one for one, _ in bounds), max(one for _, one in bounds)
    edges = np.linspace(begin_s, max(end_s, begin_s + 1.0), BUCKETS + 1)
    xs = ((edges[:-1] + edges[1:]) / 2 - begin_s).tolist()
    found = OverTime([], [], [])
    for one in columns:
        gpus = max(1, gpus_of(one.story))
        fragments = fragmentation_of(one.story)
        free, unusable = fragments.free.means(edges), fragments.unusable.means(edges)
        found.held.append(Line(xs, (held_gpus(one.story).means(edges) / gpus).tolist()))
        found.waiting.append(Line(xs, waiting_jobs(one.story).means(edges).tolist()))
        found.unusable.append(Line(xs, _shares(unusable, free)))
    return found


def wait_distributions(columns: Sequence[Column]) -> list[Line]:
    """Which share of jobs waited no longer than so many seconds."""
    found = []
    most = max((ran.wait_s for one in columns for ran in one.story.ran), default=0.0)
    for one in columns:
        waits = np.sort(np.array([ran.wait_s for ran in one.story.ran], np.float64))
        count = len(waits)
        places = np.unique(np.linspace(0, count - 1, min(count, QUANTILES)).round().astype(int))
        xs, ys = waits[places].tolist(), ((places + 1) / max(1, count)).tolist()
        found.append(Line([*xs, most], [*ys, 1.0]))
    return found


def waits_by_size(columns: Sequence[Column]) -> Bars:
    """Mean waits by how many GPUs a job has; groups that nobody has are left out."""
    by_run = [_by_size(one.story.ran) for one in columns]
    groups = [name for name, _ in SIZES if any(name in waits for waits in by_run)]
    return Bars(groups, [[_mean(waits.get(name)) for name in groups] for waits in by_run])


def waits_by_team(columns: Sequence[Column]) -> Bars:
    """Mean waits of the teams with the most GPU time, and of all others together."""
    asked: dict[str, float] = {}
    for ran in columns[0].story.ran:
        size = ran.job.gpus * ran.job.duration_s
        asked[ran.job.team] = asked.get(ran.job.team, 0.0) + size
    teams = sorted(asked, key=lambda team: (-asked[team], team))
    shown = teams if len(teams) <= TEAMS_MAX else teams[: TEAMS_MAX - 1]
    values: list[list[float | None]] = []
    for one in columns:
        waits: dict[str, list[float]] = {}
        for ran in one.story.ran:
            name = ran.job.team if ran.job.team in shown else ""
            waits.setdefault(name, []).append(ran.wait_s)
        names = shown if shown is teams else [*shown, ""]
        values.append([_mean(waits.get(name)) for name in names])
    more = [] if shown is teams else [f"{len(teams) - len(shown)} others"]
    return Bars([*shown, *more], values)


def _by_size(jobs: Sequence[Ran]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for one in jobs:
        name = next(name for name, most in SIZES if one.job.gpus <= most)
        found.setdefault(name, []).append(one.wait_s)
    return found


def _mean(values: list[float] | None) -> float | None:
    return mean(values) if values else None


def _shares(parts: NDArray[np.float64], wholes: NDArray[np.float64]) -> list[float]:
    return [part / whole if whole > 0 else 0.0 for part, whole in zip(parts, wholes, strict=True)]
