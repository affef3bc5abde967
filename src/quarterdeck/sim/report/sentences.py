"""What a run was like, and how another one differs from it, in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from quarterdeck.core.scheduling.pools import parts_of_pool
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


class Section(NamedTuple):
    """Sentences about one run, or about one instead of another."""

    heading: str
    told: list[str]


def sections(columns: Sequence[Column]) -> list[Section]:
    """Of the first run how it was, of each other one how it differs from the first."""
    first = columns[0]
    return [
        Section(first.name, list(_of_one(first))),
        *(
            Section(f"{one.name} instead of {first.name}", list(_of_two(first, one)))
            for one in columns[1:]
        ),
    ]


def sentences(columns: Sequence[Column]) -> list[str]:
    """The sections one below the other, each under its heading, for a terminal."""
    return [
        line
        for heading, told in sections(columns)
        for line in (f"{heading}:", *(f"  {one}" for one in told))
    ]


def _of_one(one: Column) -> Iterator[str]:
    figures, story = one.figures, one.story
    size = f"{few(len(story.nodes), 'node')} with {few(gpus_of(story), 'GPU')}"
    yield (
        f"{few(figures['jobs'], 'job')} ran on {size}, {span(figures['makespan_s'])} from the "
        "first submission to the last end."
    )
    if story.never:
        yield f"{few(len(story.never), 'job')} never ran on this cluster."
    yield (
        f"Half of all jobs waited {span(figures['wait_p50_s'])} at most, one in a hundred "
        f"{span(figures['wait_p99_s'])} or longer; the mean is {span(figures['wait_mean_s'])}. "
        f"From submission to the end they took {span(figures['completion_mean_s'])} on average."
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
        (figures["preemptions"], "made room for others"),
        (figures["runs_lost_with_nodes"], "ended with their nodes"),
        (figures["runs_drained"], "were stopped by drains"),
    ]
    parts = [f"{number(count)} {what}" for count, what in told if count]
    if parts:
        yield (
            f"Runs that were cut short: {', '.join(parts)}; {number(figures['lost_gpu_hours'])} "
            f"GPU hours had to be spent again, {percent(figures['lost_share'])} of all."
        )


def _of_guarantees(one: Column) -> Iterator[str]:
    if not one.violations:
        return
    below = {pool: minutes for pool, minutes in one.violations.items() if minutes > 0}
    if not below:
        yield "Nobody waited for what they are guaranteed."
    for pool, minutes in sorted(below.items(), key=lambda item: (-item[1], item[0])):
        team, user = parts_of_pool(pool)
        who, they, are = (f"Team {team}", "it", "is")
        if user:
            who, they, are = (f"User {user} of team {team}", "they", "are")
        yield (
            f"{who} had less than {they} {are} guaranteed for {span(minutes * 60)} while {they} "
            "waited for it."
        )


def _of_two(first: Column, other: Column) -> Iterator[str]:
    a, b = first.figures, other.figures
    yield (
        f"Half of all jobs wait {_than(a['wait_p50_s'], b['wait_p50_s'])}, and the slowest "
        f"hundredth {_than(a['wait_p99_s'], b['wait_p99_s'])}; the mean wait is "
        f"{span(b['wait_mean_s'])} instead of {span(a['wait_mean_s'])}."
    )
    if abs(b["completion_mean_s"] - a["completion_mean_s"]) >= NOTICED_S:
        yield (
            f"From submission to the end they take {span(b['completion_mean_s'])} on average "
            f"instead of {span(a['completion_mean_s'])}."
        )
    yield from _of_jobs(first, other)
    yield from _of_large(first, other)
    yield from _of_teams(first, other)
    earlier_s = a["makespan_s"] - b["makespan_s"]
    if abs(earlier_s) >= NOTICED_S:
        yield f"All is done {span(abs(earlier_s))} {'earlier' if earlier_s > 0 else 'later'}."
    if abs(b["utilisation"] - a["utilisation"]) >= NOTICED_SHARE:
        yield (
            f"Until then jobs hold {percent(b['utilisation'])} of the GPU time instead of "
            f"{percent(a['utilisation'])}: {number(_free_hours(other))} GPU hours stay free "
            f"instead of {number(_free_hours(first))}."
        )
    if abs(b["energy_kwh"] - a["energy_kwh"]) > NOTICED_SHARE * a["energy_kwh"]:
        yield (
            f"The nodes take {number(b['energy_kwh'])} kWh at most instead of "
            f"{number(a['energy_kwh'])}."
        )
    if len(other.story.never) != len(first.story.never):
        yield (
            f"{few(len(other.story.never), 'job')} never ran, instead of "
            f"{number(len(first.story.never))}."
        )
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
        yield "Every job starts when it did."
        return
    parts = []
    if sooner:
        middle = span(percentile(sooner, 0.5))
        parts.append(f"{few(len(sooner), 'job')} start earlier (half of them by {middle} or more)")
    if later:
        middle, most = span(percentile(later, 0.5)), span(later[-1])
        late = few(len(later), "job")
        parts.append(f"{late} start later (half of them by {middle} or more, {most} at most)")
    same = len(gains) - len(sooner) - len(later)
    parts.append(f"{few(same, 'job')} start as before")
    yield f"{', '.join(parts)}."


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
