"""Records into a workload: what ran in a while, as jobs for the fast simulator.

A job's duration is how long it really held its devices until its end. An attempt that a lost or
drained node cut off counts only for jobs that keep checkpoints: others began again from nothing,
and the simulator lets them do so again where it cuts them. What waits for something other than room
(a job that it needs, a release, its array's own limit) comes when that was over. Jobs that already
run at the beginning hold what they held, for as long as was left. A time limit is with its grace,
and no shorter than the job really ran: of one that went on after an outage it is that of all runs.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from dataclasses import dataclass, field, replace
from statistics import median_low
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.control.restore import read_log
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.ledger.usage import day_of
from quarterdeck.ports.store import JobRecord
from quarterdeck.sim.fast.story import Begun, Cut, Ran, Span
from quarterdeck.sim.fast.workload import SimJob
from quarterdeck.sim.replay.lives import Life, Lives, Try
from quarterdeck.sim.replay.outages import Nodes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quarterdeck.core.cluster.demand import Demand, Resources
    from quarterdeck.core.cluster.hardware import Node
    from quarterdeck.core.ledger.usage import Used
    from quarterdeck.ports.store import History
    from quarterdeck.sim.fast.story import Outage

CHECKPOINT_S: Final = 600.0
"""Taken for the pause between checkpoints of a job that keeps a checkpoint folder; the log does not
say when it wrote to it."""
CUT: Final = {Reason.NODE_FAILURE: Cut.NODE_LOST, Reason.NODE_DRAINED: Cut.DRAINED}
NEVER_RAN: Final = "was cancelled or given up before it started, so nobody knows its duration"
STILL_WAITS: Final = "has not started yet: taken to run as long as half of the jobs of its size do"
TRIED: Final = "waits for another attempt since before that time: left out"
STILL_RUNS: Final = "still runs: taken as if it ended with the log"


@dataclass(frozen=True, slots=True)
class Told:
    """A while, in seconds since `from_ns`, up to `span_s`.

    `jobs` come in it or wait at its beginning, `begun` run at its beginning, and `really` is what
    became of them. `used` is what people had on the days before. `remarks` count jobs about which
    something is to be said, `events_gone` the places of the log that retention has emptied since
    the beginning.
    """

    from_ns: int
    span_s: float
    nodes: tuple[Node, ...]
    jobs: tuple[SimJob, ...]
    begun: tuple[Begun, ...]
    outages: tuple[Outage, ...]
    really: tuple[Ran, ...]
    remarks: Counter[str] = field(default_factory=Counter)
    events_gone: int = 0
    used: tuple[Used, ...] = ()


def tell_workload(history: History, span_ns: tuple[int, int]) -> Told:
    """What came or ran in that time, which begins with the log where that is later. The log is read
    to its end: jobs may end after it."""
    from_ns, to_ns = span_ns
    for first in history.list_records(0, limit=1):
        from_ns = max(from_ns, min(first.event.at_ns, to_ns))
    nodes, lives, last_ns = Nodes(from_ns), Lives(history, from_ns), from_ns
    events_gone, last_seq = 0, 0
    for record in read_log(history):
        last_ns = max(last_ns, record.event.at_ns)
        if record.event.at_ns >= from_ns:
            events_gone += record.seq - last_seq - 1
        last_seq = record.seq
        if isinstance(record, JobRecord):
            nodes.note_drained(lives.drained_nodes(record))
            lives.take(record)
        elif record.event.at_ns <= to_ns:
            nodes.take(record.event)
    teller = _Teller(from_ns, to_ns, last_ns)
    for life in lives.list_all():
        teller.take(life)
    teller.take_waiting()
    if nodes.gpu_cordons:
        teller.remarks["cordon of single GPUs is left out"] += nodes.gpu_cordons
    return Told(
        from_ns,
        (to_ns - from_ns) / NS_PER_S,
        nodes.list_nodes(),
        tuple(sorted(teller.jobs, key=lambda job: job.submit_s)),
        tuple(teller.begun),
        nodes.list_outages(),
        tuple(teller.really),
        teller.remarks,
        events_gone,
        _used_before(history, from_ns),
    )


def _used_before(history: History, from_ns: int) -> tuple[Used, ...]:
    """What people had on the days before one, counted from it."""
    first = day_of(from_ns)
    used = (one for one in history.load_active().used if one.day < first)
    return tuple(replace(one, day=one.day - first) for one in used)


class _Teller:
    """Makes jobs of lives."""

    def __init__(self, from_ns: int, to_ns: int, last_ns: int) -> None:
        self._from_ns = from_ns
        self._to_ns = to_ns
        self._last_ns = last_ns
        self._made = 0
        self._waiting: list[Life] = []
        self.jobs: list[SimJob] = []
        self.begun: list[Begun] = []
        self.really: list[Ran] = []
        self.remarks: Counter[str] = Counter()

    def take(self, life: Life) -> None:
        """Its tasks that ran in the while, and those that came in it and have not started."""
        started, waiting = _tasks_of(life)
        for task, ready_ns in zip(started, _ready_of(life, started, 0, self._last_ns), strict=True):
            left = [one for one in life.tries_of(task) if self._ended_ns(one) >= self._from_ns]
            if left and ready_ns <= self._to_ns:
                self._add(life, task, ready_ns, left)
            elif not left and life.over_ns is None and not life.tries_of(task)[-1].is_last:
                self.remarks[TRIED] += 1
        if life.ready_ns <= self._to_ns and waiting:
            if life.over_ns is None:
                self._waiting.append(life)
            else:
                self.remarks[NEVER_RAN] += len(waiting)

    def take_waiting(self) -> None:
        """What has not started at the log's end: without it the queue would be a shorter one."""
        by_size: dict[tuple[int, Resources], list[float]] = {}
        for job in (*self.jobs, *(one.job for one in self.begun)):
            by_size.setdefault(_size_of(job.demand), []).append(job.duration_s)
        usual_s = {size: median_low(durations) for size, durations in by_size.items()}
        all_s = [duration_s for durations in by_size.values() for duration_s in durations]
        for life in self._waiting:
            duration_s = usual_s.get(_size_of(life.spec.demand), median_low(all_s or [0.0]))
            started, waiting = _tasks_of(life)
            every = [*started, *waiting]
            ready = list(_ready_of(life, every, round(duration_s * NS_PER_S), self._last_ns))
            for task, ready_ns in zip(waiting, ready[len(started) :], strict=True):
                self.remarks[STILL_WAITS] += 1
                self.jobs.append(self._job_of(life, task, ready_ns, duration_s))

    def _add(self, life: Life, task: int | None, ready_ns: int, tries: Sequence[Try]) -> None:
        if tries[-1].ended_ns is None:
            self.remarks[STILL_RUNS] += 1
        spans = tuple(self._span_of(one) for one in tries)
        lost_s = sum(
            span.end_s - span.start_s
            for span, one in zip(spans, tries, strict=True)
            if not _counts(life, one, tries[-1])
        )
        ran_s = sum(span.end_s - span.start_s for span in spans)
        job = self._job_of(life, task, ready_ns, ran_s - lost_s)
        if tries[0].placed_ns < self._from_ns:
            self.begun.append(Begun(job, tries[0].grants))
        else:
            self.jobs.append(job)
        self.really.append(Ran(job, spans, lost_s))

    def _job_of(self, life: Life, task: int | None, ready_ns: int, duration_s: float) -> SimJob:
        spec = life.spec
        self._made += 1
        name = life.job_id + ("" if task is None else f"/{task}")
        since_s = (life.submitted_ns - self._from_ns) / NS_PER_S
        submit_s = self._seconds(ready_ns)
        return SimJob(
            self._made,
            name if life.round == 1 else f"{name}#{life.round}",
            submit_s,
            duration_s,
            # The simulator has one site, whose name is its own.
            replace(spec.demand, site=None),
            spec.team,
            life.owner,
            spec.priority,
            estimate_s=spec.time_limit_s,
            limit_s=None
            if spec.time_limit_s is None
            else max(spec.time_limit_s + spec.stopping.grace_s, duration_s),
            checkpoint_s=CHECKPOINT_S if spec.checkpoint_path is not None else None,
            since_s=since_s if since_s != submit_s else None,
        )

    def _span_of(self, one: Try) -> Span:
        cut = Cut.DONE if one.is_last or one.reason is None else CUT.get(one.reason, Cut.DONE)
        return Span(
            self._seconds(one.placed_ns), self._seconds(self._ended_ns(one)), one.grants, cut
        )

    def _ended_ns(self, one: Try) -> int:
        return self._last_ns if one.ended_ns is None else one.ended_ns

    def _seconds(self, at_ns: int) -> float:
        return max(0, at_ns - self._from_ns) / NS_PER_S


