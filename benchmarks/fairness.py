"""How fairly jobs that want more than there is share 32 GPUs: the harness, proved on Gavel's
max-min.

`python -m benchmarks.fairness` runs the 120 jobs of Shockwave's study by that policy, as its
simulator has it, and by ours, and prints what that study prints. Finish-time fairness of a job is
its completion over what it would take if it ran alone on its part of the cluster: run time × jobs
/ GPUs, or its run time where there are more GPUs than jobs. A job above 1.05 is said to be treated
unfairly. That is what the study tells of its policies. Its results hold it also by the jobs that
there were on average in a job's life instead of all of the trace, which is stricter: here that is
`on average`. Figures of max-min come out near the published ones in both ways.

Our order `finish_time` is held to bars between those of the study's own policy and of the others.
It is told how long each job runs, or a time that is up to half too short or too long, or nothing,
which is held to no bar. The study's policy knows how many epochs a job has left, and predicts how
fast they will be.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import astuple, dataclass, replace
from random import Random
from statistics import mean
from typing import TYPE_CHECKING, Final

from benchmarks import shockwave
from benchmarks.baselines.fairness import RESTART_S, run_max_min
from benchmarks.baselines.queueing import WIDTH, Course
from benchmarks.gangs import build_cluster, gang_of
from benchmarks.told import Told, print_told
from quarterdeck.core.scheduling.snapshot import Order, Policy
from quarterdeck.sim.fast.measures.steps import steps_of_spans
from quarterdeck.sim.fast.run import run as simulate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from benchmarks.baselines.queueing import Gang
    from quarterdeck.sim.fast.workload import SimJob

    Found = dict[str, "Shared"]

TITLE: Final = "120 jobs on 32 GPUs; makespan and mean completion in seconds"
UNFAIR: Final = 1.05
MAX_MIN: Final = "Gavel max-min"
FINISH_TIME: Final = "finish_time"
OTHERS: Final = {
    "shortest": Order.SHORTEST,
    "first_come": Order.FIRST_COME,
    "least_served": Order.LEAST_SERVED,
}
SEEDS: Final = 24
HALF_OFF: Final = f"finish_time ±50 %, mean of {SEEDS}"
UNKNOWN: Final = "finish_time, nothing known"
HALF_OFF_WORST: Final = f"finish_time ±50 %, worst of {SEEDS}"
NEAR: Final = 0.05
NEAR_AVERAGE: Final = 0.1
"""Of what depends on which rounds a job is there for, which are not played here."""


@dataclass(frozen=True, slots=True)
class Shared:
    """One run. `worst` is the largest finish-time fairness, `unfair` and `used` are percent: of the
    jobs, and of the GPUs' time. Of the fairness with the contention on average there are the same.
    `lost` is the percent of the GPU time held that had to be spent again, None where that is not
    known."""

    makespan_s: float
    completion_s: float
    worst: float
    unfair: float
    used: float
    worst_average: float
    unfair_average: float
    lost: float | None = None


PUBLISHED: Final = Shared(33_208, 11_274, 2.95, 25.0, 59.5, 4.57, 76.7)
"""Of Gavel's max-min (uw-mad-dash/shockwave, the results of its simulator; the last two are its
`finish_time_fairness_themis_list`)."""
SHOCKWAVE: Final = Shared(24_197, 9_958, 1.78, 5.0, 81.7, 2.57, 74.2)
"""Of the study's own policy, from the same place."""
PROVING: Final = {
    "makespan": "makespan_s",
    "mean completion": "completion_s",
    "worst fairness": "worst",
    "unfair jobs, %": "unfair",
    "used, %": "used",
    "worst fairness on average": "worst_average",
    "unfair jobs on average, %": "unfair_average",
}
BARS: Final = {
    "worst fairness": ("worst", 1.85),
    "unfair jobs, %": ("unfair", 15.0),
    "makespan": ("makespan_s", 29_000.0),
    "lost GPU time, %": ("lost", 2.0),
}


def measure(
    gangs: Sequence[Gang], course: Course, gpus: int, lost_gpu_s: float | None = None
) -> Shared:
    """What a run was like."""
    completions = [end - gang.submit_s for end, gang in zip(course.end_s, gangs, strict=True)]
    there = steps_of_spans(
        (gang.submit_s, end, 1.0) for end, gang in zip(course.end_s, gangs, strict=True)
    )
    crowd = max(1.0, len(gangs) / gpus)
    fairness, on_average = [], []
    for completion, end, gang in zip(completions, course.end_s, gangs, strict=True):
        fairness.append(completion / (gang.duration_s * crowd))
        beside = max(1.0, there.mean(gang.submit_s, end) / gpus)
        on_average.append(completion / (gang.duration_s * beside))
    makespan_s = max(course.end_s) - min(gang.submit_s for gang in gangs)
    gpu_s = sum(gang.gpus * gang.duration_s for gang in gangs)
    return Shared(
        makespan_s,
        mean(completions),
        max(fairness),
        100 * mean(one > UNFAIR for one in fairness),
        100 * gpu_s / (gpus * makespan_s),
        max(on_average),
        100 * mean(one > UNFAIR for one in on_average),
        None if lost_gpu_s is None else 100 * lost_gpu_s / (gpu_s + lost_gpu_s),
    )


