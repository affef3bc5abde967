"""How fairly jobs that want more than there is share 32 GPUs: the harness, proved on Gavel's
max-min.

`python -m benchmarks.fairness` runs the 120 jobs of Shockwave's study by that policy, as its
simulator has it, and by ours, and prints what that study prints. Finish-time fairness of a job is
its completion over what it would take if it ran alone on its part of the cluster: run time × jobs
/ GPUs, or its run time where there are more GPUs than jobs. A job above 1.05 is said to be treated
unfairly. Ours is held to nothing here yet: shares and guarantees are not built.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, fields, replace
from statistics import mean
from typing import TYPE_CHECKING, Final

from benchmarks import shockwave
from benchmarks.baselines.fairness import RESTART_S, run_max_min
from benchmarks.baselines.queueing import WIDTH, Course
from benchmarks.gangs import build_cluster, gang_of
from benchmarks.told import Told, print_told
from quarterdeck.core.scheduling.snapshot import Order, Policy
from quarterdeck.sim.fast.run import run as simulate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.baselines.queueing import Gang
    from quarterdeck.sim.fast.workload import SimJob

    Found = dict[str, "Shared"]

TITLE: Final = "120 jobs on 32 GPUs; makespan and mean completion in seconds"
UNFAIR: Final = 1.05
MAX_MIN: Final = "Gavel max-min"
OURS: Final = {"ours, first come": Order.FIRST_COME, "ours, no durations": Order.LEAST_SERVED}
NEAR: Final = 0.05


@dataclass(frozen=True, slots=True)
class Shared:
    """One run. `worst` is the largest finish-time fairness, `unfair` and `used` are percent: of the
    jobs, and of the GPUs' time."""

    makespan_s: float
    completion_s: float
    worst: float
    unfair: float
    used: float


PUBLISHED: Final = Shared(33_208, 11_274, 2.95, 25.0, 59.5)
"""Of Gavel's max-min (uw-mad-dash/shockwave, the results of its simulator)."""


def measure(gangs: Sequence[Gang], course: Course, gpus: int) -> Shared:
    """What a run was like."""
    completions = [end - gang.submit_s for end, gang in zip(course.end_s, gangs, strict=True)]
    crowd = max(1.0, len(gangs) / gpus)
    fairness = [
        completion / (gang.duration_s * crowd)
        for completion, gang in zip(completions, gangs, strict=True)
    ]
    makespan_s = max(course.end_s) - min(gang.submit_s for gang in gangs)
    gpu_s = sum(gang.gpus * gang.duration_s for gang in gangs)
    return Shared(
        makespan_s,
        mean(completions),
        max(fairness),
        100 * mean(one > UNFAIR for one in fairness),
        100 * gpu_s / (gpus * makespan_s),
    )


def run() -> Found:
    """All policies, ours first."""
    jobs = shockwave.read_jobs()
    gangs, gpus = [gang_of(job) for job in jobs], shockwave.NODES * WIDTH
    found = {name: measure(gangs, _our_course(jobs, order), gpus) for name, order in OURS.items()}
    found[MAX_MIN] = measure(gangs, run_max_min(gangs, gpus), gpus)
    return found


def as_lines(found: Found) -> list[str]:
    """A header, and a row for each policy."""
    columns = ("makespan", "completion", "worst fairness", "unfair %", "used %")
    lines = [f"{'':<20}" + "".join(f"{name:>16}" for name in columns)]
    for name, one in found.items():
        cells = (
            f"{one.makespan_s:,.0f}",
            f"{one.completion_s:,.0f}",
            f"{one.worst:.2f}",
            f"{one.unfair:.1f}",
            f"{one.used:.1f}",
        )
        lines.append(f"{name:<20}" + "".join(f"{cell:>16}" for cell in cells))
    return lines


def judge(found: Found) -> list[tuple[str, bool]]:
    """Whether the policy that others have measured comes out as they say."""
    said = []
    for field, what in zip(fields(Shared), ("makespan", "mean completion", "worst fairness",
                                            "unfair jobs, %", "used, %"), strict=True):  # fmt: skip
        ours, known = (getattr(one, field.name) for one in (found[MAX_MIN], PUBLISHED))
        told = f"{MAX_MIN}, {what}: {ours:,.2f}, published {known:,.2f} (within {NEAR:.0%})"
        said.append((told, abs(ours - known) <= NEAR * known))
    return said


def tell(found: Found) -> Told:
    """What was found, as it is printed and kept."""
    return Told(TITLE, as_lines(found), judge(found))


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fairness", description=__doc__)
    parser.parse_args()
    return print_told(parser, lambda: tell(run()))


def _our_course(jobs: Sequence[SimJob], order: Order) -> Course:
    """Each start after a job's first one costs what it costs there; what was done is not lost."""
    saved = [replace(job, checkpoint_s=0.0) for job in jobs]
    nodes = build_cluster(shockwave.NODES)
    story = simulate(nodes, saved, Policy(order=order), restart_s=RESTART_S)
    assert not story.never, story.never[0]
    by_line = {one.job.line: one for one in story.ran}
    ran = [by_line[job.line] for job in jobs]
    return Course([one.start_s for one in ran], [one.end_s for one in ran])


if __name__ == "__main__":
    sys.exit(main())
