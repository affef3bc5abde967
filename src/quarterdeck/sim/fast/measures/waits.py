"""How long jobs waited and took.

Slowdown is bounded: completion / max(10 s, duration), at least 1 (Feitelson and Rudolph, "Metrics
and Benchmarking for Parallel Job Scheduling", 1998).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quarterdeck.sim.fast.measures.steps import mean, percentile

if TYPE_CHECKING:
    from quarterdeck.sim.fast.story import Ran, Story

SHORT_S: Final = 10.0


def completion_s(one: Ran) -> float:
    """From submission to the end."""
    return one.end_s - one.job.submit_s


def slowdown(one: Ran) -> float:
    """See the module."""
    return max(1.0, completion_s(one) / max(SHORT_S, one.job.duration_s))


def wait_figures(story: Story) -> dict[str, float]:
    """Of all jobs that ran."""
    waits = [one.wait_s for one in story.ran]
    completions = [completion_s(one) for one in story.ran]
    return {
        "jobs": float(len(story.ran)),
        "jobs_never": float(len(story.never)),
        "wait_mean_s": mean(waits),
        "wait_p50_s": percentile(waits, 0.5),
        "wait_p99_s": percentile(waits, 0.99),
        "completion_mean_s": mean(completions),
        "completion_p50_s": percentile(completions, 0.5),
        "completion_p99_s": percentile(completions, 0.99),
        "slowdown_mean": mean([slowdown(one) for one in story.ran]),
    }
