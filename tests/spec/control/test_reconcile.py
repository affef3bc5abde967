"""Reports are taken in once, whole, and only from the site they are about."""

from __future__ import annotations

from quarterdeck.control.reconcile import reconcile
from quarterdeck.core.jobs.events import Seen
from quarterdeck.core.jobs.states import JobState
from quarterdeck.ports.engine import AttemptRef, Observation
from quarterdeck.ports.site import Report
from quarterdeck.ports.store import JobRecord
from quarterdeck.testing.builders import SITE, a_demand, a_dgx, a_job_id, a_job_spec
from tests.spec.control.desk import a_desk, exited, lost, started

GANG = a_job_spec(demand=a_demand(2, 8))


def test_new_nodes_are_written_and_old_ones_are_not() -> None:
    desk = a_desk(a_dgx("a"))
    head, rings = desk.store.head(), desk.rings
    desk.report(a_dgx("a"))
    assert (desk.store.head(), desk.rings) == (head, rings)
    desk.report(a_dgx("a"), a_dgx("b"))
    assert desk.store.head() == head + 1
    assert [node.name for node in desk.store.sites[SITE].nodes] == ["a", "b"]


def test_a_report_without_nodes_leaves_them() -> None:
    desk = a_desk(a_dgx("a"))
    reconcile(desk.plane, Report(SITE, 0))
    assert [node.name for node in desk.store.sites[SITE].nodes] == ["a"]


def test_a_report_that_repeats_what_is_known_costs_no_write() -> None:
    desk = a_desk()
    job = desk.submit()
    desk.scheduler.turn()
    desk.start(job)
    head, rings = desk.store.head(), desk.rings
    desk.start(job)
    assert (desk.store.head(), desk.rings) == (head, rings)


def test_a_report_moves_all_its_jobs_in_one_transaction() -> None:
    desk = a_desk()
    jobs = [desk.submit(), desk.submit()]
    desk.scheduler.turn()
    rings = desk.rings
    seen = tuple(Observation(AttemptRef(job.id, 1), (exited(),)) for job in jobs)
    assert reconcile(desk.plane, Report(SITE, 0, seen, (a_dgx("new"),))) == 2
    assert desk.rings == rings + 1
    assert {desk.job(job.id).state for job in jobs} == {JobState.SUCCEEDED}


def test_an_attempt_told_twice_in_one_report_moves_once() -> None:
    desk = a_desk()
    job = desk.submit()
    desk.scheduler.turn()
    seen = Observation(AttemptRef(job.id, 1), (exited(),))
    assert reconcile(desk.plane, Report(SITE, 0, (seen, seen))) == 1
    assert desk.job(job.id).state is JobState.SUCCEEDED


def test_what_another_site_says_of_an_attempt_is_ignored() -> None:
    desk = a_desk()
    job = desk.submit()
    desk.scheduler.turn()
    head, rings = desk.store.head(), desk.rings
    seen = Observation(AttemptRef(job.id, 1), (lost(),))
    assert reconcile(desk.plane, Report("elsewhere", 0, (seen,))) == 0
    assert (desk.store.head(), desk.rings) == (head, rings)


def test_what_is_said_of_former_attempts_and_unknown_jobs_is_ignored() -> None:
    desk = a_desk()
    job = desk.run(code=1)
    head = desk.store.head()
    for ref in (AttemptRef(job.id, 1), AttemptRef(job.id, 2), AttemptRef(a_job_id(99), 1)):
        assert reconcile(desk.plane, Report(SITE, 0, (Observation(ref, (lost(),)),))) == 0
    assert desk.store.head() == head


def test_a_report_overtaken_by_another_writes_nothing_twice() -> None:
    desk = a_desk()
    job = desk.submit()
    desk.scheduler.turn()
    desk.store.first = lambda: desk.end(job)
    desk.end(job)
    sightings = [
        record
        for record in desk.store.list_records(0)
        if isinstance(record, JobRecord) and isinstance(record.event, Seen)
    ]
    assert len(sightings) == 1
    assert desk.job(job.id).state is JobState.SUCCEEDED


def test_a_gang_fails_as_a_whole_over_several_reports() -> None:
    desk = a_desk(a_dgx("a"), a_dgx("b"))
    job = desk.submit(GANG)
    desk.scheduler.turn()
    assert desk.see(job, started(0)).state is JobState.STARTING
    assert desk.see(job, started(1)).state is JobState.RUNNING
    assert desk.see(job, exited(1, 3)).state is JobState.STOPPING
    job = desk.see(job, exited(0, 0))
    assert (job.state, job.exit_code) == (JobState.FAILED, 3)
