"""A plan made again on what it was made on is the same plan, and a difference is seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import pytest

from quarterdeck.adapters.locality.recent import RecentNodes
from quarterdeck.basics.errors import Stale
from quarterdeck.basics.ids import JobId
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.control.board import Board
from quarterdeck.control.cancel import cancel
from quarterdeck.control.nodes import cordon, find_place
from quarterdeck.control.reorder import reorder
from quarterdeck.control.requeue import requeue
from quarterdeck.core.cluster.hardware import Foreign
from quarterdeck.core.governance.limits import Bound, Quota
from quarterdeck.core.governance.people import Organization, People, Team
from quarterdeck.core.jobs.events import Placed
from quarterdeck.core.jobs.manifest import Manifest
from quarterdeck.core.jobs.states import JobState
from quarterdeck.core.scheduling.snapshot import Backfill, Order, Policy
from quarterdeck.ports.cycles import Outcome
from quarterdeck.ports.store import Active, Record, Store
from quarterdeck.sim.replay import again as again_module
from quarterdeck.sim.replay.again import replay
from quarterdeck.sim.replay.gaps import Gap
from quarterdeck.sim.replay.past import Past, Telling
from quarterdeck.testing.builders import START_NS, a_demand, a_dgx, a_job_spec
from tests.spec.sim.recording import ALWAYS, RecordingDesk, a_recording_desk

BIG = a_job_spec(demand=a_demand(1, 8))
SMALL = a_job_spec(demand=a_demand(1, 1))


def check_same(desk: RecordingDesk, cycles: int) -> None:
    again = desk.replay()
    assert again.differences == []
    assert (again.cycles, again.same) == (cycles, cycles)


def test_every_plan_is_made_again_the_same() -> None:
    desk = a_recording_desk()
    jobs = [desk.submit(a_job_spec(demand=a_demand(1, gpus))) for gpus in (4, 8, 2, 8, 1)]
    desk.turn()
    desk.start(jobs[0])
    desk.end(jobs[0])
    desk.turn()
    check_same(desk, 2)
    assert desk.replay().placements == 4


def test_what_others_of_the_site_had_is_known_again() -> None:
    """Their jobs come and go, and a reservation keeps a node from some jobs and not from others."""
    desk = a_recording_desk(a_dgx("a"), a_dgx("b"))
    soon_ns = desk.clock.at_ns + 3600 * NS_PER_S
    theirs = Foreign("Slurm job 7", tuple(f"GPU-a-{n}" for n in range(8)), ends_at_ns=soon_ns)
    reserved = Foreign("Slurm reservation r", starts_at_ns=soon_ns)
    desk.report(a_dgx("a", others=(theirs,)), a_dgx("b", others=(reserved,)))
    short = a_job_spec(demand=a_demand(1, 1), time_limit_s=60.0)
    jobs = [desk.submit(spec) for spec in (BIG, short)]
    desk.turn()
    assert [desk.job(job.id).state for job in jobs] == [JobState.QUEUED, JobState.STARTING]
    desk.report(a_dgx("a"), a_dgx("b", others=(reserved,)))
    desk.turn()
    assert desk.job(jobs[0].id).state is JobState.STARTING
    check_same(desk, 2)
    assert desk.replay().placements == 2


@pytest.mark.parametrize(("runs_s", "first"), [(7200.0, "small"), (1800.0, "long")])
def test_what_runs_for_how_long_is_known_again(runs_s: float, first: str) -> None:
    """Of two that wait the long one goes first where it would be the last to finish."""
    desk = a_recording_desk(a_dgx("a"))
    desk.use(Policy(order=Order.FINISH_TIME))

    def submit(limit_s: float) -> JobId:
        return desk.submit(a_job_spec(demand=a_demand(1, 4), time_limit_s=limit_s)).id

    submit(runs_s)
    blocks = submit(7200.0)
    assert desk.turn() == 2
    found = {submit(600.0): "small", submit(3600.0): "long"}
    assert desk.turn() == 0
    desk.start(desk.job(blocks))
    desk.end(desk.job(blocks))
    assert desk.turn() == 1
    assert [name for job_id, name in found.items() if desk.job(job_id).attempts] == [first]
    check_same(desk, 3)


def test_an_order_of_somebodys_own_between_two_plans_is_seen_again() -> None:
    desk = a_recording_desk()
    running, *waiting = [desk.submit(BIG) for _ in range(5)][1:]
    desk.turn()
    reorder(desk.plane, [job.id for job in reversed(waiting)], "ada")
    desk.start(running)
    desk.end(running)
    assert desk.turn() == 1
    assert desk.job(waiting[-1].id).attempts
    check_same(desk, 2)


def test_what_was_promised_is_kept_and_known_again() -> None:
    """A run ends early, and the first of those that wait could move into the gap of the second."""
    desk = a_recording_desk(a_dgx("a"), a_dgx("b"))
    desk.use(Policy(patience_s=0, nearness_patience_s=0, backfill=Backfill.CONSERVATIVE))

    def submit(nodes: int, limit_h: float) -> JobId:
        spec = a_job_spec(demand=a_demand(nodes, 8), time_limit_s=limit_h * 3600)
        return desk.submit(spec).id

    long, short = submit(1, 3), submit(1, 1)
    assert desk.turn() == 2
    for job_id in (long, short):
        desk.start(desk.job(job_id))
    first, second = submit(2, 9), submit(1, 1.5)
    assert desk.turn() == 0
    desk.end(desk.job(long))
    assert desk.turn() == 1
    assert desk.job(second).attempts
    assert not desk.job(first).attempts
    check_same(desk, 3)
    start, last = desk.cycle_log._cycles[-1]
    forgot = replace(last, inputs=replace(last.inputs, promised=()))
    desk.cycle_log._cycles[-1] = (start, forgot)
    assert len(desk.replay().differences) == 1


def test_a_cordon_between_two_plans_is_seen_again() -> None:
    desk = a_recording_desk()
    desk.submit(BIG)
    desk.turn()
    cordon(desk.plane, find_place(desk.plane, "b"), "new fan", "ann")
    desk.submit(BIG)
    assert desk.turn() == 0
    check_same(desk, 2)


def test_what_was_used_before_a_restart_counts_after_it_again() -> None:
    """The team that held more goes last though it came first, also when that is told again."""
    desk = a_recording_desk(a_dgx("a"))
    desk.use(Policy(order=Order.FAIR_SHARE, half_life_s=7 * 86_400.0))
    vision, speech = (replace(BIG, team=team) for team in ("vision", "speech"))
    for spec, hours in ((vision, 30), (speech, 2)):
        job = desk.submit(spec)
        desk.turn()
        desk.start(job)
        desk.clock.pass_s(hours * 3600.0)
        desk.end(job)
    desk.restart()
    first, second = desk.submit(vision), desk.submit(speech)
    desk.turn()
    assert desk.job(second.id).state is JobState.STARTING
    assert desk.job(first.id).state is JobState.QUEUED
    check_same(desk, 3)
    desk.cycle_log._starts = [replace(one, used=()) for one in desk.cycle_log._starts]
    assert len(desk.replay().differences) == 1


def test_a_restart_begins_with_what_was_unfinished() -> None:
    desk = a_recording_desk()
    desk.run(SMALL)
    jobs = [desk.submit(BIG) for _ in range(4)]
    desk.turn()
    desk.restart()
    desk.start(jobs[0])
    desk.end(jobs[0])
    desk.turn()
    check_same(desk, 3)


def test_what_was_asked_lately_counts_from_each_start_on() -> None:
    """A server that starts knows of no job that has ended; nor does a board that is told again."""
    desk = a_recording_desk()
    for _ in range(3):
        desk.run(BIG)
    waits = desk.submit(SMALL)
    desk.restart()
    desk.submit(SMALL)
    live = desk.plane.board
    live.catch_up()
    assert live.snapshot(0).asked == ((waits.spec.demand.resources, 2),)
    past = Past(desk.store, Telling(desk.store).active_at(live.loaded_at))
    past.head = live.cursor
    board = Board(past)
    board.catch_up()
    assert board.snapshot(0).asked == live.snapshot(0).asked


def test_what_was_unfinished_is_told_as_a_store_would_have_loaded_it() -> None:
    """At every place of the log: a job that ended and was requeued keeps its place in the row."""
    desk = a_recording_desk()
    telling = Telling(desk.store)
    desk.report(a_dgx("c"), site="annex")
    first = desk.run(SMALL, code=1)
    desk.submit(BIG)
    assert telling.active_at(desk.store.head()) == desk.store.load_active()
    requeue(desk.plane, first.id, "ann")
    desk.submit(SMALL)
    loaded = desk.store.load_active()
    assert loaded.jobs[0].id == first.id
    assert telling.active_at(loaded.head) == loaded
    assert Telling(desk.store).active_at(loaded.head) == loaded


def test_each_start_is_told_from_its_own_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not from another place, from which the same plans might follow by luck."""
    desk = a_recording_desk()
    desk.submit(SMALL)
    desk.turn()
    desk.restart()
    desk.submit(SMALL)
    desk.turn()
    heads: list[int] = []

    class Watched(Telling):
        def active_at(self, head: int) -> Active:
            heads.append(head)
            return super().active_at(head)

    monkeypatch.setattr(again_module, "Telling", Watched)
    desk.replay()
    assert heads == [start.as_of for start in desk.cycle_log.list_starts()]


