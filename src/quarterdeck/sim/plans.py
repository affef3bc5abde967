"""Looks at every plan that the scheduler makes: is it allowed, complete, and are its reasons true?

The scheduler's plan is a pure function of the snapshot it looked at, so it is made again here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.control.board import Board
from quarterdeck.core.cluster.hardware import NodeState
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.plan import Blocker
from quarterdeck.sim.checks import Check

if TYPE_CHECKING:
    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.cluster.demand import Demand, Grant
    from quarterdeck.core.cluster.room import Room
    from quarterdeck.core.scheduling.plan import Plan, Verdict
    from quarterdeck.core.scheduling.snapshot import Policy, Snapshot, Waiting
    from quarterdeck.sim.checks import Checks


class WatchedBoard(Board):
    """A board that remembers the last snapshot that it gave."""

    last_snapshot: Snapshot | None = None

    def snapshot(self, now_ns: int) -> Snapshot:
        """See `Board`."""
        self.last_snapshot = super().snapshot(now_ns)
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
    _check_order(snapshot, plan, checks)
    _check_verdicts(snapshot, plan, policy, left, checks)


def _check_complete(snapshot: Snapshot, plan: Plan, checks: Checks) -> None:
    placed = [placement.job_id for placement in plan.placements]
    answered = sorted([*placed, *plan.verdicts])
    waiting = sorted(one.job_id for one in snapshot.waiting)
    checks.hold(
        Check.VERDICTS,
        answered == waiting,
        lambda: f"waiting {waiting}, answered {answered}",
        next(iter(sorted(set(answered) ^ set(waiting))), None),
    )


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

    def take(self, grant: Grant) -> bool:
        """Whether the grant was free here; now it is not."""
        fits = (
            self.node.state is NodeState.READY
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
            self.node.state is NodeState.READY
            and len(self.devices) >= wanted.gpus
            and self.cpus >= wanted.cpus
            and self.memory_bytes >= wanted.memory_bytes
        )


def _check_order(snapshot: Snapshot, plan: Plan, checks: Checks) -> None:
    """Among jobs that ask for the same, those that start are the first in the queue."""
    placed = {placement.job_id for placement in plan.placements}
    first_left: dict[Demand, Waiting] = {}
    for waiting in sorted(snapshot.waiting, key=lambda one: one.order):
        ahead = first_left.get(waiting.demand)
        if waiting.job_id not in placed:
            first_left.setdefault(waiting.demand, waiting)
            continue
        checks.hold(
            Check.ORDER,
            ahead is None,
            lambda w=waiting, a=ahead: f"{w.job_id} starts and {a and a.job_id} waits",  # type: ignore[misc]
            waiting.job_id,
        )


def _check_verdicts(
    snapshot: Snapshot, plan: Plan, policy: Policy, left: dict[str, _Left], checks: Checks
) -> None:
    by_id = {one.job_id: one for one in snapshot.waiting}
    reckoned: dict[Demand, dict[str, int]] = {}
    for job_id, verdict in plan.verdicts.items():
        waiting = by_id[job_id]
        if verdict.blocked_by is Blocker.BEHIND_OTHERS:
            ahead = by_id[verdict.held_by[0]]
            waited_s = (snapshot.now_ns - ahead.submitted_at_ns) / 1e9
            holds = (
                ahead.order < waiting.order
                and waited_s >= policy.patience_s
                and ahead.job_id in plan.verdicts
            )
        elif verdict.blocked_by is Blocker.NO_CAPACITY:
            if waiting.demand not in reckoned:
                reckoned[waiting.demand] = _reckon(waiting.demand, left)
            expected = reckoned[waiting.demand]
            holds = (
                verdict.numbers == expected
                and expected["nodes_free_now"] < expected["nodes_wanted"]
                and _is_named(verdict, snapshot, job_id)
            )
        else:
            holds = False
        checks.hold(
            Check.NUMBERS,
            holds,
            lambda v=verdict, w=waiting: f"{w} got {v}; reckoned {reckoned.get(w.demand)}",  # type: ignore[misc]
            job_id,
        )


def _reckon(demand: Demand, left: dict[str, _Left]) -> dict[str, int]:
    able = [one for one in left.values() if one.is_able(demand)]
    up = [one for one in able if one.node.state is NodeState.READY]
    return {
        "nodes_wanted": demand.nodes,
        "nodes_free_now": sum(one.fits(demand) for one in able),
        "nodes_able": len(able),
        "nodes_down": len(able) - len(up),
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
