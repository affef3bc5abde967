"""An elastic job gives up nodes for those who are owed them: what the server writes down."""

from __future__ import annotations

from quarterdeck.control.explain import explain
from quarterdeck.control.rules import FollowedPolicy
from quarterdeck.core.cluster.demand import Demand, Resources
from quarterdeck.core.jobs.job import Job
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.states import JobState
from quarterdeck.core.scheduling.pools import Cells, Pool
from quarterdeck.core.scheduling.snapshot import Policy
from quarterdeck.testing.builders import a_demand, a_dgx, a_job_spec
from tests.spec.control.desk import Desk, a_desk, exited, started

GUARANTEED = Policy(pools=(Pool("a", (Cells(1),)), Pool("c", (Cells(1),))))
ELASTIC = a_job_spec(team="b", demand=Demand(1, Resources(8), nodes_max=4), checkpoint_path="ckpt")


def a_shrinking_desk() -> tuple[Desk, Job, Job]:
    """An elastic job on all four nodes, and one that is owed a node of these."""
    desk = a_desk(*(a_dgx(f"d{n}") for n in range(4)))
    desk.plane.rules.put(FollowedPolicy(GUARANTEED))
    elastic = desk.submit(ELASTIC)
    assert desk.scheduler.turn() == 1
    desk.see(elastic, *map(started, range(4)))
    owner = desk.submit(a_job_spec(team="a", demand=a_demand(1, 8)))
    assert desk.scheduler.turn() == 0
    return desk, elastic, owner


def told(gives: int, left: int) -> str:
    whom = "others who are guaranteed them and need them now"
    return f"it gives up {gives} of its 4 nodes to {whom}, and goes on with {left}"


def test_it_is_told_what_it_gives_up_and_starts_again_on_the_rest() -> None:
    desk, elastic, owner = a_shrinking_desk()
    stopping = desk.job(elastic.id)
    assert (stopping.state, stopping.reason) == (JobState.STOPPING, Reason.PREEMPTED)
    assert stopping.message == told(1, 3)
    assert stopping.clearance is not None
    assert "then it goes on with " in explain(desk.plane, elastic.id).summary
    assert desk.scheduler.turn() == 0  # while it stops nothing more is asked of anybody
    desk.see(elastic, *map(exited, range(4)), attempt=1)
    assert desk.scheduler.turn() == 2
    again = desk.job(elastic.id)
    nodes = [replica.grant.node for replica in again.live_attempts[0].replicas]
    assert (again.state, again.live_attempts[0].number, again.retries) == (JobState.STARTING, 2, 0)
    assert nodes == [*stopping.clearance.nodes]
    (attempt,) = desk.job(owner.id).live_attempts
    assert {attempt.replicas[0].grant.node} | {*nodes} == {"d0", "d1", "d2", "d3"}


def test_another_owner_who_comes_while_it_stops_takes_one_more() -> None:
    desk, elastic, _ = a_shrinking_desk()
    desk.submit(a_job_spec(team="c", demand=a_demand(1, 8)))
    assert desk.scheduler.turn() == 0
    stopping = desk.job(elastic.id)
    assert stopping.message == told(2, 2)
    assert stopping.clearance is not None
    assert len(stopping.clearance.nodes) == 2
    desk.plane.board.catch_up()
    (running,) = desk.plane.board.snapshot(desk.clock.now_ns()).running
    assert running.keeps == stopping.clearance.nodes
    desk.see(elastic, *map(exited, range(4)), attempt=1)
    assert desk.scheduler.turn() == 3
    assert len(desk.job(elastic.id).live_attempts[0].replicas) == 2
