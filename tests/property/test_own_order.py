"""Whatever somebody does with the order of their own jobs, nobody else comes earlier or later."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.cluster.demand import Grant
from quarterdeck.core.cluster.room import Room
from quarterdeck.core.scheduling.allowances import Allowance, Party
from quarterdeck.core.scheduling.order import order_of
from quarterdeck.core.scheduling.own_order import exchanged
from quarterdeck.core.scheduling.pools import Pool
from quarterdeck.core.scheduling.snapshot import Order, Policy, Running, Snapshot, Waiting
from quarterdeck.testing.builders import START_NS, a_demand, a_dgx, a_job_id

ME, TEAM = "ada", "red"
POOLS = (Pool("red", weight=2.0), Pool("blue"))
ROOMS = tuple(Room.empty("local", a_dgx(f"n{number}")) for number in range(4))
STEADY = (Order.FIRST_COME, Order.FAIR_SHARE)
"""Here a person's places keep their order among each other, whatever happens meanwhile."""
ORDERS = st.sampled_from(Order)


@st.composite
def a_waiting(draw: st.DrawFn) -> Waiting:
    """Often mine, in my team and of one priority; the id is given later."""
    tasks = draw(st.sampled_from((0, 0, 0, 1, 3)))
    return Waiting(
        a_job_id(0),
        a_demand(draw(st.integers(1, 2)), draw(st.sampled_from((0, 1, 2, 8)))),
        draw(st.sampled_from((0, 0, 0, 1))),
        START_NS - draw(st.integers(0, 5)) * 900 * NS_PER_S,
        tasks=tuple(range(tasks)) if tasks else (None,),
        room=tasks or 1,
        team=draw(st.sampled_from((TEAM, TEAM, "blue"))),
        owner=draw(st.sampled_from((ME, ME, "bob"))),
        expected_s=draw(st.sampled_from((None, 60.0, 3600.0, 86_400.0))),
        served_gpu_s=draw(st.sampled_from((0.0, 0.0, 1e5, 1e7))),
    )


def numbered(waiting: list[Waiting]) -> list[Waiting]:
    return [replace(one, job_id=a_job_id(number)) for number, one in enumerate(waiting, start=1)]


QUEUES = st.lists(a_waiting(), min_size=2, max_size=10).map(numbered)


def held(owner: str, team: str, gpus: int) -> Running:
    grant = (Grant("n1", tuple(f"GPU-{owner}-{n}" for n in range(gpus))),)
    return Running(
        a_job_id(900), "local", a_demand(1, gpus), grant, 0, 0, 0, 0.0, team=team, owner=owner
    )


def a_snapshot(queue: list[Waiting], now_ns: int = START_NS, *running: Running) -> Snapshot:
    late: dict[Party, Allowance] = {}
    if len(queue) % 2:
        late["owner", "bob"] = Allowance(is_late=True)
    return Snapshot(now_ns, 1, ROOMS, tuple(queue), allowances=late, running=running)


def in_order(snapshot: Snapshot, policy: Policy) -> list[Waiting]:
    return sorted(snapshot.waiting, key=order_of(snapshot, policy))


def is_mine(one: Waiting) -> bool:
    return (one.owner, one.team, one.priority) == (ME, TEAM, 0)


def reordered(
    snapshot: Snapshot, wanted: list[Waiting], policy: Policy, *, is_reset: bool = False
) -> list[Waiting]:
    """The queue of the snapshot afterwards."""
    taken = exchanged(wanted, snapshot, policy, is_reset=is_reset)
    return [
        replace(one, queue_place=taken[one.job_id]) if one.job_id in taken else one
        for one in snapshot.waiting
    ]


