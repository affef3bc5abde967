"""When a job starts at the latest, told by the time limits of what runs."""

from __future__ import annotations

from dataclasses import replace

from quarterdeck.basics.ids import JobId
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.cluster.demand import Demand, Grant
from quarterdeck.core.cluster.hardware import Cordon
from quarterdeck.core.cluster.room import room_of
from quarterdeck.core.scheduling.forecast import Hold, LatestStart, latest_start
from quarterdeck.core.scheduling.snapshot import Order, Policy, Snapshot, Waiting
from quarterdeck.testing.builders import START_NS, a_demand, a_dgx

NODES = [a_dgx(name) for name in ("a", "b", "c")]
HOUR_NS = 3600 * NS_PER_S


def holds(*ends_h: float | None) -> list[Hold]:
    """Each of the first nodes is held whole, until so many hours from now."""
    return [
        Hold(
            JobId(f"on-{node.name}"),
            "local",
            (Grant(node.name, tuple(device.id for device in node.devices)),),
            None if end_h is None else START_NS + int(end_h * HOUR_NS),
        )
        for node, end_h in zip(NODES, ends_h, strict=False)
    ]


def told(
    demand: Demand, held: list[Hold], *before: Waiting, order: Order = Order.FIRST_COME
) -> LatestStart | None:
    rooms = [
        room_of(
            "local",
            node,
            [grant for hold in held for grant in hold.grants if grant.node == node.name],
        )
        for node in NODES
    ]
    own = Waiting(JobId("own"), demand, 0, START_NS)
    snapshot = Snapshot(START_NS, 1, tuple(rooms), (*before, own))
    return latest_start(snapshot, held, JobId("own"), Policy(order=order))


def test_it_is_the_first_end_that_makes_room_enough() -> None:
    held = holds(3, 1, 2)
    at = [told(a_demand(count, 8), held) for count in (1, 2, 3)]
    assert [one.at_ns - START_NS if one else 0 for one in at] == [HOUR_NS, 2 * HOUR_NS, 3 * HOUR_NS]
    assert [one.when_ended if one else "" for one in at] == ["on-b", "on-c", "on-a"]


def test_nothing_is_told_when_it_waits_for_what_has_no_limit() -> None:
    assert told(a_demand(2, 8), holds(1, None, None)) is None
    assert told(a_demand(1, 8), holds(None, None, None)) is None


def test_nothing_is_told_where_who_waits_may_be_overtaken() -> None:
    assert told(a_demand(1, 8), holds(3, 1, 2)) is not None
    assert told(a_demand(1, 8), holds(3, 1, 2), order=Order.SHORTEST) is None


def test_a_limit_that_is_over_is_now() -> None:
    """The grace is over too, so it ends any moment."""
    found = told(a_demand(1, 8), holds(-1, 2, 2))
    assert found is not None
    assert found.at_ns == START_NS


def test_what_is_before_it_in_the_queue_takes_its_part_first() -> None:
    first = Waiting(JobId("first"), a_demand(1, 8), 1, START_NS)
    found = told(a_demand(1, 8), holds(1, 2, 3), first)
    assert found is not None
    assert found.when_ended == "on-b"
    assert told(a_demand(3, 8), holds(1, 2, 3), first) is None


def test_what_is_behind_it_does_not() -> None:
    later = Waiting(JobId("later"), a_demand(1, 8), 0, START_NS + 1)
    assert told(a_demand(3, 8), holds(1, 2, 3), later) is not None


def test_a_cordoned_node_does_not_come_free() -> None:
    held = holds(1, 2, 3)
    rooms = tuple(
        room_of("local", node, hold.grants, (Cordon(node.name, None, "fan", "ada", 0),))
        if node.name == "a"
        else room_of("local", node, hold.grants)
        for node, hold in zip(NODES, held, strict=True)
    )
    own = Waiting(JobId("own"), a_demand(1, 8), 0, START_NS)
    snapshot = Snapshot(START_NS, 1, rooms, (own,))
    found = latest_start(snapshot, held, JobId("own"), Policy())
    assert found is not None
    assert found.when_ended == "on-b"
    bigger = replace(snapshot, waiting=(replace(own, demand=a_demand(3, 8)),))
    assert latest_start(bigger, held, JobId("own"), Policy()) is None
