"""How well run times are foretold from those that ended before, beside simpler rules.

- *last two*: the mean of a person's last two runs (Tsafrir et al., IEEE TPDS 2007);
- *user's mean*: of all that a person ran (where nobody is named, of their team);
- *shape's median*: of all that asked for the same;
- *asked*: what was given with the job, where the trace has it.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass, field
from heapq import heappop, heappush
from statistics import mean, median
from typing import TYPE_CHECKING, Final

from benchmarks import philly
from benchmarks.gangs import demand_of
from benchmarks.queueing_traces import read_trace
from benchmarks.traces import read_text
from quarterdeck.core.scheduling.runtimes import Likeness, RunTimes, shape_of
from quarterdeck.sim.fast.workload import SimJob

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LEARNED_ON: Final = ("hpc2n", "philly", "itp02", "itp03", "itp04")
FIRST: Final = 5_000
"""Jobs of each, as all of them would take minutes."""
RULES: Final = ("ours", "last two", "user's mean", "shape's median", "asked")
SIMPLE: Final = ("user's mean", "shape's median")
FACTOR: Final = 2.0


@dataclass(frozen=True, slots=True)
class Learned:
    """By rule: the share of jobs whose run time it foretold within a factor of two, and the median
    factor that it was off, of those of which every rule said something."""

    jobs: int
    within: dict[str, float]
    off: dict[str, float]


def learn(name: str) -> Learned:
    """One trace."""
    return learned_from(read_runs(name))


def read_runs(name: str) -> list[SimJob]:
    """Jobs with who ran them and what; names are those of programs, where the trace knows them."""
    if name == "hpc2n":
        return read_hpc2n()
    if name == "philly":
        return philly.read_jobs()[:FIRST]
    return [*read_trace(name).jobs[:FIRST]]


def read_hpc2n() -> list[SimJob]:
    """A cut of the log of HPC2N's Seth (Parallel Workloads Archive), by user and program."""
    jobs = []
    for line, text in enumerate(read_text("swf/hpc2n-3171.swf").splitlines(), start=1):
        cells = text.split()
        if not cells or cells[0].startswith(";") or float(cells[3]) <= 0:
            continue
        jobs.append(
            SimJob(
                line,
                f"program {cells[13]}",
                float(cells[1]),
                float(cells[3]),
                demand_of(max(1, int(cells[7]))),
                user=f"user {cells[11]}",
                estimate_s=float(cells[8]),
            )
        )
    return sorted(jobs, key=lambda job: job.submit_s)


@dataclass(slots=True)
class _Rules:
    """What each rule has seen so far."""

    ours: RunTimes = field(default_factory=RunTimes)
    last: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(_two))
    by_user: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    by_shape: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, job: SimJob) -> None:
        like = _like(job)
        self.ours.add(like, job.duration_s)
        self.last[like.who or like.team].append(job.duration_s)
        self.by_user[like.who or like.team].append(job.duration_s)
        self.by_shape[like.shape].append(job.duration_s)

    def foretell(self, job: SimJob) -> dict[str, float]:
        """By each rule that has something to say."""
        like = _like(job)
        found = {}
        if known := self.ours.find(like):
            found["ours"] = known.median_s
        if last := self.last.get(like.who or like.team):
            found["last two"] = mean(last)
        if runs := self.by_user.get(like.who or like.team):
            found["user's mean"] = mean(runs)
        if runs := self.by_shape.get(like.shape):
            found["shape's median"] = median(runs)
        if job.estimate_s:
            found["asked"] = job.estimate_s
        return found


def learned_from(jobs: Sequence[SimJob]) -> Learned:
    """Foretold at each submission from the runs that had ended by then."""
    rules = _Rules()
    running: list[tuple[float, int]] = []
    factors: dict[str, list[float]] = {}
    names = [name for name in RULES if name != "asked" or any(job.estimate_s for job in jobs)]
    for number, job in enumerate(jobs):
        while running and running[0][0] <= job.submit_s:
            rules.add(jobs[heappop(running)[1]])
        told = rules.foretell(job)
        if all(name in told for name in names):
            for name in names:
                factors.setdefault(name, []).append(_factor(told[name], job.duration_s))
        heappush(running, (job.submit_s + job.duration_s, number))
    return Learned(
        len(next(iter(factors.values()), [])),
        {name: mean(one <= FACTOR for one in values) for name, values in factors.items()},
        {name: median(values) for name, values in factors.items()},
    )


def as_lines_of_learned(learned: dict[str, Learned]) -> list[str]:
    """A table for all traces."""
    lines = [
        "Run times foretold within a factor of two, and the median factor that they are off",
        "",
        f"{'trace':<8}{'jobs':>8}" + "".join(f"{name:>18}" for name in RULES),
    ]
    for name, one in learned.items():
        cells = [
            f"{one.within[rule]:.1%} {one.off[rule]:>6.2f}×" if rule in one.within else ""
            for rule in RULES
        ]
        lines.append(f"{name:<8}{one.jobs:>8,}" + "".join(f"{cell:>18}" for cell in cells).rstrip())
    return lines


def judge_learned(learned: dict[str, Learned]) -> Iterable[tuple[str, bool]]:
    """Whether ours is nearer than what is simpler."""
    for name, one in learned.items():
        best = max(SIMPLE, key=lambda rule: one.within[rule])
        said = f"{name}: run times within a factor of two {one.within['ours']:.1%}"
        holds = one.within["ours"] >= one.within[best] - 0.01
        yield f"{said} ≥ {one.within[best]:.1%} ({best}, within 1 point)", holds


def _factor(told_s: float, ran_s: float) -> float:
    told_s, ran_s = max(1.0, told_s), max(1.0, ran_s)
    return max(told_s / ran_s, ran_s / told_s)


def _like(job: SimJob) -> Likeness:
    program = job.name if job.name.startswith("program ") else ""
    return Likeness(job.user, program, shape_of(job.demand), job.team)


def _two() -> deque[float]:
    return deque(maxlen=2)
