"""What a run was like, and how another one differs from it, in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quarterdeck.sim.fast.measures.steps import mean, percentile
from quarterdeck.sim.fast.measures.usage import gpus_of
from quarterdeck.sim.report.words import few, number, percent, span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quarterdeck.sim.fast.story import Ran
    from quarterdeck.sim.report.column import Column

NOTICED_S: Final = 1.0
"""Waits that differ by less are the same to people."""
NOTICED_SHARE: Final = 0.005


def sentences(columns: Sequence[Column]) -> list[str]:
    """Of the first run how it was, of each other one how it differs from the first."""
    first = columns[0]
    told = list(_of_one(first))
    for one in columns[1:]:
        told += _of_two(first, one)
    return told


def _of_one(one: Column) -> Iterator[str]:
    figures, story = one.figures, one.story
    size = f"{few(len(story.nodes), 'node')} with {few(gpus_of(story), 'GPU')}"
    yield (
        f"{one.name}: {few(figures['jobs'], 'job')} ran on {size}, "
        f"{span(figures['makespan_s'])} from the first submission to the last end."
    )
    if story.never:
        yield f"{few(len(story.never), 'job')} could never fit on this cluster and did not run."
    yield (
        f"Half of all jobs waited {span(figures['wait_p50_s'])} at most, one in a hundred "
        f"{span(figures['wait_p99_s'])} or longer; the mean is {span(figures['wait_mean_s'])}."
    )
    yield (
        f"Jobs held {percent(figures['utilisation'])} of all GPU time. Of what was free, a typical "
        f"job could not have used {percent(figures['fragmentation'])}."
    )
    yield from _of_cuts(one)
    yield from _of_guarantees(one)


def _of_cuts(one: Column) -> Iterator[str]:
    figures = one.figures
    told = [
        (figures["preemptions"], "gave way to others"),
        (figures["runs_lost_with_nodes"], "were lost with their nodes"),
        (figures["runs_drained"], "were stopped by drains"),
    ]
    parts = [f"{number(count)} {what}" for count, what in told if count]
    if parts:
        yield (
            f"{one.name}: of the runs {', '.join(parts)}; {number(figures['lost_gpu_hours'])} GPU "
            f"hours had to be spent again, {percent(figures['lost_share'])} of all."
        )


def _of_guarantees(one: Column) -> Iterator[str]:
    if not one.violations:
        return
    below = {team: minutes for team, minutes in one.violations.items() if minutes > 0}
    if not below:
        yield f"{one.name}: no team waited for what it is guaranteed."
    for team, minutes in sorted(below.items(), key=lambda item: (-item[1], item[0])):
        yield (
            f"{one.name}: team {team} had less than it is guaranteed for {span(minutes * 60)} "
            "while it waited for it."
        )


def _of_two(first: Column, other: Column) -> Iterator[str]:
    a, b = first.figures, other.figures
    against = f"With {other.name} instead of {first.name}"
    yield (
        f"{against}, half of all jobs wait {_than(a['wait_p50_s'], b['wait_p50_s'])} and the "
        f"slowest hundredth {_than(a['wait_p99_s'], b['wait_p99_s'])}; the mean wait is "
        f"{span(b['wait_mean_s'])} instead of {span(a['wait_mean_s'])}."
    )
    yield from _of_jobs(first, other)
    yield from _of_large(first, other)
    yield from _of_teams(first, other)
    earlier_s = a["makespan_s"] - b["makespan_s"]
    if abs(earlier_s) >= NOTICED_S:
        word = "earlier" if earlier_s > 0 else "later"
        yield f"{against}, everything is done {span(abs(earlier_s))} {word}."
    if abs(b["utilisation"] - a["utilisation"]) >= NOTICED_SHARE:
        yield (
            f"{against}, jobs hold {percent(b['utilisation'])} of the GPU time until then, not "
            f"{percent(a['utilisation'])}; {number(_free_hours(other))} GPU hours stay free, not "
            f"{number(_free_hours(first))}."
        )
    if abs(b["energy_kwh"] - a["energy_kwh"]) > NOTICED_SHARE * a["energy_kwh"]:
        yield (
            f"{against}, the nodes take {number(b['energy_kwh'])} kWh at most, not "
            f"{number(a['energy_kwh'])}."
        )
    if other.story.never and not first.story.never:
        yield f"{against}, {few(len(other.story.never), 'job')} could never fit."
    yield from _of_cuts(other)
    yield from _of_guarantees(other)


def _of_jobs(first: Column, other: Column) -> Iterator[str]:
    """Who starts earlier and who later; the same job is the same line."""
    before = {(one.job.line, one.job.name): one.wait_s for one in first.story.ran}
    gains = [
        before[key] - one.wait_s
        for one in other.story.ran
        if (key := (one.job.line, one.job.name)) in before
    ]
    sooner = sorted(gain for gain in gains if gain >= NOTICED_S)
    later = sorted(-gain for gain in gains if gain <= -NOTICED_S)
    if not sooner and not later:
        yield f"With {other.name} every job starts when it does with {first.name}."
        return
    parts = []
    if sooner:
        middle = span(percentile(sooner, 0.5))
        parts.append(f"{few(len(sooner), 'job')} start earlier ({middle} in the middle)")
    if later:
        middle, most = span(percentile(later, 0.5)), span(later[-1])
        parts.append(
            f"{few(len(later), 'job')} start later ({middle} in the middle, {most} at most)"
        )
    same = len(gains) - len(sooner) - len(later)
    parts.append(f"{few(same, 'job')} start as before")
    yield f"With {other.name}, {', '.join(parts)}."


def _of_large(first: Column, other: Column) -> Iterator[str]:
    """Jobs on several nodes, which wait the longest in most places."""
    waits = [
        [one.wait_s for one in column.story.ran if one.job.demand.nodes > 1]
        for column in (first, other)
    ]
    if waits[0] and waits[1]:
        a, b = mean(waits[0]), mean(waits[1])
        if abs(a - b) >= NOTICED_S:
            yield f"Jobs on several nodes wait {span(b)} on average instead of {span(a)}."


def _of_teams(first: Column, other: Column) -> Iterator[str]:
    a, b = _by_team(first.story.ran), _by_team(other.story.ran)
    gains = {team: a[team] - b[team] for team in sorted(a) if team in b}
    if len(gains) < 2:
        return
    most, least = max(gains, key=lambda t: gains[t]), min(gains, key=lambda t: gains[t])
    if gains[most] >= NOTICED_S:
        yield (
            f"Team {most} gains most: it waits {span(b[most])} on average instead of "
            f"{span(a[most])}."
        )
    if gains[least] <= -NOTICED_S:
        yield (
            f"Team {least} loses most: it waits {span(b[least])} on average instead of "
            f"{span(a[least])}."
        )


def _by_team(jobs: Sequence[Ran]) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for one in jobs:
        found.setdefault(one.job.team, []).append(one.wait_s)
    return {team: mean(waits) for team, waits in found.items()}


def _free_hours(one: Column) -> float:
    return gpus_of(one.story) * one.figures["makespan_s"] / 3600 - one.figures["gpu_hours"]


def _than(before_s: float, now_s: float) -> str:
    """`3 min less (5 min at most)`."""
    if abs(before_s - now_s) < NOTICED_S:
        return f"as long as before ({span(now_s)})"
    word = "less" if now_s < before_s else "more"
    return f"{span(abs(now_s - before_s))} {word} ({span(now_s)})"
