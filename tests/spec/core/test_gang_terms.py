"""What a site can do for gangs: who asks for more goes elsewhere, or is told that it never can."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quarterdeck.basics.ids import JobId
from quarterdeck.core.cluster.demand import Demand, Group, Level, Resources, Wish
from quarterdeck.core.cluster.hardware import GangTerms, Location
from quarterdeck.core.cluster.parts import gpu_of
from quarterdeck.core.cluster.room import Room
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.plan import Blocker, Placement, Verdict
from quarterdeck.core.scheduling.snapshot import Policy, Snapshot, Waiting
from quarterdeck.core.scheduling.verdicts import never_fits
from quarterdeck.testing.builders import START_NS, a_demand, a_dgx

ALIKE = GangTerms(is_alike=True)
SAME = GangTerms(is_alike=True, has_same_gpus=True)
FEW = GangTerms(nodes_max=2)
JOB = JobId("j1")
UNLIKE = Demand(1, Resources(8), beside=(Group(1, Resources(0, None, 4)),))
TWINS = Demand(1, Resources(2), beside=(Group(2, Resources(2)),))


def site(name: str, nodes: int, terms: GangTerms, *taken: tuple[int, ...]) -> list[Room]:
    """`taken`: the GPUs of each node that others of ours hold, by their places."""
    rooms = []
    for number in range(nodes):
        room = Room.empty(name, a_dgx(f"{name}{number}", gang_terms=terms))
        held = taken[number] if number < len(taken) else ()
        gone = {room.node.devices[place].id for place in held}
        free = tuple(one for one in room.free_devices if one not in gone)
        rooms.append(replace(room, free_devices=free))
    return rooms


def plan(rooms: list[Room], demand: Demand) -> Placement | Verdict:
    waiting = Waiting(JOB, demand, 0, START_NS)
    made = make_plan(Snapshot(START_NS, 1, tuple(rooms), (waiting,)), Policy())
    return made.placements[0] if made.placements else made.verdicts[JOB]


def placed(rooms: list[Room], demand: Demand) -> Placement:
    found = plan(rooms, demand)
    assert isinstance(found, Placement), found
    return found


def refused(rooms: list[Room], demand: Demand) -> Verdict:
    found = plan(rooms, demand)
    assert isinstance(found, Verdict), found
    return found


def places(found: Placement, rooms: list[Room]) -> list[tuple[int, ...]]:
    nodes = {room.node.name: [one.id for one in room.node.devices] for room in rooms}
    return [
        tuple(sorted(nodes[grant.node].index(gpu_of(one)) for one in grant.devices))
        for grant in found.grants
    ]


@pytest.mark.parametrize(
    ("terms", "demand", "told", "hint"),
    [
        (ALIKE, UNLIKE, "its roles need different things", "ask for the same in each role"),
        (FEW, a_demand(3, 8), "site hpc holds at most 2 at a time (nodes_max)", "at most 2 nodes"),
        (FEW, Demand(2, Resources(8), beside=(Group(3, Resources(8)),)), "3 nodes wanted", ""),
        (GangTerms(True, nodes_max=2), TWINS, "3 nodes wanted", ""),
    ],
)
def test_what_a_site_can_never_run_is_told_at_submit_and_by_the_plan(
    terms: GangTerms, demand: Demand, told: str, hint: str
) -> None:
    rooms = site("hpc", 6, terms)
    verdict = refused(rooms, demand)
    assert verdict.blocked_by is Blocker.UNSATISFIABLE
    assert told in verdict.message
    assert hint in verdict.hint
    never = never_fits(demand, rooms)
    assert never is not None
    assert (never.message, never.hint) == (verdict.message, verdict.hint)


@pytest.mark.parametrize(("terms", "demand"), [(ALIKE, UNLIKE), (FEW, a_demand(3, 8))])
def test_it_goes_to_a_site_that_can_and_waits_for_that_one_alone(
    terms: GangTerms, demand: Demand
) -> None:
    able = site("own", 3, GangTerms())
    rooms = [*site("hpc", 6, terms), *able]
    assert placed(rooms, demand).site == "own"
    assert never_fits(demand, rooms) is None
    busy = [*site("hpc", 6, terms), *site("own", 3, GangTerms(), *[(0,)] * 3)]
    assert refused(busy, demand).blocked_by is not Blocker.UNSATISFIABLE
    assert "own" in refused(busy, demand).message


def test_where_no_other_site_ever_does_the_limit_of_this_one_is_told_too() -> None:
    rooms = [*site("hpc", 6, FEW), *site("own", 1, GangTerms())]
    told = refused(rooms, a_demand(3, 8))
    assert told.blocked_by is Blocker.UNSATISFIABLE
    assert "only 1 of site own's 1 nodes" in told.message
    assert "site hpc holds at most 2" in told.message
    assert "nodes_max of site hpc" in told.hint


def test_a_gang_of_as_many_nodes_as_are_held_at_a_time_is_placed() -> None:
    assert len(placed(site("hpc", 6, FEW), a_demand(2, 8)).grants) == 2


def test_roles_that_need_the_same_get_a_node_each() -> None:
    both = [placed(site("hpc", 3, terms), TWINS) for terms in (GangTerms(), ALIKE)]
    assert [len({grant.node for grant in one.grants}) for one in both] == [2, 3]
    assert refused(site("hpc", 2, ALIKE), TWINS).blocked_by is Blocker.UNSATISFIABLE


def test_the_nodes_of_a_gang_give_the_same_gpus() -> None:
    rooms = site("hpc", 2, SAME, (0, 1), (2, 3))
    assert places(placed(rooms, a_demand(2, 2)), rooms) == [(4, 5), (4, 5)]
    loose = site("hpc", 2, ALIKE, (0, 1), (2, 3))
    assert places(placed(loose, a_demand(2, 2)), loose) == [(2, 3), (0, 1)]


def test_so_do_those_of_all_its_roles() -> None:
    rooms = site("hpc", 3, SAME, (0, 1), (2, 3), (4, 5))
    assert places(placed(rooms, TWINS), rooms) == [(6, 7)] * 3


def test_one_node_alone_and_a_gang_without_gpus_are_as_free_as_before() -> None:
    rooms = site("hpc", 2, SAME, tuple(range(7)), tuple(range(1, 8)))
    assert places(placed(rooms, a_demand(1, 1)), rooms) in ([(7,)], [(0,)])
    assert len(placed(rooms, a_demand(2, 0)).grants) == 2


def test_gpus_that_are_free_but_not_the_same_ones_are_told_so() -> None:
    told = refused(site("hpc", 2, SAME, (0, 1, 2, 3), (4, 5, 6, 7)), a_demand(2, 4))
    assert told.blocked_by is Blocker.FRAGMENTED
    assert "2 of the 2 nodes needed are free now" in told.message
    assert "not the same GPUs of each" in told.message
    assert never_fits(a_demand(2, 4), site("hpc", 2, SAME)) is None


def test_of_the_gpus_that_all_have_those_of_the_nearest_nodes_are_taken() -> None:
    """0 and 1 are free in two racks, 6 and 7 in one."""
    rooms = site("hpc", 3, SAME, (2, 3, 4, 5), (2, 3, 4, 5, 6, 7), (0, 1, 2, 3, 4, 5))
    racks = ("a", "b", "a")
    rooms = [
        replace(room, node=replace(room.node, location=Location(rack)))
        for room, rack in zip(rooms, racks, strict=True)
    ]
    found = placed(rooms, a_demand(2, 2))
    assert [grant.node for grant in found.grants] == ["hpc0", "hpc2"]
    assert places(found, rooms) == [(6, 7), (6, 7)]
    same_rail = replace(a_demand(2, 2), topology=Wish(require=Level.RACK))
    assert places(placed(rooms, same_rail), rooms) == [(6, 7), (6, 7)]