def test_where_data_lies_is_found_again() -> None:
    desk = a_recording_desk()
    manifest = Manifest(())
    desk.blobs.put(manifest.digest, [manifest.to_bytes()])
    with_folder = a_job_spec(demand=a_demand(1, 8), snapshot=manifest.digest)
    first, second = desk.submit(BIG), desk.submit(with_folder)
    desk.turn()
    for job in (first, second):
        desk.start(job)
        desk.end(job)
    third = desk.submit(with_folder)
    desk.turn()
    assert [grant.node for grant in desk.job(third.id).grants()] == ["b"]
    check_same(desk, 2)


def test_a_job_that_was_requeued_is_told_from_its_beginning() -> None:
    desk = a_recording_desk()
    job = desk.run(SMALL, code=1)
    desk.submit(BIG)
    desk.turn()
    requeue(desk.plane, job.id, "ann")
    desk.restart()
    desk.turn()
    check_same(desk, 3)


def test_limits_that_change_are_those_of_each_plan() -> None:
    desk = a_recording_desk()
    roster: Any = SimpleNamespace(people=people_with(1), revision=1)
    desk.plane = replace(desk.plane, roster=roster)
    desk.use(desk.plane.policy)
    for _ in range(3):
        desk.submit(SMALL)
    assert desk.turn() == 1
    roster.people, roster.revision = people_with(2), 2
    assert desk.turn() == 1
    check_same(desk, 2)


