"""Reports are taken in once, whole, and only from the site they are about."""

from __future__ import annotations

from quarterdeck.control.reconcile import reconcile
from quarterdeck.core.cluster.events import NodesChanged, SiteReported
from quarterdeck.core.cluster.hardware import Foreign, NodeState
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


def test_of_nodes_that_are_used_otherwise_only_these_are_written() -> None:
    desk = a_desk(*(a_dgx(name) for name in "abc"))
    capacity = desk.plane.board.list_free()
    b = a_dgx("b", others=(Foreign("Slurm job 1", ("GPU-b-0",), 8),))
    c = a_dgx("c", state=NodeState.DRAINED, reason="bad fan")
    desk.report(a_dgx("a"), b, c)
    last = desk.store.list_records(desk.store.head() - 1)[-1]
    assert last.event == NodesChanged(desk.clock.at_ns, SITE, (b, c))
    assert desk.store.sites[SITE].nodes == (a_dgx("a"), b, c)
    free = desk.plane.board.list_free()
    assert free.fleet is capacity.fleet
    assert (free.gpus_free.tolist(), free.is_open.tolist()) == ([8, 7, 8], [True, True, False])
    assert desk.plane.board.find_nodes_as_of(SITE) == desk.store.head()
    head = desk.store.head()
    desk.report(a_dgx("a"), b, c)
    assert desk.store.head() == head
    desk.report(a_dgx("a"), b, a_dgx("c", cpus=1))
    assert isinstance(desk.store.list_records(head)[-1].event, SiteReported)
    desk.report(a_dgx("a"))
    assert [room.node.name for room in desk.plane.board.list_free()] == ["a"]


def test_what_another_server_took_in_meanwhile_is_not_lost() -> None:
    """Two reports at once: what the second one changes is told against what the first one left."""
    desk = a_desk(a_dgx("a"), a_dgx("b"))
    used, down = a_dgx("a", others=(Foreign("Slurm job 1"),)), a_dgx("b", state=NodeState.DOWN)
    first = NodesChanged(desk.clock.at_ns, SITE, (down,))
    desk.store.first = lambda: desk.store.transact(lambda tx: tx.append_site(first))
    desk.report(used, a_dgx("b"))
    assert desk.store.sites[SITE].nodes == (used, a_dgx("b"))
    assert desk.plane.board.find_site(SITE) == desk.store.sites[SITE]


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
