"""Looks at every plan that the scheduler makes: is it allowed, complete, and are its reasons true?

The scheduler's plan is a pure function of the snapshot it looked at, so it is made again here.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from quarterdeck.control.board import Board
from quarterdeck.core.cluster.hardware import NodeState
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.plan import Blocker
from quarterdeck.sim.checks import Check

if TYPE_CHECKING:
    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.cluster.demand import Demand, Grant
    from quarterdeck.core.cluster.room import Room
    from quarterdeck.core.governance.people import People
    from quarterdeck.core.scheduling.plan import Plan, Verdict
    from quarterdeck.core.scheduling.snapshot import Policy, Snapshot, Waiting
    from quarterdeck.sim.checks import Checks


NO_ROOM = (Blocker.NO_CAPACITY, Blocker.FRAGMENTED, Blocker.CORDONED)
"""What a job hears that has to wait for room; nothing in here asks for a topology or for slices."""


class WatchedBoard(Board):
    """A board that remembers the last snapshot that it gave."""

    last_snapshot: Snapshot | None = None

    def snapshot(self, now_ns: int, people: People | None = None) -> Snapshot:
        """See `Board`."""
        self.last_snapshot = super().snapshot(now_ns, people)
        return self.last_snapshot

    def take_last(self) -> Snapshot | None:
        """The last snapshot, once."""
        last, self.last_snapshot = self.last_snapshot, None
        return last


def check_plan(snapshot: Snapshot, policy: Policy, checks: Checks) -> None:
    """Everything that must hold of the plan made on this snapshot."""
    plan = make_plan(snapshot, policy)
    _check_complete(snapshot, plan, checks)
    left = _check_fits(snapshot, plan, checks)
    placed = Counter(placement.job_id for placement in plan.placements)
    unplaced = {
        one.job_id: _count_ready(one, snapshot.now_ns) - placed[one.job_id]
        for one in snapshot.waiting
    }
    _check_order(snapshot, placed, unplaced, checks)
    _check_verdicts(snapshot, policy, plan, _Looked(placed, unplaced, left), checks)


def _check_complete(snapshot: Snapshot, plan: Plan, checks: Checks) -> None:
    """Everything that waits is placed or has a verdict; an array in part has both."""
    placed: dict[JobId, list[int | None]] = {}
    for placement in plan.placements:
        placed.setdefault(placement.job_id, []).append(placement.task)
    waiting = {one.job_id: one for one in snapshot.waiting}
    strange = {*placed, *plan.verdicts}.difference(waiting)
    wrong = next(
        (
            job_id
            for job_id, one in waiting.items()
            if not _is_answered(one, placed.get(job_id, []), plan, snapshot.now_ns)
        ),
        next(iter(sorted(strange)), None),
    )
    checks.hold(
        Check.VERDICTS,
        wrong is None,
        lambda: (
            f"{wrong and waiting.get(wrong)} got {wrong and placed.get(wrong)} and "
            f"{wrong and plan.verdicts.get(wrong)}"
        ),
        wrong,
    )


def _is_answered(waiting: Waiting, tasks: list[int | None], plan: Plan, now_ns: int) -> bool:
    is_whole = len(tasks) == len(waiting.tasks)
    if is_whole == (waiting.job_id in plan.verdicts):
        return False
    return not tasks or (
        len(set(tasks)) == len(tasks) <= _count_ready(waiting, now_ns)
        and set(tasks).issubset(waiting.tasks)
    )


def _count_ready(waiting: Waiting, now_ns: int) -> int:
    """How much of it could start if there were room for everything."""
    if waiting.unmet:
        return 0
    if not waiting.waits:
        return max(0, min(waiting.room, len(waiting.tasks)))
    later = sum(
        task in waiting.tasks and wait.since_ns <= now_ns < wait.until_ns
        for task, wait in waiting.waits.items()
    )
    return max(0, min(waiting.room, len(waiting.tasks) - later))


def _check_fits(snapshot: Snapshot, plan: Plan, checks: Checks) -> dict[str, _Left]:
    """Take the grants from the rooms; what is left is returned by node."""
    left = {room.node.name: _Left(room) for room in snapshot.rooms}
    for placement in plan.placements:
        for grant in placement.grants:
            fits = left[grant.node].take(grant)
            checks.hold(
                Check.PLAN_FITS,
                fits,
                lambda p=placement, g=grant: f"{p.job_id} is given {g}, which is not free",  # type: ignore[misc]
                placement.job_id,
            )
    return left


class _Left:
    """What a plan leaves of one node."""

    def __init__(self, room: Room) -> None:
        self.node = room.node
        self.devices = set(room.free_devices)
        self.cpus = room.free_cpus
        self.memory_bytes = room.free_memory_bytes
        self.is_cordoned = any(one.device is None for one in room.cordons)
        self.gpus_cordoned = sum(one.device is not None for one in room.cordons)
        self.is_open = self.node.state is NodeState.READY and not self.is_cordoned

    def take(self, grant: Grant) -> bool:
        """Whether the grant was free here; now it is not."""
        fits = (
            self.is_open
            and self.devices.issuperset(grant.devices)
            and grant.cpus <= self.cpus
            and grant.memory_bytes <= self.memory_bytes
        )
        self.devices.difference_update(grant.devices)
        self.cpus -= grant.cpus
        self.memory_bytes -= grant.memory_bytes
        return fits

    def is_able(self, demand: Demand) -> bool:
        """Whether the empty node would do."""
        wanted, node = demand.resources, self.node
        return (
            len(node.devices) >= wanted.gpus
            and node.cpus >= wanted.cpus
            and node.memory_bytes >= wanted.memory_bytes
        )

    def fits(self, demand: Demand) -> bool:
        """Whether one replica would fit now."""
        wanted = demand.resources
        return (
            self.is_open
            and len(self.devices) >= wanted.gpus
            and self.cpus >= wanted.cpus
            and self.memory_bytes >= wanted.memory_bytes
        )


class _Looked(NamedTuple):
    """How many of each job are placed, how many could be and are not, and what is left of nodes."""

    placed: Counter[JobId]
    unplaced: dict[JobId, int]
    left: dict[str, _Left]


def _check_order(
    snapshot: Snapshot, placed: Counter[JobId], unplaced: dict[JobId, int], checks: Checks
) -> None:
    """Among jobs that ask for the same, those that start are the first of those that could, but for
    who has a shorter time limit: that may be over before the other one could start."""
    first_left: dict[Demand, Waiting] = {}
    for waiting in sorted(snapshot.waiting, key=lambda one: one.order):
        ahead = first_left.get(waiting.demand)
        if unplaced[waiting.job_id] > 0:
            first_left.setdefault(waiting.demand, waiting)
        if waiting.job_id not in placed:
            continue
        checks.hold(
            Check.ORDER,
            ahead is None or _is_shorter(waiting, ahead),
            lambda w=waiting, a=ahead: f"{w.job_id} starts and {a and a.job_id} waits",  # type: ignore[misc]
            waiting.job_id,
        )


def _is_shorter(one: Waiting, other: Waiting) -> bool:
    if one.runs_s is None:
        return False
    return other.runs_s is None or one.runs_s < other.runs_s


def _check_verdicts(
    snapshot: Snapshot, policy: Policy, plan: Plan, looked: _Looked, checks: Checks
) -> None:
    by_id = {one.job_id: one for one in snapshot.waiting}
    reckoned: dict[Demand, dict[str, int]] = {}
    for job_id, verdict in plan.verdicts.items():
        waiting = by_id[job_id]
        is_ready = looked.unplaced[job_id] > 0
        if verdict.blocked_by is Blocker.BEHIND_OTHERS:
            ahead = by_id[verdict.held_by[0]]
            waited_s = (snapshot.now_ns - ahead.submitted_at_ns) / 1e9
            holds = (
                is_ready
                and ahead.order < waiting.order
                and waited_s >= policy.patience_s
                and ahead.job_id in plan.verdicts
            )
        elif verdict.blocked_by in NO_ROOM:
            if waiting.demand not in reckoned:
                reckoned[waiting.demand] = _reckon(waiting.demand, looked.left)
            expected = reckoned[waiting.demand]
            holds = (
                is_ready
                and verdict.numbers == expected
                and expected["nodes_free_now"] < expected["nodes_wanted"]
                and _is_named(verdict, snapshot, job_id)
            )
        else:
            numbers = _gate_numbers(waiting, looked.placed[job_id], snapshot.now_ns)
            holds = not is_ready and numbers.get(verdict.blocked_by) == verdict.numbers
        checks.hold(
            Check.NUMBERS,
            holds,
            lambda v=verdict, w=waiting: f"{w} got {v}; reckoned {reckoned.get(w.demand)}",  # type: ignore[misc]
            job_id,
        )


def _gate_numbers(waiting: Waiting, placed: int, now_ns: int) -> dict[Blocker, dict[str, int]]:
    """The gate that keeps it back, whatever is free, with its numbers."""
    if waiting.unmet:
        return {Blocker.NEEDS: {"needs_unmet": len(waiting.unmet)}}
    if placed >= waiting.room:
        return {Blocker.ARRAY_LIMIT: {"tasks_waiting": len(waiting.tasks) - placed}}
    over_ns = [one.until_ns for one in waiting.waits.values() if one.since_ns <= now_ns]
    next_ns = min((at_ns for at_ns in over_ns if at_ns > now_ns), default=now_ns)
    return {Blocker.BACKOFF: {"wait_s": -((now_ns - next_ns) // 10**9)}}


def _reckon(demand: Demand, left: dict[str, _Left]) -> dict[str, int]:
    able = [one for one in left.values() if one.is_able(demand)]
    up = [one for one in able if one.is_open]
    return {
        "nodes_wanted": demand.nodes,
        "nodes_free_now": sum(one.fits(demand) for one in able),
        "nodes_able": len(able),
        "nodes_down": sum(one.node.state is not NodeState.READY for one in able),
        "nodes_cordoned": sum(one.is_cordoned for one in able),
        "gpus_cordoned": sum(one.gpus_cordoned for one in up),
        "gpus_wanted": demand.nodes * demand.resources.gpus,
        "gpus_free_now": sum(len(one.devices) for one in up),
        "gpus_total": sum(len(one.node.devices) for one in able),
        "largest_free_gpus_on_a_node": max((len(one.devices) for one in up), default=0),
    }


def _is_named(verdict: Verdict, snapshot: Snapshot, job_id: JobId) -> bool:
    """It says whom it is about, and the holders it names do hold something."""
    holders = {holder.job_id for holder in snapshot.holders}
    return (
        verdict.job_id == job_id and bool(verdict.message) and holders.issuperset(verdict.held_by)
    )
