"""What was the matter with nodes, from the log of events."""

from __future__ import annotations

from quarterdeck.control.nodes import cordon, drain, find_place, resume
from quarterdeck.core.cluster.hardware import Foreign, NodeState
from quarterdeck.core.jobs.spec import Retry
from quarterdeck.sim.fast.story import Cut, Outage, OutageKind
from quarterdeck.testing.builders import START_NS, a_demand, a_dgx, a_job_spec
from tests.spec.sim.clocked import Clocked


def test_nodes_that_went_and_came_are_outages() -> None:
    site = Clocked("a", "b")
    site.at(50)
    site.desk.report(a_dgx("a"), a_dgx("b", state=NodeState.DOWN))
    site.at(80)
    site.desk.report(a_dgx("a"), a_dgx("b"))
    site.at(90)
    site.desk.report(a_dgx("b"))
    site.at(95)
    site.desk.report(a_dgx("b"), a_dgx("a"), a_dgx("c"))
    told = site.tell()
    assert [node.name for node in told.nodes] == ["a", "b", "c"]
    assert {node.state for node in told.nodes} == {NodeState.READY}
    assert told.outages == (
        Outage("c", 0.0, 95.0),
        Outage("b", 50.0, 30.0),
        Outage("a", 90.0, 5.0),
    )


def test_an_outage_that_had_begun_goes_on_and_one_that_has_not_ended_never_will() -> None:
    site = Clocked("a", "b")
    site.at(10)
    site.desk.report(a_dgx("a", state=NodeState.DOWN), a_dgx("b", state=NodeState.DOWN))
    site.at(50)
    site.desk.report(a_dgx("a"), a_dgx("b", state=NodeState.DOWN))
    assert site.tell(30).outages == (Outage("a", 0.0, 20.0), Outage("b", 0.0, float("inf")))
    assert site.tell(60).outages == (Outage("b", 0.0, float("inf")),)


def test_the_while_begins_with_the_log_where_that_is_later() -> None:
    """So nodes that were reported first of all are there from its beginning."""
    site = Clocked()
    site.submit(10)
    told = site.tell(-500)
    assert told.from_ns == START_NS
    assert told.span_s == 1000.0
    assert told.outages == ()
    assert told.jobs[0].submit_s == 10.0


def test_a_drain_stops_what_runs_and_a_cordon_does_not() -> None:
    site = Clocked("a", "b")
    job = site.submit(10, a_job_spec(demand=a_demand(1, 8), retry=Retry(1)))
    site.place(20)
    site.desk.start(job)
    site.at(30)
    drain(site.desk.plane, find_place(site.desk.plane, "a"), "fan", "ann")
    cordon(site.desk.plane, find_place(site.desk.plane, "b"), "fan", "ann")
    site.at(31)
    site.desk.end(site.desk.job(job.id))
    site.at(70)
    for name in ("a", "b"):
        resume(site.desk.plane, find_place(site.desk.plane, name), "ann")
    site.place(71)
    site.end(90, site.desk.job(job.id))
    told = site.tell()
    assert told.outages == (
        Outage("a", 30.0, 40.0, OutageKind.DRAIN),
        Outage("b", 30.0, 40.0, OutageKind.CORDON),
    )
    assert told.really[0].spans[0].cut is Cut.DRAINED
    assert told.jobs[0].duration_s == 19.0


def test_cordons_of_single_gpus_are_counted() -> None:
    site = Clocked()
    site.at(30)
    cordon(site.desk.plane, find_place(site.desk.plane, "a", ["3"]), "ECC", "ann")
    told = site.tell()
    assert told.outages == ()
    assert sum(told.remarks.values()) == 1


def test_a_drain_by_the_site_is_a_cordon_and_what_others_had_is_left_out() -> None:
    site = Clocked("a", "b")
    others = (Foreign("Slurm job 1", ("GPU-a-0",)),)
    site.at(50)
    site.desk.report(a_dgx("a", state=NodeState.DRAINED, reason="fan"), a_dgx("b", others=others))
    site.at(80)
    site.desk.report(a_dgx("a", state=NodeState.DOWN, reason="fan"), a_dgx("b", others=others))
    site.at(90)
    site.desk.report(a_dgx("a"), a_dgx("b"))
    site.at(95)
    site.desk.report(a_dgx("a"), a_dgx("b", others=others))
    told = site.tell()
    assert told.nodes == (a_dgx("a"), a_dgx("b"))
    assert told.outages == (
        Outage("a", 50.0, 30.0, OutageKind.CORDON),
        Outage("a", 80.0, 10.0),
    )
