"""Whether everybody was slowed down alike.

Jain's index over teams is of their mean slowdowns: 1 when all are slowed down alike, 1/n when one
of n bears it all (Jain et al., 1984).

Finish-time fairness of a job, rho = completion / (duration × contention): how much longer it took
than with its part of the cluster for itself. Contention is the GPUs that all unfinished jobs ask
for as a share of all GPUs, on average from its submission to its end, and at least 1. A job with
rho above 1.05 was treated unfairly (Mahajan et al., "Themis", NSDI 2020; Zheng et al., "Shockwave",
NSDI 2023, whose table has the worst rho and the share of unfair jobs). Jobs without GPUs, and those
that take no time, have none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quarterdeck.sim.fast.measures.steps import mean, steps_of_spans
from quarterdeck.sim.fast.measures.usage import gpus_of
from quarterdeck.sim.fast.measures.waits import completion_s, slowdown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterdeck.sim.fast.story import Ran, Story

UNFAIR: Final = 1.05


def fairness_figures(story: Story) -> dict[str, float]:
    """Over teams, and over jobs."""
    rhos = finish_time_fairness(story)
    return {
        "jain_teams": _jain(story.ran),
        "finish_time_worst": max(rhos, default=1.0),
        "finish_time_unfair": mean([float(rho > UNFAIR) for rho in rhos]),
    }


def finish_time_fairness(story: Story) -> list[float]:
    """The rho of each job that has one, in the order of the story."""
    gpus = gpus_of(story)
    asked = steps_of_spans((one.job.submit_s, one.end_s, one.job.gpus) for one in story.ran)
    return [
        completion_s(one)
        / (one.job.duration_s * max(1.0, asked.mean(one.job.submit_s, one.end_s) / gpus))
        for one in story.ran
        if one.job.gpus and one.job.duration_s > 0
    ]


def _jain(ran: Sequence[Ran]) -> float:
    by_team: dict[str, list[float]] = {}
    for one in ran:
        by_team.setdefault(one.job.team, []).append(slowdown(one))
    means = [mean(values) for values in by_team.values()]
    return sum(means) ** 2 / (len(means) * sum(one**2 for one in means)) if means else 1.0
