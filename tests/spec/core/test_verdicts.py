"""Why a job waits: the numbers are right, and what is promised is true."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarterdeck.basics.ids import JobId
from quarterdeck.basics.quantities import GIB
from quarterdeck.core.cluster.demand import Demand, Resources
from quarterdeck.core.cluster.gpus import parse_gpus
from quarterdeck.core.cluster.hardware import NodeState
from quarterdeck.core.cluster.room import Room
from quarterdeck.core.scheduling.holders import HOLDERS_SHOWN_MAX
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.plan import Blocker, Verdict
from quarterdeck.core.scheduling.snapshot import Holder, Policy, Snapshot, Waiting
from quarterdeck.core.scheduling.verdicts import never_fits
from quarterdeck.testing.builders import START_NS, a_demand, a_dgx, a_node
from tests.oracles.changes import changed_as_promised
from tests.oracles.rooms import less

JOB = JobId("j1")


def plan_alone(rooms: Iterable[Room], demand: Demand, *holders: Holder) -> Verdict | None:
    """The verdict of a job that waits alone; None when it is placed."""
    waiting = Waiting(JOB, demand, 0, START_NS)
    snapshot = Snapshot(START_NS, 1, tuple(rooms), (waiting,), holders)
    return make_plan(snapshot, Policy()).verdicts.get(JOB)


def verdict_of(rooms: Iterable[Room], demand: Demand, *holders: Holder) -> Verdict:
    verdict = plan_alone(rooms, demand, *holders)
    assert verdict is not None
    return verdict


def a_room(
    name: str = "a", used: int = 0, *, cpus: int = 1, down: bool = False, site: str = "local"
) -> Room:
    """A DGX with so many GPUs used, and as many CPUs."""
    room = Room.empty(site, a_dgx(name, state=NodeState.DOWN if down else NodeState.READY))
    return less(room, Resources(used, None, cpus)) if used else room


def test_the_numbers_are_those_of_the_site() -> None:
    rooms = [a_room("a"), a_room("b", 5), a_room("c", 8), a_room("d", down=True)]
    verdict = verdict_of([*rooms, Room.empty("local", a_node("cpu-only"))], a_demand(4, 8))
    assert verdict.blocked_by is Blocker.NO_CAPACITY
    assert verdict.numbers == {
        "nodes_wanted": 4,
        "nodes_free_now": 1,
        "nodes_able": 4,
        "nodes_down": 1,
        "nodes_cordoned": 0,
        "gpus_cordoned": 0,
        "gpus_wanted": 32,
        "gpus_free_now": 11,
        "gpus_total": 32,
        "largest_free_gpus_on_a_node": 8,
    }
    assert verdict.message == (
        "waiting for 4 nodes × 8 GPUs: 1 of the 4 nodes needed is free now at site local "
        "(4 could fit it); 11 of 32 GPUs are free; 1 node is down"
    )


def test_what_is_free_on_a_node_that_is_down_is_not_free() -> None:
    verdict = verdict_of([a_room("a", 6), a_room("b", down=True)], a_demand(1, 8))
    assert verdict.numbers["gpus_free_now"] == 2
    assert verdict.numbers["largest_free_gpus_on_a_node"] == 2


def test_fewer_nodes_would_start_now() -> None:
    verdict = verdict_of([a_room("a"), a_room("b", 1)], a_demand(2, 8))
    assert verdict.hint == "with 1 node instead of 2 it would start now"


def test_fewer_gpus_would_start_now() -> None:
    verdict = verdict_of([a_room("a", 3), a_room("b", 5)], a_demand(1, 8))
    assert verdict.hint == "with 5 GPUs per node instead of 8 it would start now"


def test_fewer_gpus_are_what_every_node_of_the_gang_has_free() -> None:
    verdict = verdict_of([a_room("a", 3), a_room("b", 5)], a_demand(2, 8))
    assert verdict.hint == "with 3 GPUs per node instead of 8 it would start now"


@pytest.mark.parametrize(
    ("rooms", "demand"),
    [
        pytest.param([a_room(down=True)], a_demand(1, 8), id="the free GPUs are on a node down"),
        pytest.param([a_room("a", 2, cpus=250)], a_demand(1, 8, cpus=16), id="its CPUs are taken"),
        pytest.param([a_room("a", 8)], a_demand(1, 8), id="no GPU is free"),
    ],
)
def test_nothing_is_promised_that_would_not_start(rooms: list[Room], demand: Demand) -> None:
    assert "would start now" not in verdict_of(rooms, demand).hint


@st.composite
def some_rooms(draw: st.DrawFn) -> list[Room]:
    rooms = []
    for number in range(draw(st.integers(1, 5))):
        node = a_node(
            f"n{number}",
            gpus=draw(st.integers(0, 4)),
            cpus=draw(st.integers(1, 6)),
            memory_bytes=draw(st.integers(1, 4)) * GIB,
            state=draw(st.sampled_from((NodeState.READY, NodeState.READY, NodeState.DOWN))),
        )
        room = Room.empty(draw(st.sampled_from(("one", "two"))), node)
        rooms.append(
            replace(
                room,
                free_devices=room.free_devices[draw(st.integers(0, 4)) :],
                free_cpus=draw(st.integers(0, node.cpus)),
                free_memory_bytes=draw(st.integers(0, node.memory_bytes // GIB)) * GIB,
            )
        )
    return rooms


DEMANDS = st.builds(
    Demand,
    st.integers(1, 4),
    st.builds(
        Resources,
        st.integers(0, 5),
        st.sampled_from((None, "A100", "A10")),
        st.integers(1, 6),
        st.integers(0, 4).map(lambda gib: gib * GIB),
    ),
    st.sampled_from((None, None, "one", "three")),
)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(some_rooms(), DEMANDS)
def test_every_promise_is_true_and_every_number_adds_up(rooms: list[Room], demand: Demand) -> None:
    verdict = plan_alone(rooms, demand)
    if verdict is None:
        return
    assert verdict.message
    assert verdict.hint
    changed = changed_as_promised(demand, verdict)
    if changed is not None:
        assert plan_alone(rooms, changed) is None
    if verdict.blocked_by is Blocker.UNSATISFIABLE:
        emptied = [Room.empty(one.site, replace(one.node, state=NodeState.READY)) for one in rooms]
        assert plan_alone(emptied, demand) is not None
        return
    numbers = verdict.numbers
    assert numbers["nodes_free_now"] < numbers["nodes_wanted"] <= numbers["nodes_able"]
    assert numbers["nodes_free_now"] + numbers["nodes_down"] <= numbers["nodes_able"]
    assert numbers["largest_free_gpus_on_a_node"] <= numbers["gpus_free_now"]
    assert numbers["gpus_free_now"] <= numbers["gpus_total"]


def test_holders_are_named_largest_first_and_not_too_many() -> None:
    holders = [Holder(JobId(f"h{n}"), "local", 1, n, 1) for n in range(8)]
    elsewhere = Holder(JobId("far"), "other", 1, 99, 1)
    verdict = verdict_of([a_room("a", 8)], a_demand(1, 8), *holders, elsewhere)
    assert verdict.held_by == ("h7", "h6", "h5", "h4", "h3")
    assert len(verdict.held_by) == HOLDERS_SHOWN_MAX
    assert "h7" in verdict.hint


def test_who_waits_for_cpus_is_told_who_holds_them() -> None:
    room = Room.empty("local", a_node("n", cpus=4))
    room = less(room, Resources(cpus=4))
    verdict = verdict_of([room], a_demand(cpus=2), Holder(JobId("h"), "local", 1, 0, 4))
    assert verdict.held_by == ("h",)
    assert "GPU" not in verdict.message


NEVER = {
    "too many GPUs": (a_demand(1, 9), "9 GPUs on one node wanted, but the largest node has 8"),
    "too many CPUs": (a_demand(1, 1, cpus=999), "999 CPUs on one node wanted"),
    "too much memory": (a_demand(1, 1, memory_bytes=2 * 2**40), "2TiB on one node wanted"),
    "too many nodes": (a_demand(3, 8), "3 nodes wanted, but only 2"),
    "another model": (a_demand(1, 1, gpu_model="H100"), "no node has a H100 GPU"),
    "another site": (Demand(site="moon"), "there is no site 'moon'"),
}


@pytest.mark.parametrize(("demand", "message"), NEVER.values(), ids=NEVER)
def test_what_can_never_fit_is_told_the_first_need_that_fails(demand: Demand, message: str) -> None:
    rooms = [a_room("a", 8), a_room("b", down=True), Room.empty("local", a_node("n"))]
    never = never_fits(demand, rooms)
    assert never is not None
    assert never.blocked_by is Blocker.UNSATISFIABLE
    assert message in never.message
    assert never.hint
    assert verdict_of(rooms, demand).message == never.message


def test_needs_that_no_single_node_has_together_are_told_so() -> None:
    rooms = [Room.empty("local", a_node("a", gpus=4, cpus=2)), Room.empty("local", a_dgx("b"))]
    rooms[1] = Room.empty("local", a_dgx("b", memory_bytes=GIB))
    never = never_fits(a_demand(1, 4, cpus=16, memory_bytes=2 * GIB), rooms)
    assert never is not None
    assert "together" in never.message


def test_of_an_array_that_starts_in_part_no_change_is_proposed() -> None:
    """With 2 nodes × 1 GPU the next task would start, and the one that does now would not."""
    rooms = [a_room("a", 7), a_room("b", 5)]
    tasks = Waiting(JOB, a_demand(1, 2), 0, START_NS, tasks=(0, 1), room=2)
    plan = make_plan(Snapshot(START_NS, 1, tuple(rooms), (tasks,)), Policy())
    assert [one.task for one in plan.placements] == [0]
    assert (plan.verdicts[JOB].hint, plan.verdicts[JOB].change) == ("", ())


def test_what_is_only_busy_or_down_can_fit_some_day() -> None:
    assert never_fits(a_demand(2, 8), [a_room("a", 8), a_room("b", down=True)]) is None


def test_where_no_node_gives_parts_of_gpus_a_share_is_never_placed_and_told_so() -> None:
    half = Demand(1, parse_gpus("share-50%:1"))
    slurm = Room.empty("hpc", a_dgx("n1", whole_gpus_only=True))
    verdict = verdict_of([slurm], half)
    assert verdict.blocked_by is Blocker.UNSATISFIABLE
    assert verdict.message == "share-50% wanted, and no node gives parts of GPUs"
    assert "ask for whole GPUs" in verdict.hint
    told = never_fits(half, [slurm])
    assert told is not None
    assert told.message == verdict.message
    assert plan_alone([slurm], a_demand(1, 8)) is None
    assert plan_alone([slurm, a_room("own")], half) is None