def run() -> Found:
    """All policies, ours first."""
    jobs, gpus = shockwave.read_jobs(), shockwave.NODES * WIDTH
    gangs = [gang_of(job) for job in jobs]
    exact = [replace(job, estimate_s=job.duration_s) for job in jobs]
    found = {FINISH_TIME: _measure_ours(exact, Order.FINISH_TIME)}
    off = [_measure_ours(_half_off(jobs, seed), Order.FINISH_TIME) for seed in range(SEEDS)]
    found[HALF_OFF] = _each(mean, off)
    found[HALF_OFF_WORST] = replace(_each(max, off), used=min(one.used for one in off))
    found[UNKNOWN] = _measure_ours(jobs, Order.FINISH_TIME)
    found |= {name: _measure_ours(exact, order) for name, order in OTHERS.items()}
    found[MAX_MIN] = measure(gangs, run_max_min(gangs, gpus), gpus)
    return found | {"published: max-min": PUBLISHED, "published: Shockwave": SHOCKWAVE}


def as_lines(found: Found) -> list[str]:
    """A header, and a row for each policy."""
    columns = (
        "makespan", "completion", "worst", "unfair %", "used %", "lost %", "worst", "unfair %",
    )  # fmt: skip
    lines = [
        f"{'':<30}{'fairness on average':>{8 * 11}}",
        f"{'':<30}" + "".join(f"{name:>11}" for name in columns),
    ]
    for name, one in found.items():
        cells = (
            f"{one.makespan_s:,.0f}",
            f"{one.completion_s:,.0f}",
            f"{one.worst:.2f}",
            f"{one.unfair:.1f}",
            f"{one.used:.1f}",
            "" if one.lost is None else f"{one.lost:.2f}",
            f"{one.worst_average:.2f}",
            f"{one.unfair_average:.1f}",
        )
        lines.append((f"{name:<30}" + "".join(f"{cell:>11}" for cell in cells)).rstrip())
    return lines


def judge(found: Found) -> list[tuple[str, bool]]:
    """Whether the policy that others have measured comes out as they say, and whether ours keeps
    what it is held to."""
    said = []
    for what, field in PROVING.items():
        ours, known = (getattr(one, field) for one in (found[MAX_MIN], PUBLISHED))
        near = NEAR_AVERAGE if field.endswith("average") else NEAR
        told = f"{MAX_MIN}, {what}: {ours:,.2f}, published {known:,.2f} (within {near:.0%})"
        said.append((told, abs(ours - known) <= near * known))
    for name in (FINISH_TIME, HALF_OFF):
        for what, (field, most) in BARS.items():
            ours = getattr(found[name], field)
            said.append((f"{name}, {what}: {ours:,.2f} ≤ {most:,.2f}", ours <= most))
    return said


def tell(found: Found) -> Told:
    """What was found, as it is printed and kept."""
    return Told(TITLE, as_lines(found), judge(found))


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fairness", description=__doc__)
    parser.parse_args()
    return print_told(parser, lambda: tell(run()))


def _measure_ours(jobs: Sequence[SimJob], order: Order) -> Shared:
    """Each start after a job's first one costs what it costs there; what was done is not lost."""
    saved = [replace(job, checkpoint_s=0.0) for job in jobs]
    nodes = build_cluster(shockwave.NODES)
    story = simulate(nodes, saved, Policy(order=order), restart_s=RESTART_S)
    assert not story.never, story.never[0]
    by_line = {one.job.line: one for one in story.ran}
    ran = [by_line[job.line] for job in jobs]
    course = Course([one.start_s for one in ran], [one.end_s for one in ran])
    lost_gpu_s = sum(one.lost_s * one.job.gpus for one in ran)
    return measure([gang_of(job) for job in jobs], course, shockwave.NODES * WIDTH, lost_gpu_s)


def _half_off(jobs: Sequence[SimJob], seed: int) -> list[SimJob]:
    """What is told of their run times is up to half too short or too long."""
    rng = Random(seed)
    return [replace(job, estimate_s=job.duration_s * rng.uniform(0.5, 1.5)) for job in jobs]


def _each(of: Callable[[Iterable[float]], float], runs: Sequence[Shared]) -> Shared:
    """The mean of each figure, or its largest."""
    return Shared(*(of(figures) for figures in zip(*map(astuple, runs), strict=True)))


if __name__ == "__main__":
    sys.exit(main())