def _size_of(demand: Demand) -> tuple[int, Resources]:
    """What jobs of one size have in common."""
    return demand.nodes, replace(demand.resources, cpus=0, memory_bytes=0)


def _counts(life: Life, one: Try, last: Try) -> bool:
    """Whether what an attempt did had not to be done again."""
    return one is last or one.reason not in CUT or life.spec.checkpoint_path is not None


def _tasks_of(life: Life) -> tuple[list[int | None], list[int | None]]:
    """Its tasks that were ever placed, in that order, and those that wait for it."""
    placed: dict[int | None, int] = {}
    for one in life.tries.values():
        placed.setdefault(one.task, one.placed_ns)
    waiting = [task for task in life.tasks if task not in placed]
    return sorted(placed, key=lambda task: placed[task]), waiting


def _ready_of(
    life: Life, tasks: Sequence[int | None], usual_ns: int, last_ns: int
) -> Iterator[int]:
    """For each of these tasks the first moment at which only the queue kept it from starting.

    Of an array that runs so many at a time, one more may start whenever one has ended; those that
    have not started are taken to run for so long.
    """
    parallel = life.spec.array.parallel if life.spec.array is not None else None
    last_try = {one.task: one for one in life.tries.values()}
    ends = sorted(one.ended_ns or last_ns for one in last_try.values())
    for place, task in enumerate(tasks):
        ready_ns = life.ready_ns
        if parallel is not None and place >= parallel:
            ready_ns = max(ready_ns, ends[place - parallel])
        if task in last_try:
            ready_ns = min(ready_ns, life.tries_of(task)[0].placed_ns)
        else:
            insort(ends, ready_ns + usual_ns)
        yield ready_ns
