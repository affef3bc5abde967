"""A gang that has room, but not near together, waits for a while: how long, and what it hears."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quarterdeck.basics.ids import JobId
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.cluster.demand import Demand, Group, Level, Resources, Wish
from quarterdeck.core.cluster.hardware import Cordon, Node, NodeState
from quarterdeck.core.cluster.room import Room
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.plan import Blocker, Plan
from quarterdeck.core.scheduling.snapshot import Policy, Snapshot, Waiting
from quarterdeck.testing.builders import a_demand
from tests.oracles.changes import changed_as_promised
from tests.spec.core.test_gangs import rack, rooms
from tests.spec.core.test_make_plan import NOW_NS, placed, plan_for, waits

POLICY = Policy(patience_s=1e9, nearness_patience_s=300.0, pod_patience_s=3600.0)
GANG = a_demand(4, 8)
JOB = JobId("j")


def two_pods() -> list[Node]:
    """Each of two racks of four."""
    return [node for pod in "pq" for name in "ab" for node in rack(name, 4, pod=pod)]


SCATTERED = ("pa-0", "pa-1", "pb-0", "pb-1", *(f"q{name}-{n}" for name in "ab" for n in range(4)))
"""Two nodes are free in each rack of one pod, none in the other."""
APART = tuple(f"{pod}{name}-{n}" for pod in "pq" for name in "ab" for n in range(3))
"""One node is free in each rack."""


def test_a_gang_that_would_fit_one_rack_waits_for_that_before_it_takes_two() -> None:
    plan = plan_for(rooms(two_pods(), SCATTERED), waits("j", GANG, since_s=10), policy=POLICY)
    verdict = plan.verdicts[JOB]
    assert verdict.blocked_by is Blocker.TOPOLOGY
    assert "over 2 racks, and 1 would do" in verdict.message
    assert "4m50s" in verdict.message
    assert verdict.numbers == {"racks_now": 2, "racks_at_best": 1, "wait_s": 290}
    assert plan.next_ready_ns == NOW_NS + 290 * NS_PER_S


def test_when_its_patience_is_over_it_takes_what_there_is() -> None:
    here = rooms(two_pods(), SCATTERED)
    assert not plan_for(here, waits("j", GANG, since_s=299), policy=POLICY).placements
    plan = plan_for(here, waits("j", GANG, since_s=300), policy=POLICY)
    assert placed(plan) == {"j": ["pa-2", "pa-3", "pb-2", "pb-3"]}
    assert plan.next_ready_ns is None


def test_for_one_pod_it_waits_longer() -> None:
    here = rooms(two_pods(), APART)
    plan = plan_for(here, waits("j", GANG, since_s=400), policy=POLICY)
    assert plan.verdicts[JOB].numbers == {"pods_now": 2, "pods_at_best": 1, "wait_s": 3200}
    assert plan.next_ready_ns == NOW_NS + 3200 * NS_PER_S
    assert len(plan_for(here, waits("j", GANG, since_s=3600), policy=POLICY).placements) == 1


def test_a_large_gang_waits_less_than_a_small_one() -> None:
    """No more than 64 node-hours. Half of it finds room in each of two pods of 160 nodes."""
    pods = [[node for name in "abcd" for node in rack(name, 40, pod=pod)] for pod in "pq"]
    for count, wait_s in ((2, 3600), (64, 3600), (128, 1800), (144, 1600)):
        busy = [node.name for pod in pods for node in pod[count // 2 :]]
        here = rooms((node for pod in pods for node in pod), busy)
        plan = plan_for(here, waits("j", a_demand(count, 8)), policy=POLICY)
        assert plan.verdicts[JOB].numbers["wait_s"] == wait_s


def test_it_lets_others_pass_while_it_waits_to_lie_near() -> None:
    small = waits("small", a_demand(1, 8), since_s=1)
    plan = plan_for(rooms(two_pods(), APART), waits("j", GANG, since_s=200), small, policy=POLICY)
    assert list(placed(plan)) == ["small"]


def test_who_may_not_be_passed_any_more_takes_what_there_is() -> None:
    """Else it would give away what was kept for it, and wait for it again."""
    strict = replace(POLICY, patience_s=100.0)
    for since_s, first in ((99.0, "small"), (100.0, "j")):
        waiting = (waits("j", GANG, since_s=since_s), waits("small", a_demand(1, 8), since_s=1))
        plan = plan_for(rooms(two_pods(), APART), *waiting, policy=strict)
        assert next(iter(placed(plan))) == first


def test_what_is_as_near_as_it_can_be_does_not_wait() -> None:
    """Six nodes need two racks, and nine two pods, however empty the site is."""
    for count in (6, 8, 9, 16):
        plan = plan_for(rooms(two_pods()), waits("j", a_demand(count, 8)), policy=POLICY)
        assert len(placed(plan)["j"]) == count


def test_only_nodes_that_are_open_count_as_what_could_be() -> None:
    """With a node of each rack down or cordoned no rack could take it: so it does not wait."""
    here = []
    for room in rooms(two_pods(), SCATTERED):
        is_first, node = room.node.name.endswith("a-0"), room.node
        if is_first:
            node = replace(node, state=NodeState.DOWN)
        cordons = (Cordon(node.name, None, "", "ada", 0),) if node.name.endswith("b-0") else ()
        here.append(replace(room, node=node, cordons=cordons))
    assert placed(plan_for(here, waits("j", GANG), policy=POLICY))


@pytest.mark.parametrize(
    "demand",
    [
        replace(GANG, topology=Wish(prefer=Level.RACK)),
        replace(GANG, topology=Wish(prefer=Level.UNIT)),
        replace(GANG, topology=Wish(require=Level.POD)),
        replace(GANG, topology=Wish(spread=Level.RACK)),
        replace(GANG, nodes_max=6),
        replace(GANG, beside=(Group(1, Resources(0, cpus=1)),)),
    ],
    ids=str,
)
def test_who_says_where_it_may_lie_starts_as_soon_as_it_fits(demand: Demand) -> None:
    assert plan_for(rooms(two_pods(), SCATTERED), waits("j", demand), policy=POLICY).placements


def test_what_it_is_told_to_do_starts_it() -> None:
    here = rooms(two_pods(), APART)
    verdict = plan_for(here, waits("j", GANG), policy=POLICY).verdicts[JOB]
    changed = changed_as_promised(GANG, verdict)
    assert changed is not None
    assert plan_for(here, waits("j", changed), policy=POLICY).placements


def test_no_proposal_is_one_that_would_have_to_wait_for_nearness() -> None:
    """Eight GPUs are free on four nodes of four racks: two nodes of four would fit, but not near,
    so that is not what starts the job now."""
    here: list[Room] = []
    for room in rooms(two_pods()):
        taken = 4 if room.node.name.endswith("-0") else 8
        here.append(replace(room, free_devices=room.free_devices[taken:]))
    verdict = plan_for(here, waits("j", a_demand(1, 8)), policy=POLICY).verdicts[JOB]
    assert verdict.blocked_by is Blocker.FRAGMENTED
    assert "2 nodes" not in verdict.hint
    at_once = Policy(nearness_patience_s=0.0, pod_patience_s=0.0)
    verdict = plan_for(here, waits("j", a_demand(1, 8)), policy=at_once).verdicts[JOB]
    assert "with 2 nodes × 4 GPUs it would start now" in verdict.hint


def test_where_racks_are_not_known_nobody_waits_for_them() -> None:
    nodes = [replace(node, location=replace(node.location, rack="")) for node in two_pods()]
    busy = [room.node.name for room in rooms(two_pods())][:4]
    assert plan_for(rooms(nodes, busy), waits("j", GANG), policy=POLICY).placements


def test_another_site_where_it_lies_near_is_taken_instead() -> None:
    far = [replace(room, site="one") for room in rooms(two_pods(), SCATTERED)]
    near = [replace(room, site="two") for room in rooms(two_pods())]
    (placement,) = plan_for([*far, *near], waits("j", GANG), policy=POLICY).placements
    assert placement.site == "two"


def test_of_an_array_those_that_lie_near_start_and_the_others_wait() -> None:
    """One rack of a pod is empty, and four nodes are left over in two more."""
    busy = (*(f"qa-{n}" for n in (0, 1)), *(f"qb-{n}" for n in (0, 1)))
    busy += tuple(f"pb-{n}" for n in range(4))
    array = waits("j", GANG, tasks=(0, 1), room=2)
    plan = plan_for_parts(rooms(two_pods(), busy), array)
    assert [one.task for one in plan.placements] == [0]
    assert plan.verdicts[JOB].blocked_by is Blocker.TOPOLOGY


def plan_for_parts(here: list[Room], array: Waiting) -> Plan:
    return make_plan(Snapshot(NOW_NS, 1, tuple(here), (array,)), POLICY)
