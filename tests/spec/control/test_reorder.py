"""All jobs of an order are moved in one transaction, or none."""

from __future__ import annotations

import pytest

from quarterdeck.basics.errors import Conflict, NotFound
from quarterdeck.basics.ids import JobId
from quarterdeck.control.board import Board
from quarterdeck.control.explain import explain, list_queue
from quarterdeck.control.hold import hold
from quarterdeck.control.reorder import reorder
from quarterdeck.control.submit import submit
from quarterdeck.core.jobs.events import Reordered
from quarterdeck.core.jobs.states import JobState
from quarterdeck.ports.store import JobRecord
from quarterdeck.testing.builders import START_NS, a_demand, a_dgx, a_job_id, a_job_spec
from tests.spec.control.desk import Desk, a_desk

BIG = a_job_spec(demand=a_demand(1, 8))


def a_queue(desk: Desk) -> list[JobId]:
    """Ada's first, one of bob's, ada's second, one of bob's, ada's third, and none of them fits."""
    desk.submit(BIG)
    desk.scheduler.turn()
    names = ("ada", "bob", "ada", "bob", "ada")
    ids = []
    for name in names:
        desk.clock.pass_s(1)
        ids.append(submit(desk.plane, BIG, name).job.id)
    desk.scheduler.turn()
    return ids


def queue_of(desk: Desk) -> list[JobId]:
    return [one.job.id for one in list_queue(desk.plane, 100)[1]]


def test_mine_change_places_and_those_of_others_stay() -> None:
    desk = a_desk()
    one, bobs, two, other, three = a_queue(desk)
    told = reorder(desk.plane, [three, one, two], "ada")
    assert queue_of(desk) == [three, bobs, one, other, two]
    assert [(it.job.id, it.before, it.after) for it in told.moved] == [
        (three, 5, 1),
        (one, 1, 3),
        (two, 3, 5),
    ]
    assert told.queue_length == 5
    outlook = explain(desk.plane, three).outlook
    assert outlook is not None
    assert (outlook.position, outlook.queue_length) == (1, 5)


def test_who_is_first_starts_next_and_nobody_else_is_passed() -> None:
    desk = a_desk()
    one, bobs, two, other, three = a_queue(desk)
    running = JobId(a_job_id(1))
    reorder(desk.plane, [three, one, two], "ada")
    for expected in (three, bobs, one, other, two):
        desk.start(desk.job(running))
        desk.end(desk.job(running))
        assert desk.scheduler.turn() == 1
        assert desk.job(expected).state is JobState.STARTING
        running = expected


def test_a_dry_run_says_the_same_and_writes_nothing() -> None:
    desk = a_desk()
    one, _, two, _, three = a_queue(desk)
    head, before = desk.store.head(), queue_of(desk)
    dry = reorder(desk.plane, [three, one, two], "ada", is_dry=True)
    assert (desk.store.head(), queue_of(desk)) == (head, before)
    real = reorder(desk.plane, [three, one, two], "ada")
    assert [(it.job.id, it.before, it.after) for it in dry.moved] == [
        (it.job.id, it.before, it.after) for it in real.moved
    ]


def test_each_job_tells_who_ordered_it() -> None:
    desk = a_desk()
    one, _, two, _, three = a_queue(desk)
    head = desk.store.head()
    reorder(desk.plane, [two, one, three], "lead")
    written = [one for one in desk.store.list_records(head) if isinstance(one, JobRecord)]
    assert [(it.job_id, it.event.actor) for it in written if isinstance(it.event, Reordered)] == [
        (two, "lead"),
        (one, "lead"),
    ]
    assert len(written) == 2


def test_if_one_is_placed_meanwhile_none_is_moved() -> None:
    desk = a_desk()
    one, _, two, _, three = a_queue(desk)
    before = queue_of(desk)

    def starts() -> None:
        desk.report(a_dgx(), a_dgx("dgx-2"))
        assert desk.scheduler.turn() == 1

    desk.store.first = starts
    with pytest.raises(Conflict, match=f"job {one} is starting"):
        reorder(desk.plane, [three, two, one], "ada")
    assert queue_of(desk) == before[1:]
    assert [desk.job(it).queue_place for it in (one, two, three)] == [None] * 3


def test_if_one_is_held_or_unknown_none_is_moved() -> None:
    desk = a_desk()
    one, _, two, _, three = a_queue(desk)
    hold(desk.plane, two, "ada")
    head = desk.store.head()
    with pytest.raises(Conflict, match=f"job {two} is held"):
        reorder(desk.plane, [three, one, two], "ada")
    with pytest.raises(NotFound, match=a_job_id(99)):
        reorder(desk.plane, [three, one, a_job_id(99)], "ada")
    assert desk.store.head() == head


def test_the_order_is_known_again_after_a_restart() -> None:
    desk = a_desk()
    one, _, two, _, three = a_queue(desk)
    reorder(desk.plane, [three, two, one], "ada")
    ordered = queue_of(desk)
    again = Board(desk.store).snapshot(START_NS)
    desk.plane.board.catch_up()
    known = {it.job_id: it for it in desk.plane.board.snapshot(START_NS).waiting}
    assert {it.job_id: it for it in again.waiting} == known
    restarted = Desk(desk.store, desk.clock, desk.ids, desk.blobs)
    assert queue_of(restarted) == ordered


def test_a_reset_undoes_it() -> None:
    desk = a_desk()
    one, _, two, _, three = a_queue(desk)
    before = queue_of(desk)
    reorder(desk.plane, [three, two, one], "ada")
    reorder(desk.plane, [two, three, one], "ada", is_reset=True)
    assert queue_of(desk) == before
    assert [desk.job(it).queue_place for it in (one, two, three)] == [None] * 3
