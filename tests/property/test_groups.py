"""A gang of several groups is placed whole, near to itself, or not at all."""

from __future__ import annotations

from random import Random

import pytest

from quarterdeck.basics.ids import JobId
from quarterdeck.basics.quantities import GIB
from quarterdeck.core.cluster.demand import Demand, Grant, Group, Level, Resources, Wish
from quarterdeck.core.cluster.hardware import Location, Node
from quarterdeck.core.cluster.room import Room, room_of
from quarterdeck.core.scheduling.capacity import capacity_of
from quarterdeck.core.scheduling.fragments import typical_of
from quarterdeck.core.scheduling.free import Free
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.placer import Placer
from quarterdeck.core.scheduling.plan import Blocker, Plan
from quarterdeck.core.scheduling.snapshot import Policy, Snapshot, Waiting
from quarterdeck.testing.builders import START_NS, a_dgx, a_node
from tests.oracles.changes import changed_as_promised

JOB = JobId("j1")


def a_cluster(chance: Random) -> list[Node]:
    made = []
    for number in range(chance.randint(2, 9)):
        where = Location(f"r{number // 2}", f"su{number // 4}")
        if number == 0 or chance.random() < 0.7:
            made.append(a_dgx(f"n{number}", location=where))
        else:
            made.append(a_node(f"n{number}", cpus=32, memory_bytes=64 * GIB, location=where))
    return made


def a_gang(chance: Random) -> Demand:
    def some(gpus: tuple[int, ...]) -> Resources:
        return Resources(chance.choice(gpus), None, chance.choice((1, 8, 30)), GIB)

    beside = tuple(
        Group(chance.choice((1, 1, 2)), some((0, 0, 1, 2))) for _ in range(chance.randint(1, 2))
    )
    wish = chance.choice((Wish(), Wish(require=Level.UNIT), Wish(require=Level.RACK)))
    return Demand(chance.choice((1, 2, 3)), some((1, 4, 8)), topology=wish, beside=beside)


def plan_for(rooms: list[Room], demand: Demand) -> Plan:
    snapshot = Snapshot(START_NS, 1, tuple(rooms), (Waiting(JOB, demand, 0, START_NS),))
    return make_plan(snapshot, Policy())


@pytest.mark.parametrize("seed", range(150))
def test_a_gang_of_groups_is_placed_whole_or_takes_nothing(seed: int) -> None:
    chance = Random(seed)
    nodes = {node.name: node for node in a_cluster(chance)}
    capacity = capacity_of([room_of("s", node, []) for node in nodes.values()])
    held: list[Grant] = []
    for number in range(12):
        demand = a_gang(chance)
        waiting = (
            Waiting(JobId(f"a{number}"), demand, 0, START_NS),
            Waiting(JobId(f"b{number}"), Demand(1, Resources(1)), 0, START_NS + 1),
        )
        made = make_plan(Snapshot(START_NS, number, capacity, waiting), Policy())
        for placement in made.placements:
            held += placement.grants
            if placement.job_id != waiting[0].job_id:
                continue
            wanted = [part.resources for part in demand.parts for _ in range(part.nodes)]
            assert [grant.cpus for grant in placement.grants] == [one.cpus for one in wanted]
            assert [len(grant.devices) for grant in placement.grants] == [
                one.gpus for one in wanted
            ]
            place = 0
            for part in demand.parts:
                mine = placement.grants[place : place + part.nodes]
                assert len({grant.node for grant in mine}) == part.nodes
                place += part.nodes
            places = {nodes[grant.node].location for grant in placement.grants}
            if demand.topology.require is Level.RACK:
                assert len(places) == 1
            if demand.topology.require is Level.UNIT:
                assert len({one.unit for one in places}) == 1
            assert len(placement.grounds) >= len(demand.parts)
        # room_of asserts that no device is held twice.
        rooms = [
            room_of("s", node, [grant for grant in held if grant.node == name])
            for name, node in nodes.items()
        ]
        assert all(room.free_cpus >= 0 and room.free_memory_bytes >= 0 for room in rooms)
        capacity = capacity.replaced(rooms)
        check_promise(capacity.rooms, demand)
    assert held


