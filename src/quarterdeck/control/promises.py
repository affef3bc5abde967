"""Keeps what waiting jobs are promised of their starts, makes it anew when it has become another,
and counts what was kept.

All of it is told from the board and from the log of promises; no plan depends on it.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, insort
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.control.guesses import Guesses
from quarterdeck.core.jobs.states import JobState
from quarterdeck.core.scheduling.calibration import KEPT, Calibration
from quarterdeck.core.scheduling.order import order_of
from quarterdeck.core.scheduling.plan import Blocker
from quarterdeck.core.scheduling.promises import Because, Spread, promise_of
from quarterdeck.ports.promises import Settled

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from quarterdeck.basics.ids import JobId
    from quarterdeck.control.present import Present
    from quarterdeck.core.jobs.job import Job
    from quarterdeck.core.scheduling.plan import Plan, Verdict
    from quarterdeck.core.scheduling.promises import Promise
    from quarterdeck.core.scheduling.snapshot import Policy, Snapshot, Waiting
    from quarterdeck.ports.promises import PromiseLog

FOR_ROOM: Final = frozenset(
    {
        Blocker.NO_CAPACITY,
        Blocker.FRAGMENTED,
        Blocker.TOPOLOGY,
        Blocker.GPU_MODEL,
        Blocker.MIG_SHAPE,
        Blocker.CORDONED,
        Blocker.BEHIND_OTHERS,
        Blocker.MAKING_ROOM,
        Blocker.DISK_FULL,
    }
)
"""Who waits for this waits for others to end. For the rest nobody knows what they wait for."""
KEPT_S: Final = 90 * 86_400.0
"""How long it is known what a job was promised."""
APART_S: Final = 30.0
"""A promise is not made anew more often than this."""
FRESH_NS: Final = NS_PER_S


@dataclass(slots=True)
class _Told:
    """The promise in force and, where it was made in this process, what was so then: the policy,
    the nodes that were up, and how many who came later went before the job."""

    promise: Promise
    facts: tuple[Policy, int, int] | None = None


class Promises:
    """See the module. Any thread may call it."""

    def __init__(self, promise_log: PromiseLog) -> None:
        self.log = promise_log
        self._lock = threading.RLock()
        self._guesses = Guesses()
        self._calibration = Calibration()
        self._told: dict[JobId, _Told] = {}
        self._verdicts: Mapping[JobId, Verdict] = {}
        self._looked: tuple[int, int] | None = None
        self._load()

    def note(self, made: Plan) -> None:
        """The scheduler has made a plan: who it keeps waiting, and why, counts from now on."""
        self._verdicts = made.verdicts

    def turn(self, plane: Present) -> None:
        """Settle what has started, and promise what is new or has changed."""
        with self._lock:
            if not self._told and plane.board.count_queued() == 0:
                return
            plane.board.catch_up()
            now_ns, cursor = plane.clock.now_ns(), plane.board.cursor
            self._looked = (cursor, now_ns)
            snapshot = plane.board.snapshot(now_ns, plane.people())
            self._settle(plane, {one.job_id for one in snapshot.waiting})
            self._promise(plane, snapshot)

    def find(self, plane: Present, job_id: JobId, made: Plan) -> Promise | None:
        """What a waiting job is promised now; `made` is the plan that says why it waits. None for
        one that does not wait for room, or for ever as far as can be seen."""
        with self._lock:
            now_ns = plane.clock.now_ns()
            looked = self._looked
            is_fresh = (
                looked is not None
                and looked[0] == plane.board.cursor
                and 0 <= now_ns - looked[1] < FRESH_NS
            )
            verdict = made.verdicts.get(job_id)
            if verdict is None or verdict.blocked_by not in FOR_ROOM:
                return None
            if not is_fresh or job_id not in self._told:
                self.note(made)
                self.turn(plane)
            told = self._told.get(job_id)
            return told.promise if told is not None else None

    def imagine(
        self, plane: Present, snapshot: Snapshot, made: Plan, waiting: Waiting
    ) -> Promise | None:
        """What a job would be promised that is not in the queue, in a snapshot where it is."""
        verdict = made.verdicts.get(waiting.job_id)
        if verdict is None or verdict.blocked_by not in FOR_ROOM:
            return None
        with self._lock:
            queue = _for_room(plane, snapshot, made.verdicts)
            guess_s = self._guesses.look(plane, snapshot, queue, waiting.job_id).get(waiting.job_id)
            if guess_s is None:
                return None
            now_ns = snapshot.now_ns
            spread = self._calibration.spread(guess_s, now_ns / NS_PER_S)
            why, stretch = (Because.FIRST, ""), self._calibration.stretch
            return promise_of(waiting.job_id, now_ns, guess_s, spread, why, stretch)

    def _load(self) -> None:
        """What a server that starts knows of the past."""
        past: list[tuple[int, bool, Promise]] = []
        for kept in self.log.list_settled(KEPT):
            assert kept.started_at_ns is not None
            past.append((kept.promise.made_at_ns, False, kept.promise))
            past.append((kept.started_at_ns, True, kept.promise))
        for one in self.log.list_open():
            self._told[one.job_id] = _Told(one)
            if one.is_first:
                past.append((one.made_at_ns, False, one))
        past.sort(key=lambda entry: entry[:2])
        for at_ns, is_start, one in past:
            if is_start:
                self._calibration.settle(one.job_id, at_ns / NS_PER_S)
            else:
                at_s = at_ns / NS_PER_S
                told = (one.guess_s, _spread_of(one), one.stretch)
                self._calibration.promise(one.job_id, at_s, *told)

    def _settle(self, plane: Present, waiting: Iterable[JobId]) -> None:
        """Promises of those who wait no more, or of whose array a task has started."""
        still = set(waiting)
        settled: list[Settled] = []
        for job_id, told in self._told.items():
            job = plane.board.find_job(job_id) or plane.store.find_job(job_id)
            started_ns = _started_ns(job, told.promise.made_at_ns)
            if started_ns is None and job_id in still:
                continue
            if started_ns is None and job is not None and job.state is JobState.QUEUED:
                continue  # it came back to the queue just now
            settled.append(Settled(job_id, started_ns))
        for one in sorted(settled, key=lambda one: one.started_at_ns or 0):
            del self._told[one.job_id]
            if one.started_at_ns is None:
                self._calibration.drop(one.job_id)
            else:
                self._calibration.settle(one.job_id, one.started_at_ns / NS_PER_S)
        if settled:
            self.log.settle(settled)

    def _promise(self, plane: Present, snapshot: Snapshot) -> None:
        queue = _for_room(plane, snapshot, self._verdicts)
        guesses = self._guesses.look(plane, snapshot, queue)
        nodes_up = int(plane.board.list_free().is_open.sum())
        overtakers = _count_overtakers(queue)
        now_ns, made = snapshot.now_ns, []
        now_s = now_ns / NS_PER_S
        self._calibration.catch_up(now_s)
        for waiting in queue:
            job_id = waiting.job_id
            guess_s = guesses.get(job_id)
            if guess_s is None or not self._may_promise(plane, job_id):
                continue
            facts = (plane.policy, nodes_up, overtakers[job_id])
            told = self._told.get(job_id)
            if told is not None and not _may_be_another(told.promise, guess_s, now_ns):
                told.facts = told.facts or facts
                continue
            spread = self._calibration.spread(guess_s, now_s)
            why = (Because.FIRST, "")
            if told is not None:
                if not _is_another(told.promise, spread, now_ns):
                    told.facts = told.facts or facts
                    continue
                why = _why(told, facts, spread, now_ns)
            stretch = self._calibration.stretch
            promise = promise_of(job_id, now_ns, guess_s, spread, why, stretch)
            self._told[job_id] = _Told(promise, facts)
            made.append(promise)
            if promise.is_first:
                self._calibration.promise(job_id, now_s, guess_s, spread)
        if made:
            self.log.add(made)

    def _may_promise(self, plane: Present, job_id: JobId) -> bool:
        """Whether it is known to wait for room. Of an array only the first start is promised."""
        verdict = self._verdicts.get(job_id)
        if verdict is None or verdict.blocked_by not in FOR_ROOM:
            return False
        job = plane.board.find_job(job_id)
        return job is not None and (job.tasks is None or job.tasks.made == 0)


def _for_room(
    plane: Present, snapshot: Snapshot, verdicts: Mapping[JobId, Verdict]
) -> list[Waiting]:
    """Who waits for room, in order; those of whom nothing was said yet may get it."""
    found = []
    for waiting in sorted(snapshot.waiting, key=order_of(snapshot, plane.policy)):
        verdict = verdicts.get(waiting.job_id)
        is_for_room = verdict is None or verdict.blocked_by in FOR_ROOM
        if is_for_room and waiting.ready(snapshot.now_ns):
            found.append(waiting)
    return found


def _count_overtakers(queue: Sequence[Waiting]) -> dict[JobId, int]:
    """How many go before each who came after it."""
    before: list[int] = []
    found = {}
    for waiting in queue:
        place = bisect_left(before, waiting.submitted_at_ns + 1)
        found[waiting.job_id] = len(before) - place
        insort(before, waiting.submitted_at_ns)
    return found


def _started_ns(job: Job | None, since_ns: int) -> int | None:
    """When the first attempt that was placed since then was; None for none."""
    if job is None:
        return None
    placed = (one.placed_at_ns for one in job.attempts if one.placed_at_ns >= since_ns)
    return min(placed, default=None)


def _spread_of(one: Promise) -> Spread:
    ends = (one.most.from_ns, one.half.from_ns, one.expected_at_ns, one.half.to_ns, one.most.to_ns)
    return Spread(*((end_ns - one.made_at_ns) / NS_PER_S for end_ns in ends))


def _may_be_another(told: Promise, guess_s: float, now_ns: int) -> bool:
    """Whether it is worth reckoning what would be promised now: the guessed start has moved by a
    good part of what was promised to half of all starts, and that is not just so."""
    since_s = (now_ns - told.made_at_ns) / NS_PER_S
    moved_s = abs(since_s + guess_s - told.guess_s)
    return since_s >= APART_S and moved_s > (told.half.to_ns - told.half.from_ns) / NS_PER_S / 4


def _is_another(told: Promise, spread: Spread, now_ns: int) -> bool:
    """Whether what would be promised now differs much: it lies outside of what half of all starts
    were promised to be in."""
    return not told.half.holds(now_ns + round(spread.middle_s * NS_PER_S))


def _why(
    told: _Told, facts: tuple[Policy, int, int], spread: Spread, now_ns: int
) -> tuple[Because, str]:
    """What changed a promise, as far as it can be said without naming anybody's job."""
    is_later = now_ns + round(spread.middle_s * NS_PER_S) > told.promise.half.to_ns
    if told.facts is not None:
        (policy, nodes, before), (policy_now, nodes_now, before_now) = told.facts, facts
        if policy != policy_now:
            return Because.POLICY, "the scheduler follows another policy since"
        if is_later and nodes_now < nodes:
            lost = nodes - nodes_now
            return Because.NODES_LOST, f"{lost} fewer node{'s'[: lost > 1]} can be had than then"
        if not is_later and nodes_now > nodes:
            more = nodes_now - nodes
            return Because.NODES_CAME, f"{more} more node{'s'[: more > 1]} can be had than then"
        if is_later and before_now > before:
            return Because.OVERTAKEN, "jobs that go before it came later"
    if is_later:
        return Because.LONGER, "what runs or waits before it takes longer than it should"
    return Because.SOONER, "what was before it ended sooner than it should, or was withdrawn"