def people_with(running: int) -> People:
    team = Team("default", quota=Quota(running_jobs=Bound(running)))
    return People(Organization("home"), {"default": team})


def test_each_plan_is_made_again_under_its_own_policy() -> None:
    """A job that has waited for 3 s keeps others back under a patience of 2 s, not under 1 h."""
    desk = a_recording_desk(a_dgx())
    desk.submit(SMALL)
    desk.turn()
    desk.submit(BIG)
    desk.use(Policy(patience_s=2.0))
    desk.turn()
    desk.clock.pass_s(3)
    desk.submit(SMALL)
    assert desk.turn() == 0
    desk.use(Policy(patience_s=3600.0))
    assert desk.turn() == 1
    check_same(desk, 4)


def test_a_stale_plan_is_recorded_with_what_it_would_have_placed() -> None:
    desk = a_recording_desk()
    desk.submit(BIG)
    desk.store.first = lambda: desk.report(a_dgx("new"))
    with pytest.raises(Stale):
        desk.turn()
    desk.hand_over()
    assert desk.turn() == 1
    check_same(desk, 2)
    assert desk.replay().outcomes == {Outcome.STALE: 1, Outcome.KEPT: 1}


def test_a_job_that_dropped_out_before_the_commit_is_no_difference() -> None:
    desk = a_recording_desk()
    first, _ = desk.submit(SMALL), desk.submit(SMALL)
    desk.store.first = lambda: cancel(desk.plane, first.id, "bob")
    assert desk.turn() == 1
    check_same(desk, 1)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"placements": "other"}, "it places 2, and placed 2 elsewhere"),
        ({"verdicts": "other"}, "verdicts: as many of each code, for other jobs"),
    ],
)
def test_another_plan_than_the_recorded_one_is_a_difference(
    changes: dict[str, Any], told: str
) -> None:
    desk = a_recording_desk()
    for _ in range(3):
        desk.submit(BIG)
    desk.turn()
    desk.meddle(1, lambda one: replace(one, imprint=replace(one.imprint, **changes)))
    again = desk.replay()
    assert again.same == 0
    assert again.differences[0].what == (told,)


def test_another_policy_than_was_in_force_shows() -> None:
    """With other inputs recorded the plan that is made again is another one."""
    desk = a_recording_desk(a_dgx())
    desk.submit(SMALL)
    desk.turn()
    desk.submit(BIG)
    desk.submit(SMALL)
    assert desk.turn() == 1
    patient = Policy(patience_s=0.0)
    desk.meddle(2, lambda one: replace(one, inputs=replace(one.inputs, policy=patient)))
    (difference,) = desk.replay().differences
    assert difference.number == 2
    assert difference.what[0] == "it places 0, and placed 1"
    assert difference.what[1] == "verdicts: behind_others: 1 instead of 0"
    assert difference.what[2].startswith("the log of events has: ")


