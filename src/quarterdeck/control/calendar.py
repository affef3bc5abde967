"""What the calendar asks for as time goes on: nodes in maintenance are drained, and a reservation
that its owner uses is not given back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.control.steps import take_events
from quarterdeck.core.calendar.booking import Kind, State
from quarterdeck.core.calendar.occurrences import over_ns
from quarterdeck.core.jobs import decide
from quarterdeck.core.scheduling.bookings import find_unmarked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quarterdeck.basics.ids import JobId
    from quarterdeck.control.agenda import Agenda
    from quarterdeck.control.plane import ControlPlane
    from quarterdeck.core.calendar.booking import Booking
    from quarterdeck.core.calendar.occurrences import Occurrence
    from quarterdeck.ports.store import Transaction

KEPT_S: Final = 366 * 86_400.0
ACTOR: Final = "calendar"
"""Who stops jobs when a maintenance begins."""


def keep_calendar(plane: ControlPlane) -> bool:
    """Do what is due now; says whether any job was stopped. Both are levels: what was cut off is
    done by the next turn."""
    if plane.agenda is None:
        return False
    now_ns = plane.clock.now_ns()
    times = [time for time in plane.agenda.times(now_ns) if time.start_ns <= now_ns < time.end_ns]
    if not times:
        return False
    plane.board.catch_up()
    _mark_used(plane, plane.agenda, times, now_ns)
    drained = [_drain(plane, one, now_ns) for one in times if one.kind is Kind.MAINTENANCE]
    return any(drained)


def forget_old(agenda: Agenda, now_ns: int) -> None:
    """Forget bookings that are over for good since a year, and those cancelled that were never to
    end once they are as old."""
    before_ns = now_ns - int(KEPT_S * NS_PER_S)

    def is_old(one: Booking) -> bool:
        end_ns = over_ns(one)
        if end_ns is None:
            return one.state is State.CANCELLED and one.created_at_ns < before_ns
        return end_ns < before_ns

    agenda.forget([one.id for one in agenda.bookings.values() if is_old(one)])


def _mark_used(
    plane: ControlPlane, agenda: Agenda, times: Sequence[Occurrence], now_ns: int
) -> None:
    """Kept at once: a server that is killed and started again gives nothing back that was used."""
    if all(time.is_used or time.kind is not Kind.RESERVATION for time in times):
        return
    held, release_s = plane.board.list_held(now_ns), plane.policy.release_after_s
    unmarked = find_unmarked(times, held, now_ns, release_s)
    used = {time.booking_id: time.start_ns for time in unmarked}
    if not used:
        return

    def work(bookings: Mapping[str, Booking]) -> tuple[list[Booking], None]:
        known = [bookings[one] for one in used if one in bookings]
        return [replace(one, used_ns=used[one.id]) for one in known], None

    agenda.change(work)


def _drain(plane: ControlPlane, time: Occurrence, now_ns: int) -> bool:
    """Stop what runs on its nodes, with its grace and counted as no failure: `decide.evict`."""
    jobs: dict[JobId, list[str]] = {}
    for room in plane.board.list_free():
        if room.node.name in time.nodes and time.site in ("", room.site):
            for job_id, _ in plane.board.list_holds(room.site, room.node.name):
                jobs.setdefault(job_id, []).append(room.node.name)
    running = {
        job_id: nodes
        for job_id, nodes in jobs.items()
        if (job := plane.board.find_job(job_id)) is not None
        and any(live.stop is None for live in job.live_attempts)
    }
    if not running:
        return False

    def work(tx: Transaction) -> bool:
        stopped = False
        for job_id, nodes in running.items():
            for node in nodes:
                job = tx.find_job(job_id)
                if job is None:
                    break
                events = decide.evict(job, node, ACTOR, f"maintenance {time.booking_id}", now_ns)
                if events:
                    take_events(tx, job, events)
                    stopped = True
        return stopped

    stopped = plane.store.transact(work)
    if stopped:
        plane.board.catch_up()
        plane.changed.ring()
        plane.wished.ring()
    return stopped
