"""What a run was like, in figures.

Slowdown is bounded: completion / max(10 s, duration), at least 1 (Feitelson and Rudolph, "Metrics
and Benchmarking for Parallel Job Scheduling", 1998). Jain's index over teams is of their mean
slowdowns: 1 when all are slowed down alike, 1/n when one of n bears it all (Jain et al., 1984).
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Final

from quarterdeck.core.cluster.demand import Level

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterdeck.sim.fast.story import Ran, Story

SHORT_S: Final = 10.0


def figures_of(story: Story) -> dict[str, float]:
    """By name, with its unit in the name."""
    ran = story.ran
    waits = [one.wait_s for one in ran]
    completions = [one.end_s - one.job.submit_s for one in ran]
    begin_s = min((one.job.submit_s for one in ran), default=0.0)
    span_s = max((one.end_s for one in ran), default=0.0) - begin_s
    gpus = sum(len(node.devices) for node in story.nodes)
    used_s = sum(one.job.gpus * one.held_s for one in ran)
    found = {
        "jobs": float(len(ran)),
        "jobs_never": float(len(story.never)),
        "wait_mean_s": _mean(waits),
        "wait_p50_s": _percentile(waits, 0.5),
        "wait_p99_s": _percentile(waits, 0.99),
        "completion_mean_s": _mean(completions),
        "completion_p50_s": _percentile(completions, 0.5),
        "completion_p99_s": _percentile(completions, 0.99),
        "slowdown_mean": _mean([_slowdown(one) for one in ran]),
        "makespan_s": span_s,
        "gpu_hours": used_s / 3600,
        "utilisation": used_s / (gpus * span_s) if gpus and span_s else 0.0,
        "jain_teams": _jain(ran),
    }
    return found | _nearness(story)


def _nearness(story: Story) -> dict[str, float]:
    """Of the jobs on several nodes, which share lies within one rack, one unit, one pod."""
    where = {node.name: node.location for node in story.nodes}
    gangs = [[where[grant.node] for grant in one.grants] for one in story.ran]
    gangs = [places for places in gangs if len(places) > 1]
    within: Counter[Level] = Counter()
    for places in gangs:
        for level, paths in (
            (Level.RACK, {(one.pod, one.unit, one.rack) for one in places}),
            (Level.UNIT, {(one.pod, one.unit) for one in places}),
            (Level.POD, {one.pod for one in places}),
        ):
            within[level] += len(paths) == 1
    levels = (Level.RACK, Level.UNIT, Level.POD)
    shares = {f"gangs_in_one_{one.value}": within[one] / max(1, len(gangs)) for one in levels}
    return {"gangs": float(len(gangs)), **shares}


def _slowdown(one: Ran) -> float:
    return max(1.0, (one.end_s - one.job.submit_s) / max(SHORT_S, one.job.duration_s))


def _jain(ran: Sequence[Ran]) -> float:
    by_team: dict[str, list[float]] = {}
    for one in ran:
        by_team.setdefault(one.job.team, []).append(_slowdown(one))
    means = [_mean(values) for values in by_team.values()]
    return sum(means) ** 2 / (len(means) * sum(one**2 for one in means)) if means else 1.0


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else 0.0


def _percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all does not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)] if values else 0.0