def test_a_placement_that_the_log_has_elsewhere_is_a_difference() -> None:
    """The plan and its record agree; the log of events was written by somebody else."""
    desk = a_recording_desk()
    desk.submit(SMALL)
    desk.turn()

    def elsewhere(record: Record) -> Record:
        if not isinstance(record.event, Placed):
            return record
        grant = replace(record.event.grants[0], node="b")
        return replace(record, event=replace(record.event, grants=(grant,)))

    history = Retold(desk.store, elsewhere)
    (difference,) = replay(history, desk.cycle_log, ALWAYS, RecentNodes).differences
    assert [what[:25] for what in difference.what] == [
        "the log of events has: j0",
        "made again it is: j000000",
    ]


def test_only_the_cycles_of_the_time_are_made_again() -> None:
    desk = a_recording_desk()
    times = []
    for _ in range(4):
        desk.submit(SMALL)
        desk.turn()
        times.append(desk.clock.now_ns())
    again = desk.replay((times[1], times[2]))
    assert (again.cycles, again.same, again.placements) == (2, 2, 2)
    assert again.gaps == []


def test_what_a_killed_server_had_not_handed_over_is_told() -> None:
    desk = a_recording_desk()
    desk.submit(SMALL)
    desk.turn()
    last_ns = desk.clock.now_ns()
    desk.submit(SMALL)
    desk.clock.pass_s(0.1)
    desk.cycles._written_ns = desk.clock.now_ns()
    assert desk.scheduler.turn() == 1
    desk.clock.pass_s(5)
    killed_ns = desk.clock.now_ns()
    desk.restart()
    desk.submit(SMALL)
    desk.turn()
    again = desk.replay()
    assert (again.cycles, again.same) == (2, 2)
    assert again.gaps == [Gap(1, last_ns, killed_ns, None, 1)]


def test_a_server_that_ended_in_order_leaves_no_gap() -> None:
    desk = a_recording_desk()
    desk.submit(SMALL)
    desk.clock.pass_s(1)
    desk.scheduler.turn()
    desk.cycles.end(desk.clock.now_ns())
    desk.restart()
    desk.submit(SMALL)
    desk.turn()
    again = desk.replay()
    assert (again.cycles, again.gaps) == (2, [])


def test_cycles_that_the_disk_refused_are_told() -> None:
    desk = a_recording_desk()
    times = []
    for _ in range(4):
        desk.submit(SMALL)
        desk.turn()
        times.append(desk.clock.now_ns())
    kept = [pair for pair in desk.cycle_log._cycles if pair[1].number not in (2, 3)]
    desk.cycle_log._cycles = kept
    again = desk.replay()
    assert (again.cycles, again.same) == (2, 2)
    assert again.gaps == [Gap(1, times[0], times[3], 2, 2)]


def test_events_that_retention_has_dropped_are_counted() -> None:
    desk = a_recording_desk()
    done = desk.run(SMALL)
    desk.submit(SMALL)
    desk.turn()
    events = desk.job(done.id).revision
    desk.store.transact(lambda tx: tx.drop_jobs([desk.job(done.id)]))
    begin_ns = desk.clock.now_ns()
    again = desk.replay((begin_ns, 2**62))
    assert (again.cycles, again.same) == (1, 1)
    assert again.events_gone == events


def test_a_time_without_cycles_has_none() -> None:
    desk = a_recording_desk()
    assert desk.replay((START_NS - 10, START_NS - 5)).cycles == 0


def test_a_board_told_again_shows_what_the_live_one_did() -> None:
    """At every place of the log, whatever has happened since: the snapshot, not only the plan."""
    desk = a_recording_desk()
    seen = []
    for gpus in (1, 4, 8, 2):
        job = desk.submit(a_job_spec(demand=a_demand(1, gpus)))
        desk.turn()
        if gpus == 4:
            desk.end(job)
        desk.submit(a_job_spec(demand=a_demand(2, gpus)))
        desk.plane.board.catch_up()
        seen.append(desk.plane.board.snapshot(desk.clock.now_ns()))
    past = Past(desk.store, Telling(desk.store).active_at(0))
    board = Board(past, RecentNodes())
    for live in seen:
        past.head = live.as_of
        board.catch_up()
        told = board.snapshot(live.now_ns)
        assert list(told.rooms) == list(live.rooms)
        assert replace(told, rooms=()) == replace(live, rooms=())


@dataclass
class Retold:
    """A history of which some records are told otherwise."""

    store: Store
    change: Callable[[Record], Record]

    def load_active(self) -> Active:
        return self.store.load_active()

    def list_records(
        self, after: int, *, limit: int = 1000, job_id: JobId | None = None
    ) -> list[Record]:
        return [self.change(one) for one in self.store.list_records(after, limit=limit)]
