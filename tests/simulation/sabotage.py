"""Ways to break the house on purpose, one for each thing that the simulator watches."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from quarterdeck.agent import agent as agent_module
from quarterdeck.agent.agent import SiteAgent
from quarterdeck.control import reconcile, schedule, submit
from quarterdeck.control.board import Board
from quarterdeck.core.cluster.events import SiteReported
from quarterdeck.core.cluster.room import Room, room_of
from quarterdeck.core.jobs import decide, evolve
from quarterdeck.core.jobs.events import Placed, StopRequested
from quarterdeck.core.jobs.job import Job
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.states import JobState, ReplicaState
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.plan import Blocker
from quarterdeck.ports.engine import AttemptRef, LaunchOrder
from quarterdeck.sim import people, plans, server
from quarterdeck.sim.engine import VirtualEngine
from quarterdeck.sim.faults import Fault, Faults
from quarterdeck.sim.site import VirtualSite
from quarterdeck.sim.store import FaultyStore

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from quarterdeck.core.scheduling.plan import Plan
    from quarterdeck.core.scheduling.snapshot import Policy, Snapshot

    Patch = pytest.MonkeyPatch


def _bend_plans(patch: Patch, bend: Callable[[Snapshot, Plan], Plan]) -> None:
    def bent(snapshot: Snapshot, policy: Policy, **_: object) -> Plan:
        return bend(snapshot, make_plan(snapshot, policy))

    patch.setattr(schedule, "make_plan", bent)
    patch.setattr(plans, "make_plan", bent)


def _plan_on_empty_nodes(snapshot: Snapshot, policy: Policy, **_: object) -> Plan:
    """As if nothing were held."""
    rooms = tuple(Room.empty(room.site, room.node) for room in snapshot.rooms)
    return make_plan(replace(snapshot, rooms=rooms), policy)


def scheduler_commits_a_device_twice(patch: Patch) -> None:
    patch.setattr(schedule, "make_plan", _plan_on_empty_nodes)


def _plan_without_cordons(snapshot: Snapshot, policy: Policy, **_: object) -> Plan:
    """As if nothing were cordoned."""
    rooms = tuple(room.opened() for room in snapshot.rooms)
    return make_plan(replace(snapshot, rooms=rooms), policy)


def scheduler_does_not_mind_cordons(patch: Patch) -> None:
    patch.setattr(schedule, "make_plan", _plan_without_cordons)


def plan_grants_a_device_twice(patch: Patch) -> None:
    patch.setattr(plans, "make_plan", _plan_on_empty_nodes)


def plan_leaves_a_replica_out(patch: Patch) -> None:
    def cut(snapshot: Snapshot, policy: Policy, **_: object) -> Plan:
        plan = make_plan(snapshot, policy)
        short = (replace(one, grants=one.grants[:3]) for one in plan.placements)
        return replace(plan, placements=tuple(short))

    patch.setattr(schedule, "make_plan", cut)


def plan_forgets_a_job(patch: Patch) -> None:
    _bend_plans(
        patch, lambda _, plan: replace(plan, verdicts=dict(list(plan.verdicts.items())[1:]))
    )


def plan_counts_wrong(patch: Patch) -> None:
    def bend(snapshot: Snapshot, plan: Plan) -> Plan:
        del snapshot
        wrong = {
            job_id: replace(one, numbers={**one.numbers, "gpus_free_now": 161})
            for job_id, one in plan.verdicts.items()
        }
        return replace(plan, verdicts=wrong)

    _bend_plans(patch, bend)


def plan_serves_the_last_first(patch: Patch) -> None:
    def bend(snapshot: Snapshot, plan: Plan) -> Plan:
        demands = {one.job_id: one.demand for one in snapshot.waiting if one.tasks == (None,)}
        full = [key for key, one in plan.verdicts.items() if one.blocked_by is Blocker.NO_CAPACITY]
        for placement in plan.placements:
            for job_id in full:
                verdict = plan.verdicts[job_id]
                if demands.get(job_id, 0) == demands.get(placement.job_id):
                    others = [one for one in plan.placements if one is not placement]
                    verdicts = {key: one for key, one in plan.verdicts.items() if key != job_id}
                    verdicts[placement.job_id] = replace(verdict, job_id=placement.job_id)
                    return replace(
                        plan,
                        placements=(*others, replace(placement, job_id=job_id)),
                        verdicts=verdicts,
                    )
        return plan

    _bend_plans(patch, bend)


def scheduler_commits_blindly(patch: Patch) -> None:
    """Without a look at what was taken meanwhile."""
    found = schedule._commit

    class Blind:
        def __init__(self, tx: Any) -> None:
            self._tx = tx

        def __getattr__(self, name: str) -> Any:
            return getattr(self._tx, name)

        def has_capacity_news(self, after: int) -> bool:
            return False

    patch.setattr(schedule, "_commit", lambda tx, made, now: found(Blind(tx), made, now))


def rooms_have_endless_cpus(patch: Patch) -> None:
    patch.setattr(
        "quarterdeck.control.siteboard.room_of",
        lambda *args: replace(room_of(*args), free_cpus=256),
    )


def board_releases_at_the_stop(patch: Patch) -> None:
    found = Board._apply_to_site

    def hasty(self: Board, event: Any, before: Any, after: Any, seq: int) -> None:
        found(self, event, before, after, seq)
        if isinstance(event, StopRequested):
            attempt = after.find_live(event.attempt)
            grants = [replica.grant for replica in attempt.replicas]
            self._site(attempt.site).release(AttemptRef(after.id, attempt.number), grants)

    patch.setattr(Board, "_apply_to_site", hasty)


def board_forgets_a_job_that_waits(patch: Patch) -> None:
    found = Board._load

    def forgetful(self: Board) -> None:
        found(self)
        if self._queued:
            self._queued.popitem()

    patch.setattr(Board, "_load", forgetful)


def restore_does_nothing(patch: Patch) -> None:
    from quarterdeck.control.restore import Restored

    patch.setattr(server, "restore", lambda _: Restored(0, 0, 0))


def store_says_yes_and_keeps_nothing(patch: Patch) -> None:
    """Once in a while an accepted job is not written."""
    found = FaultyStore.transact
    calls = iter(range(1_000_000))

    def careless(self: FaultyStore, work: Callable[[Any], Any]) -> Any:
        class Lost(Exception):
            pass

        outcome: list[Any] = []

        def undone(tx: Any) -> None:
            outcome.append(work(tx))
            if isinstance(outcome[0], submit.Accepted) and next(calls) % 10 == 0:
                raise Lost

        with suppress(Lost):
            found(self, undone)
        return outcome[0]

    patch.setattr(FaultyStore, "transact", careless)


def keys_are_ignored(patch: Patch) -> None:
    patch.setattr(
        people,
        "submit",
        lambda plane, spec, actor, _, **more: submit.submit(plane, spec, actor, **more),
    )


def nothing_is_impossible(patch: Patch) -> None:
    patch.setattr(submit, "never_fits", lambda *_: None)


def asking_submits(patch: Patch) -> None:
    def plan(plane: Any, spec: Any) -> Any:
        from quarterdeck.control.plan import plan as ask

        submit.submit(plane, spec, "nobody")
        return ask(plane, spec)

    patch.setattr(people, "plan", plan)


def cancel_is_not_heard(patch: Patch) -> None:
    patch.setitem(people.VERBS, "cancel", lambda *_: None)


def cancelled_jobs_are_called_failed(patch: Patch) -> None:
    patch.setitem(decide._AFTER_STOP, Reason.CANCELLED_BY_USER, JobState.FAILED)


def every_end_is_a_success(patch: Patch) -> None:
    found = decide._end_of_one

    def mild(job: Any, attempt: Any, at_ns: int) -> Any:
        ended = found(job, attempt, at_ns)
        if attempt.stop is not None or ended.reason is not Reason.USER_ERROR:
            return ended
        return replace(
            ended, next_state=JobState.SUCCEEDED, reason=Reason.COMPLETED, is_retry=False
        )

    patch.setattr(decide, "_end_of_one", mild)


def attempts_are_numbered_in_twos(patch: Patch) -> None:
    found, apply = decide.place, evolve._apply

    def skipping(job: Any, *rest: Any) -> Any:
        placed = found(job, *rest)
        return replace(placed, attempt=placed.attempt + bool(job.attempts and not job.tasks))

    def lenient(event: Any, job: Any) -> Any:
        if not isinstance(event, Placed) or job.tasks is not None:
            return apply(event, job)
        number = job.attempt.number + 1 if job.attempt else 1
        after = apply(replace(event, attempt=number), job)
        last = replace(after.attempts[-1], number=event.attempt)
        return replace(after, attempts=(*after.attempts[:-1], last))

    patch.setattr(decide, "place", skipping)
    patch.setattr(evolve, "_apply", lenient)


def old_attempts_are_believed(patch: Patch) -> None:
    found = decide.observe

    def gullible(job: Any, attempt: int, sightings: Any, at_ns: int) -> Any:
        live = next(iter(job.live_attempts), None) if job.tasks is None else None
        return found(job, live.number if live else attempt, sightings, at_ns)

    patch.setattr(decide, "observe", gullible)
    known = Job.find_live

    def find(job: Job, number: int) -> Any:
        if job.tasks is not None:
            return known(job, number)
        return next(iter(job.live_attempts), None)

    patch.setattr(Job, "find_live", find)


def every_report_is_news(patch: Patch) -> None:
    patch.setattr(
        reconcile,
        "_site_news",
        lambda _, report, now_ns: (
            SiteReported(now_ns, report.site, report.nodes) if report.nodes else None
        ),
    )


def old_node_lists_are_not_noticed(patch: Patch) -> None:
    patch.setattr(Board, "find_nodes_as_of", lambda *_: 0)


def agent_launches_under_two_numbers(patch: Patch) -> None:
    found = SiteAgent._launch

    def double(self: SiteAgent, run: LaunchOrder) -> None:
        found(self, run)
        if run.spec.demand.resources.gpus:
            other = AttemptRef(run.ref.job_id, run.ref.attempt + 1)
            found(self, replace(run, ref=other))

    patch.setattr(SiteAgent, "_launch", double)


def agent_launches_late(patch: Patch) -> None:
    found = SiteAgent._launch
    kept: list[LaunchOrder] = []

    def late(self: SiteAgent, run: LaunchOrder) -> None:
        if all(one.ref != run.ref for one in kept):
            kept.append(run)
        if len(kept) > 12:
            found(self, kept.pop(0))

    patch.setattr(SiteAgent, "_launch", late)


def agent_never_stops_anything(patch: Patch) -> None:
    patch.setattr(VirtualEngine, "stop", lambda *_: None)


def agent_never_forgets(patch: Patch) -> None:
    patch.setattr(SiteAgent, "_clear_away", lambda *_: None)


def agent_says_that_what_it_stops_is_gone(patch: Patch) -> None:
    found = SiteAgent._act

    def liar(self: SiteAgent, seen: Any, *, knows_nodes: bool) -> bool:
        more = found(self, seen, knows_nodes=knows_nodes)
        for ref, stop in self._stop.items():
            self._own_sightings[ref] = agent_module._never_launched(stop)
        return more

    patch.setattr(SiteAgent, "_act", liar)


def engine_does_not_know_what_it_launched(patch: Patch) -> None:
    found = VirtualEngine.launch

    def forgetful(self: VirtualEngine, order: LaunchOrder) -> None:
        found(self, order)
        if order.ref in self._site.tracked:
            self._site.spawn(order)

    patch.setattr(VirtualEngine, "launch", forgetful)


def gangs_do_not_wait(patch: Patch) -> None:
    def release(self: VirtualSite, attempt: Any) -> None:
        for replica in attempt.replicas:
            self.start(replica)

    patch.setattr(VirtualSite, "release", release)


def commands_start_twice(patch: Patch) -> None:
    found = VirtualSite.start

    def twice(self: VirtualSite, replica: Any) -> None:
        found(self, replica)
        if replica.lives:
            replica.state = ReplicaState.STANDING
            found(self, replica)

    patch.setattr(VirtualSite, "start", twice)


def reports_are_never_lost(patch: Patch) -> None:
    found = Faults.strikes
    patch.setattr(
        Faults, "strikes", lambda self, fault: fault is not Fault.REPORT_LOST and found(self, fault)
    )
