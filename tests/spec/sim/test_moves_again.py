"""A server moves jobs, step by step: what is told, what goes on where, and all of it replayed."""

from __future__ import annotations

from quarterdeck.control.cancel import cancel
from quarterdeck.control.explain import explain
from quarterdeck.control.nodes import cordon, find_place
from quarterdeck.core.jobs.job import Job
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.states import JobState
from quarterdeck.core.scheduling.snapshot import Policy
from quarterdeck.testing.builders import a_demand, a_job_spec
from tests.spec.sim.recording import RecordingDesk, a_recording_desk
from tests.spec.sim.test_replay_again import check_same

MOVES = Policy(moves_max=2, moves_percent=100.0, min_runtime_s=60.0)
HALF = a_job_spec(demand=a_demand(1, 4), checkpoint_path="ckpt")
WHOLE = a_job_spec(demand=a_demand(1, 8))


def where(job: Job) -> list[str]:
    assert job.attempt is not None
    return [replica.grant.node for replica in job.attempt.replicas]


def halves_on_both(policy: Policy = MOVES) -> tuple[RecordingDesk, list[Job]]:
    """Two nodes, half of each in use for a while: what was between them has ended."""
    desk = a_recording_desk()
    desk.use(policy)
    jobs = [desk.submit(HALF) for _ in range(3)]
    assert desk.turn() == 3
    for job in jobs:
        desk.start(job)
    alone = next(job for job in jobs if [where(desk.job(one.id)) for one in jobs].count(
        where(desk.job(job.id))) == 1)  # fmt: skip
    other = next(job for job in jobs if job is not alone)
    desk.end(other)
    desk.clock.pass_s(60)
    return desk, [desk.job(job.id) for job in jobs if job is not other]


def moving(desk: RecordingDesk) -> tuple[Job, Job]:
    """The job for which another one moves, as soon as it pays; and that."""
    whole = desk.submit(WHOLE)
    assert desk.turn() == 0
    assert desk.scheduler.due_in_s() == 29.0
    desk.clock.pass_s(28)
    desk.turn()
    jobs = [desk.job(job_id) for job_id in desk.plane.board.list_job_ids()]
    (moves,) = [job for job in jobs if job.state is JobState.STOPPING]
    return desk.job(whole.id), moves


def test_one_moves_and_goes_on_and_the_other_has_the_whole_node() -> None:
    desk, halves = halves_on_both()
    whole, moves = moving(desk)
    (stays,) = [job for job in halves if job.id != moves.id]
    to, frm = where(stays)[0], where(moves)[0]
    assert moves.reason is Reason.PREEMPTED
    assert moves.message == (
        f"it moves to {to} so that a job fits that needs 8 GPUs of one node, and goes on there"
    )
    assert explain(desk.plane, moves.id).summary.endswith(f"then it goes on at {to}")
    told = explain(desk.plane, whole.id).summary
    assert told == "a job moves for it: 4.0 GPU minutes of work are lost"
    # Somebody comes who would like what is free of either node.
    greedy = desk.submit(HALF)
    assert desk.turn() == 0
    desk.restart()
    assert desk.turn() == 0
    desk.end(moves)
    assert desk.turn() == 2
    moved, begun = desk.job(moves.id), desk.job(whole.id)
    assert (where(moved), where(begun)) == ([to], [frm])
    assert moved.attempt is not None
    assert "it moved here" in moved.attempt.grounds[0]
    assert (moved.retries, moved.clearance, begun.clearance) == (0, None, None)
    assert desk.job(greedy.id).state is JobState.QUEUED
    again = desk.replay()
    assert (again.differences, again.cycles) == ([], again.same)


def test_moves_are_counted_over_what_started_lately() -> None:
    """Three have started: one move in three is allowed, and no second one."""
    share = Policy(moves_max=2, moves_percent=34.0, min_runtime_s=60.0)
    desk, _ = halves_on_both(share)
    seen = desk.plane.board.snapshot(0)
    assert (seen.started_lately, seen.moved_lately) == (3, 0)
    _, moves = moving(desk)
    assert desk.turn() == 0
    desk.end(moves)
    assert desk.turn() == 2
    desk.plane.board.catch_up()
    seen = desk.plane.board.snapshot(0)
    # What goes on after a move is no start.
    assert (seen.started_lately, seen.moved_lately) == (4, 1)
    assert desk.replay().differences == []
    desk.restart()
    seen = desk.plane.board.snapshot(0)
    assert (seen.started_lately, seen.moved_lately) == (0, 0)


def test_who_is_cancelled_needs_no_room_and_the_moved_one_goes_on() -> None:
    desk, _ = halves_on_both()
    whole, moves = moving(desk)
    cancel(desk.plane, whole.id, "ada")
    desk.end(moves)
    assert desk.turn() == 1
    assert where(desk.job(moves.id)) != where(moves)
    assert desk.replay().differences == []


def test_one_whose_place_is_closed_meanwhile_is_in_the_queue() -> None:
    desk, halves = halves_on_both()
    whole, moves = moving(desk)
    (stays,) = [job for job in halves if job.id != moves.id]
    cordon(desk.plane, find_place(desk.plane, where(stays)[0]), "new fan", "ann")
    desk.end(moves)
    assert desk.turn() == 1
    assert where(desk.job(whole.id)) == where(moves)
    assert desk.job(moves.id).state is JobState.QUEUED
    assert desk.replay().differences == []


def test_without_moves_in_the_policy_all_stay() -> None:
    desk, _ = halves_on_both(Policy(min_runtime_s=60.0))
    desk.submit(WHOLE)
    desk.turn()
    desk.clock.pass_s(3600)
    assert desk.turn() == 0
    assert [job.state for job, _ in desk.plane.board.list_live()] == [JobState.RUNNING] * 2
    check_same(desk, 2)
