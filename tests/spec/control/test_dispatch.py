"""What should be at a site: everything, or what has changed since it was last told."""

from __future__ import annotations

from quarterdeck.control.cancel import cancel
from quarterdeck.control.dispatch import dispatch
from quarterdeck.core.jobs.job import Job
from quarterdeck.core.jobs.states import JobState
from quarterdeck.ports.engine import AttemptRef, LaunchOrder
from quarterdeck.ports.site import Desired, StopOrder
from quarterdeck.testing.builders import SITE, a_demand, a_dgx, a_job_spec
from tests.spec.control.desk import Desk, a_desk

GANG = a_job_spec(demand=a_demand(2, 8))


def placed(desk: Desk) -> Job:
    job = desk.submit()
    desk.scheduler.turn()
    return desk.job(job.id)


def ref_of(job: Job) -> AttemptRef:
    return AttemptRef(job.id, len(job.attempts))


def refs(desired: Desired) -> tuple[list[AttemptRef], list[AttemptRef], list[AttemptRef]]:
    return [one.ref for one in desired.run], [one.ref for one in desired.stop], [*desired.gone]


def restarted(desk: Desk) -> Desk:
    """A new server on the same store."""
    return Desk(desk.store, desk.clock, desk.ids, desk.blobs)


def test_a_placed_attempt_should_run_on_its_grants() -> None:
    desk = a_desk(a_dgx("a"), a_dgx("b"))
    job = desk.submit(GANG)
    desk.scheduler.turn()
    job = desk.job(job.id)
    order = LaunchOrder(AttemptRef(job.id, 1), job.spec, tuple(job.grants()), owner=job.actor)
    desired = desk.desired()
    assert (desired.cursor, desired.is_complete) == (desk.store.head(), True)
    assert (desired.run, desired.stop, desired.gone) == ((order,), (), ())


def test_nobody_is_told_to_run_what_is_queued_or_has_ended() -> None:
    desk = a_desk()
    desk.run()
    desk.submit()
    assert refs(desk.desired()) == ([], [], [])


def test_from_nothing_everything_is_told() -> None:
    desk = a_desk()
    jobs = [placed(desk), placed(desk)]
    desired = desk.desired(0)
    assert desired.is_complete
    assert refs(desired)[0] == [ref_of(job) for job in jobs]


def test_after_that_only_what_has_changed_is_told() -> None:
    desk = a_desk()
    placed(desk)
    cursor = desk.desired().cursor
    later = placed(desk)
    desired = desk.desired(cursor)
    assert not desired.is_complete
    assert refs(desired) == ([ref_of(later)], [], [])
    assert refs(desk.desired(desired.cursor)) == ([], [], [])


def test_what_was_told_but_not_heard_is_told_again() -> None:
    desk = a_desk()
    cursor = desk.desired().cursor
    job = placed(desk)
    assert refs(desk.desired(cursor)) == refs(desk.desired(cursor)) == ([ref_of(job)], [], [])


def test_an_attempt_that_is_to_stop_is_told_with_its_grace() -> None:
    desk = a_desk()
    job = placed(desk)
    cursor = desk.desired().cursor
    cancel(desk.plane, job.id, "bob")
    order = StopOrder(ref_of(job), 30.0, 1)
    desired = desk.desired(cursor)
    assert (desired.run, desired.stop, desired.gone) == ((), (order,), ())
    assert desk.desired(0).stop == (order,)


def test_a_sighting_changes_no_wish() -> None:
    desk = a_desk()
    job = placed(desk)
    cursor = desk.desired().cursor
    desk.start(job)
    assert refs(desk.desired(cursor)) == ([], [], [])


def test_what_is_gone_is_told_until_it_was_heard_and_then_never_again() -> None:
    desk = a_desk()
    job = placed(desk)
    cursor = desk.desired().cursor
    desk.end(job)
    told = desk.desired(cursor)
    assert refs(told) == refs(desk.desired(cursor)) == ([], [], [ref_of(job)])
    assert refs(desk.desired(told.cursor)) == ([], [], [])
    assert desk.desired(cursor).is_complete  # what was dropped cannot be told to who missed it


def test_an_attempt_that_came_and_went_is_told_as_gone() -> None:
    desk = a_desk()
    cursor = desk.desired().cursor
    job = placed(desk)
    desk.end(job)
    assert refs(desk.desired(cursor)) == ([], [], [ref_of(job)])


def test_a_place_the_log_has_not_reached_means_everything_is_told() -> None:
    desk = a_desk()
    job = placed(desk)
    desired = desk.desired(desk.store.head() + 1)
    assert desired.is_complete
    assert refs(desired) == ([ref_of(job)], [], [])
    assert desired.cursor == desk.store.head()


def test_a_new_server_tells_everything_to_who_may_have_missed_something() -> None:
    desk = a_desk()
    cursor = desk.desired().cursor
    job = placed(desk)
    assert restarted(desk).desired(cursor).is_complete
    desk = restarted(desk)
    told = desk.desired(desk.store.head())
    assert (told.is_complete, refs(told)) == (False, ([], [], []))
    assert refs(desk.desired(0))[0] == [ref_of(job)]


def test_each_site_is_told_its_own() -> None:
    desk = a_desk()
    desk.report(a_dgx("x"), site="other")
    job = placed(desk)
    assert refs(desk.desired()) == ([ref_of(job)], [], [])
    assert refs(desk.desired(site="other")) == ([], [], [])
    assert dispatch(desk.plane, "unknown", 5).is_complete


def test_a_new_attempt_of_the_same_job_is_another_thing() -> None:
    desk = a_desk(a_dgx())
    job = placed(desk)
    cursor = desk.desired().cursor
    cancel(desk.plane, job.id, "bob")
    assert desk.end(job).state is JobState.CANCELLED
    told = desk.desired(cursor)
    assert refs(told) == ([], [], [AttemptRef(job.id, 1)])
    assert SITE in desk.store.sites
