"""When a waiting job starts at the latest, if everything before it has a time limit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.cluster.room import room_of
from quarterdeck.core.scheduling.capacity import capacity_of
from quarterdeck.core.scheduling.latency import START_S
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.order import order_of
from quarterdeck.core.scheduling.others import loans_of, reservations_of
from quarterdeck.core.scheduling.snapshot import Backfill, Order

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.calendar.occurrences import Occurrence
    from quarterdeck.core.cluster.demand import Grant
    from quarterdeck.core.cluster.hardware import Node
    from quarterdeck.core.scheduling.capacity import Capacity
    from quarterdeck.core.scheduling.snapshot import Policy, Snapshot, Waiting


@dataclass(frozen=True, slots=True)
class Hold:
    """What one attempt holds of a site, and when its time limit ends it; None without one. It has
    no job where others of the site hold it."""

    job_id: JobId | None
    site: str
    grants: tuple[Grant, ...]
    ends_at_ns: int | None


@dataclass(frozen=True, slots=True)
class LatestStart:
    """A job starts then at the latest: when this job has reached its time limit. None instead of
    the job is for who may not know of it, and for a job that is not of Quarterdeck."""

    at_ns: int
    when_ended: JobId | None


def latest_start(
    snapshot: Snapshot, holds: Sequence[Hold], job_id: JobId, policy: Policy
) -> LatestStart | None:
    """The first time limit of those that run after which the job is placed; None if that does not
    depend on time limits alone, or if what waits may overtake what waits.

    It holds unless something goes before it that is not there yet: what is in the queue before it
    is placed first, and is taken to run for ever. Nothing is told of who a booking may keep back by
    then.
    """
    if policy.order is not Order.FIRST_COME or policy.guarantees:
        return None
    if policy.backfill is not Backfill.EASY:
        return None  # who is promised nothing yet may have to wait for those who are
    own = next(one for one in snapshot.waiting if one.job_id == job_id)
    order = order_of(snapshot, policy)
    before = tuple(one for one in snapshot.waiting if order(one) <= order(own))
    capacity = capacity_of(snapshot.rooms)
    lent = [Hold(None, loan.site, (loan.grant,), loan.ends_at_ns) for loan in loans_of(capacity)]
    ends = sorted(
        (hold for hold in (*holds, *lent) if hold.ends_at_ns is not None),
        key=lambda hold: (hold.ends_at_ns, hold.job_id or ""),
    )

    def starts_after(count: int) -> bool:
        ended = frozenset(map(id, ends[:count]))
        left = [hold for hold in holds if id(hold) not in ended]
        until_ns = ends[count - 1].ends_at_ns
        rooms = _without(capacity, left, ends[:count], until_ns)
        made = make_plan(replace(snapshot, rooms=rooms, waiting=before), policy)
        return any(placement.job_id == job_id for placement in made.placements)

    low, high = 0, len(ends)
    if high == 0 or not starts_after(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        if starts_after(middle):
            high = middle
        else:
            low = middle
    last = ends[high - 1]
    assert last.ends_at_ns is not None
    at_ns = max(last.ends_at_ns, snapshot.now_ns)
    times = (*snapshot.bookings.times, *reservations_of(capacity))
    if _may_be_kept_back(own, times, at_ns):
        return None
    return LatestStart(at_ns, last.job_id)


def _may_be_kept_back(own: Waiting, times: Iterable[Occurrence], at_ns: int) -> bool:
    """Whether something is booked for others that begins before the job is over if it starts then:
    the plans that were tried knew only what is booked before it would be over now."""
    over_ns = None if own.runs_s is None else at_ns + int((own.runs_s + START_S) * NS_PER_S)
    return any(
        time.meets(at_ns, over_ns) and not time.is_for(own.team, own.owner) for time in times
    )


def _without(
    capacity: Capacity, left: Sequence[Hold], ended: Sequence[Hold], until_ns: int | None
) -> Capacity:
    """What will be free once these have ended; others of the site are those until that time."""
    freed = {(hold.site, grant.node) for hold in ended for grant in hold.grants}
    held: dict[tuple[str, str], list[Grant]] = {place: [] for place in freed}
    for hold in left:
        for grant in hold.grants:
            if (hold.site, grant.node) in held:
                held[hold.site, grant.node].append(grant)
    rows = capacity.fleet.rows
    rooms = (capacity.rooms[rows[place]] for place in sorted(freed) if place in rows)
    return capacity.replaced(
        [
            room_of(
                room.site,
                _left_by_others(room.node, until_ns),
                held[room.site, room.node.name],
                room.cordons,
            )
            for room in rooms
        ]
    )


def _left_by_others(node: Node, until_ns: int | None) -> Node:
    """The node without those of the others that are over by then, the last one included."""
    if not node.others or until_ns is None:
        return node
    left = tuple(
        one
        for one in node.others
        if one.is_reservation or one.ends_at_ns is None or one.ends_at_ns > until_ns
    )
    return replace(node, others=left)