def check_promise(rooms: tuple[Room, ...], demand: Demand) -> None:
    verdict = plan_for(list(rooms), demand).verdicts.get(JOB)
    changed = changed_as_promised(demand, verdict) if verdict is not None else None
    if changed is not None:
        assert plan_for(list(rooms), changed).placements


GANG = Demand(2, Resources(8), beside=(Group(1, Resources(cpus=100)),))
AWAY: dict[str, tuple[list[Node], Blocker, str]] = {
    "the first group": ([a_dgx("a"), a_node("c", cpus=128)], Blocker.UNSATISFIABLE, "2 nodes"),
    "what is beside it": ([a_dgx("a", cpus=64), a_dgx("b", cpus=64)], Blocker.UNSATISFIABLE, "100"),
}


@pytest.mark.parametrize(("nodes", "code", "told"), AWAY.values(), ids=AWAY)
def test_the_verdict_is_on_the_group_that_can_never_be_placed(
    nodes: list[Node], code: Blocker, told: str
) -> None:
    verdict = plan_for([Room.empty("s", node) for node in nodes], GANG).verdicts[JOB]
    assert verdict.blocked_by is code
    assert told in verdict.message
    assert "2 nodes × 8 GPUs + 1 node × 100 CPUs" in verdict.message


def test_what_is_beside_comes_as_near_as_there_is_room() -> None:
    def at(rack: str, unit: str) -> Location:
        return Location(rack, unit)

    nodes = [
        a_dgx("a", location=at("r1", "su1"), cpus=16),
        a_dgx("b", location=at("r1", "su1"), cpus=16),
        a_node("far", cpus=128, location=at("r9", "su2")),
        a_node("near", cpus=128, location=at("r2", "su1")),
    ]
    (placement,) = plan_for([Room.empty("s", node) for node in nodes], GANG).placements
    assert [grant.node for grant in placement.grants] == ["a", "b", "near"]
    assert "beside it 1 node × 100 CPUs on near" in " ".join(placement.grounds)


def test_if_the_first_group_would_take_the_only_place_of_another_that_chooses_first() -> None:
    small = [a_dgx("a", cpus=8), a_dgx("b", cpus=130)]
    gang = Demand(1, Resources(4, cpus=8), beside=(Group(1, Resources(8, cpus=100)),))
    (placement,) = plan_for([Room.empty("s", node) for node in small], gang).placements
    assert [grant.node for grant in placement.grants] == ["a", "b"]


def test_groups_that_have_room_one_by_one_only_are_told_so() -> None:
    gang = Demand(1, Resources(8), beside=(Group(1, Resources(4)),))
    verdict = plan_for([Room.empty("s", a_dgx("a"))], gang).verdicts[JOB]
    assert verdict.blocked_by is Blocker.NO_CAPACITY
    assert "each part of it has room, but not all together" in verdict.message


def test_a_gang_that_does_not_fit_leaves_everything_to_the_next() -> None:
    rooms = [Room.empty("s", a_dgx("a"))]
    gang = Waiting(JOB, Demand(1, Resources(8), beside=(Group(1, Resources(4)),)), 0, START_NS)
    whole = Waiting(JobId("j2"), Demand(1, Resources(8, cpus=100)), 0, START_NS)
    made = make_plan(Snapshot(START_NS, 1, tuple(rooms), (gang, whole)), Policy())
    assert [placement.job_id for placement in made.placements] == ["j2"]


def test_a_gang_that_cannot_even_be_tried_takes_nothing_back_from_others() -> None:
    """No rack is known here, so nothing lies within one."""
    rooms = [Room.empty("s", a_dgx(name)) for name in ("a", "b")]
    placer = Placer(Free(capacity_of(rooms), typical_of(())))
    first = Demand(1, Resources(8), beside=(Group(1, Resources(4)),))
    assert placer.place(JOB, first, None) is not None
    racked = Demand(1, Resources(1), topology=Wish(require=Level.RACK), beside=(Group(),))
    assert not placer.could_place(racked, None)
    assert placer.free.gpus_free.tolist() == [0, 4]