@given(queue=QUEUES, order=ORDERS, data=st.data())
def test_mine_take_the_places_that_they_had_in_the_order_that_i_want(
    queue: list[Waiting], order: Order, data: st.DataObject
) -> None:
    policy, running = Policy(order=order, pools=POOLS), (held("bob", TEAM, 4), held("x", "blue", 2))
    for _ in range(data.draw(st.integers(1, 3))):
        mine = data.draw(st.permutations([one for one in queue if is_mine(one)]))
        wanted = mine[: data.draw(st.integers(0, len(mine)))]
        named = {one.job_id for one in wanted}
        seen = a_snapshot(queue, START_NS, *running)
        before = [one.job_id for one in in_order(seen, policy)]
        queue = reordered(seen, wanted, policy)
        after = [one.job_id for one in in_order(a_snapshot(queue, START_NS, *running), policy)]
        of_others = [(place, one) for place, one in enumerate(before) if one not in named]
        assert of_others == [(place, one) for place, one in enumerate(after) if one not in named]
        assert [one for one in after if one in named] == [one.job_id for one in wanted]


@given(queue=QUEUES, order=ORDERS, data=st.data())
def test_a_reset_of_all_that_changed_places_is_as_if_nothing_had_been(
    queue: list[Waiting], order: Order, data: st.DataObject
) -> None:
    policy = Policy(order=order, pools=POOLS)
    changed = queue
    for _ in range(2):
        mine = data.draw(st.permutations([one for one in changed if is_mine(one)]))
        changed = reordered(a_snapshot(changed), mine, policy)
    mine = [one for one in changed if is_mine(one)]
    back = reordered(a_snapshot(changed), mine, policy, is_reset=True)
    assert [one.place for one in back] == [one.place for one in queue]


@given(
    queue=QUEUES,
    later=QUEUES,
    order=st.sampled_from((Order.FIRST_COME, Order.SHORTEST)),
    data=st.data(),
)
def test_nor_do_others_come_earlier_or_later_once_some_of_mine_have_started(
    queue: list[Waiting], later: list[Waiting], order: Order, data: st.DataObject
) -> None:
    """The queue is served one by one while time passes and others come, and I order mine anew and
    anew. Everybody else starts at the same step as if I had never done so: a place that was used
    by one of mine is gone for the others of mine."""
    policy, now_ns = Policy(order=order), START_NS
    plain, mixed = list(queue), list(queue)
    coming = [
        replace(one, job_id=a_job_id(100 + number), submitted_at_ns=START_NS + number * NS_PER_S)
        for number, one in enumerate(later)
    ]
    while mixed:
        mine = data.draw(st.permutations([one for one in mixed if is_mine(one)]))
        wanted = mine[: data.draw(st.integers(0, len(mine)))]
        mixed = reordered(a_snapshot(mixed, now_ns), wanted, policy)
        expected = in_order(a_snapshot(plain, now_ns), policy)[0]
        started = in_order(a_snapshot(mixed, now_ns), policy)[0]
        assert started.job_id == expected.job_id or (is_mine(started) and is_mine(expected))
        plain.remove(expected)
        mixed.remove(started)
        now_ns += data.draw(st.sampled_from((1, 600, 90_000))) * NS_PER_S
        if coming:
            one = coming.pop()
            plain.append(one)
            mixed.append(one)


@given(queue=QUEUES, order=st.sampled_from(STEADY), data=st.data())
def test_mine_start_in_the_order_that_i_want(
    queue: list[Waiting], order: Order, data: st.DataObject
) -> None:
    policy, now_ns = Policy(order=order, pools=POOLS), START_NS
    wanted = data.draw(st.permutations([one for one in queue if is_mine(one)]))
    queue = reordered(a_snapshot(queue, now_ns), wanted, policy)
    started: list[Running] = []
    while queue:
        first = in_order(a_snapshot(queue, now_ns, *started), policy)[0]
        queue.remove(first)
        started.append(replace(held(first.owner, first.team, 1), job_id=first.job_id))
        now_ns += 3600 * NS_PER_S
    named = {one.job_id for one in wanted}
    assert [one.job_id for one in started if one.job_id in named] == [one.job_id for one in wanted]
