"""The policies that are compared: the rules of others, who know all durations, and our orders,
which know them badly or not at all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Final

from benchmarks.baselines.queueing import first_come, run_in_order, shortest, smallest
from benchmarks.baselines.queueing_easy import run_easy
from benchmarks.baselines.queueing_las import run_las
from benchmarks.baselines.queueing_preempting import run_remaining
from benchmarks.gangs import build_cluster
from benchmarks.waits import Waits, waits_of_course, waits_of_story
from quarterdeck.core.scheduling.snapshot import Order, Policy
from quarterdeck.sim.fast.run import run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.baselines.queueing import Course, Gang
    from benchmarks.queueing_traces import Trace

    Rule = Callable[[Sequence[Gang], int], Course]

SEEDS: Final = (1, 2, 3)
PATIENCE_S: Final = 30 * 86_400.0
"""Of ours with jobs that do not fit: the rules of others have none that ends, and in `shortest` age
counts by itself."""
THEIRS: Final[dict[str, Rule]] = {
    "FIFO": lambda gangs, nodes: run_in_order(gangs, nodes, first_come, may_skip=False),
    "FIFO + EASY": run_easy,
    "FIFO, skip": lambda gangs, nodes: run_in_order(gangs, nodes, first_come, may_skip=True),
    "SJF": lambda gangs, nodes: run_in_order(gangs, nodes, shortest, may_skip=False),
    "SJF, skip": lambda gangs, nodes: run_in_order(gangs, nodes, shortest, may_skip=True),
    "GPU time, skip": lambda gangs, nodes: run_in_order(gangs, nodes, smallest, may_skip=True),
    "SRTF": lambda gangs, nodes: run_remaining(gangs, nodes, is_by_gpu_time=False),
    "SRSF": lambda gangs, nodes: run_remaining(gangs, nodes, is_by_gpu_time=True),
    "Tiresias": run_las,
}
PREEMPTING: Final = ("SRTF", "SRSF", "Tiresias")
"""Those that are charged for placing where placing costs something."""


@dataclass(frozen=True, slots=True)
class Ours:
    """An order of ours, and by how much each duration that it is told is off."""

    order: Order
    factor: Callable[[Random], float] | None
    is_seeded: bool = True


OURS: Final[dict[str, Ours]] = {
    "ours, ±50 %": Ours(Order.SHORTEST, lambda rng: rng.uniform(0.5, 1.5)),
    "ours, ×0.1–×10": Ours(Order.SHORTEST, lambda rng: 10 ** rng.uniform(-1, 1)),
    "ours, exact": Ours(Order.SHORTEST, lambda _: 1.0, is_seeded=False),
    "ours, no durations": Ours(Order.LEAST_SERVED, None, is_seeded=False),
}


def policies_for(trace: str, *, is_charged: bool) -> list[str]:
    """Ours first. What knows no durations makes others give way, as those of Muri's simulator do,
    and is compared with them; what does not, with those that know durations."""
    if is_charged:
        return ["ours, no durations", *PREEMPTING]
    ours = [name for name, one in OURS.items() if one.factor or trace.startswith("muri")]
    return [*ours, *(name for name in THEIRS if name != "Tiresias")]


def seeds_of(policy: str) -> tuple[int, ...]:
    """Of one that draws nothing there is one run."""
    return SEEDS if policy in OURS and OURS[policy].is_seeded else SEEDS[:1]


def follow(trace: Trace, policy: str, seed: int) -> Waits:
    """One run."""
    if policy in THEIRS:
        return waits_of_course(trace.gangs, THEIRS[policy](trace.gangs, trace.nodes))
    ours = OURS[policy]
    # A job that makes room first saves its state, as it is given the time to.
    jobs = [replace(job, checkpoint_s=0.0) for job in trace.jobs]
    if ours.factor:
        rng = Random(seed)
        jobs = [replace(job, estimate_s=job.duration_s * ours.factor(rng)) for job in jobs]
    story = run(
        build_cluster(trace.nodes),
        jobs,
        Policy(PATIENCE_S, order=ours.order),
        restart_s=trace.restart_s,
    )
    return waits_of_story(story)
