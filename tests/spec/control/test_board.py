"""The board is what the log says, however it came to read it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from quarterdeck.control import board as board_module
from quarterdeck.control.board import Board
from quarterdeck.control.cancel import cancel
from quarterdeck.control.requeue import requeue
from quarterdeck.core.governance.limits import Bound, Quota
from quarterdeck.core.governance.people import Organization, People, Team
from quarterdeck.core.jobs.spec import Retry
from quarterdeck.testing.builders import SITE, START_NS, a_demand, a_dgx, a_job_spec, a_node
from tests.spec.control.desk import Desk, a_desk, lost


def view_of(board: Board) -> dict[str, Any]:
    """Everything a board answers, in one order."""
    board.catch_up()
    snapshot = board.snapshot(START_NS)
    sites = sorted({room.site for room in snapshot.rooms} | {SITE})
    return {
        "cursor": board.cursor,
        "jobs": {job_id: board.find_job(job_id) for job_id in sorted(board.list_job_ids())},
        "queued": board.count_queued(),
        "waiting": sorted(snapshot.waiting, key=lambda waiting: waiting.order),
        "rooms": sorted(snapshot.rooms, key=lambda room: (room.site, room.node.name)),
        "holders": sorted(snapshot.holders, key=lambda holder: (holder.site, holder.job_id)),
        "held": {
            (room.site, room.node.name): sorted(holders) for room, holders in board.list_rooms()
        },
        "sites": [board.find_site(site) for site in sites],
        "wishes": [sorted(board.list_wishes(site, 0)[0]) for site in sites],
    }


def agrees(desk: Desk) -> bool:
    """The desk's board, which read event by event, and one that was just loaded."""
    return view_of(desk.plane.board) == view_of(Board(desk.store))


def test_a_board_agrees_with_a_fresh_one_all_along_a_history() -> None:
    desk = a_desk(a_dgx("a"), a_dgx("b"))
    first = desk.submit(a_job_spec(demand=a_demand(2, 8), retry=Retry(1))).id
    steps: list[Callable[[], object]] = [
        lambda: desk.submit(a_job_spec(demand=a_demand(1, 4))),
        desk.scheduler.turn,
        lambda: desk.see(desk.job(first), lost(0)),
        lambda: desk.see(desk.job(first), lost(1)),
        desk.scheduler.turn,
        lambda: desk.start(desk.job(first)),
        lambda: desk.report(a_dgx("b"), a_node("c")),
        lambda: cancel(desk.plane, first, "bob"),
        lambda: desk.end(desk.job(first)),
        lambda: requeue(desk.plane, first, "bob"),
        lambda: desk.report(a_dgx("x"), site="another"),
        lambda: desk.report(a_dgx("a"), a_dgx("b")),
        desk.scheduler.turn,
    ]
    for step in steps:
        step()
        assert agrees(desk)


def test_a_board_sees_what_another_process_committed() -> None:
    desk = a_desk()
    other = Board(desk.store)
    job = desk.submit()
    assert other.find_job(job.id) is None
    assert other.catch_up()
    assert other.find_job(job.id) == job
    assert not other.catch_up()


def test_a_long_log_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board_module, "PAGE", 2)
    desk = Desk()
    late = Board(desk.store)
    desk.report(a_dgx())
    for _ in range(4):
        desk.run()
    late.catch_up()
    assert late.cursor == desk.store.head()


def test_a_job_that_was_finished_when_the_board_began_can_come_back() -> None:
    desk = a_desk()
    job = desk.run(code=1)
    late = Board(desk.store)
    requeue(desk.plane, job.id, "bob")
    late.catch_up()
    assert late.find_job(job.id) == desk.job(job.id)


def test_devices_of_a_node_that_came_back_are_still_held() -> None:
    desk = a_desk(a_dgx("a"))
    desk.submit(a_job_spec(demand=a_demand(1, 3)))
    desk.scheduler.turn()
    desk.report(a_node("b"))
    desk.report(a_dgx("a"))
    desk.plane.board.catch_up()
    (room,) = desk.plane.board.snapshot(0).rooms
    assert len(room.free_devices) == 5


def test_only_what_may_let_a_job_start_stirs() -> None:
    desk = a_desk()

    def stirs() -> int:
        desk.plane.board.catch_up()
        return desk.plane.board.stirs

    before = stirs()
    job = desk.submit()
    assert stirs() == before + 1
    desk.scheduler.turn()
    desk.start(job)
    assert stirs() == before + 1
    desk.end(job)
    assert stirs() == before + 2
    desk.report(a_dgx("new"))
    assert stirs() == before + 3


def test_a_limit_that_was_changed_counts_from_the_next_snapshot() -> None:
    board = a_desk(a_dgx("a")).plane.board
    acme = People(Organization("ACME"))
    for value in (2, 5):
        red = Team("red", quota=Quota(running_jobs=Bound(value)))
        found = board.snapshot(START_NS, acme.with_entries((red,))).allowances
        assert found["team", "red"].running_max == value
    assert dict(board.snapshot(START_NS, acme).allowances) == {}


def test_a_snapshot_keeps_what_ran_when_it_was_taken() -> None:
    desk = a_desk(a_dgx("a"))
    spec = a_job_spec(demand=a_demand(1, 4))
    quota = Quota(running_jobs=Bound(9))
    people = People(Organization("ACME")).with_entries((Team(spec.team, quota=quota),))
    taken = desk.plane.board.snapshot(START_NS, people)
    desk.submit(spec)
    desk.scheduler.turn()
    desk.plane.board.catch_up()
    after = desk.plane.board.snapshot(START_NS, people)
    seen = [one.allowances["team", spec.team].running for one in (taken, after)]
    assert seen == [0, 1]


def test_a_board_that_begins_late_counts_what_runs_already() -> None:
    desk = a_desk(a_dgx("a"))
    spec = a_job_spec(demand=a_demand(1, 4))
    quota = Quota(running_jobs=Bound(9))
    people = People(Organization("ACME")).with_entries((Team(spec.team, quota=quota),))
    for _ in range(2):
        desk.submit(spec)
    desk.scheduler.turn()
    allowances = Board(desk.store).snapshot(START_NS, people).allowances
    assert allowances["team", spec.team].running == 2
