"""What every `CalendarStore` promises. Subclass it and give it a `calendar` fixture: new, with
nothing in it, and a `reopened` one: a function that gives what another process would see of it."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING

import pytest

from quarterdeck.basics.errors import Stale
from quarterdeck.core.calendar.booking import Amendment, Booking, Kind, Repeat, State, When
from quarterdeck.ports.calendar import Contents
from quarterdeck.testing.builders import START_NS

if TYPE_CHECKING:
    from collections.abc import Callable

    from quarterdeck.ports.calendar import CalendarStore

WAIT_S_MAX = 30.0
WEEKLY = Booking(
    "b000000002",
    Kind.RESERVATION,
    "Vorführung – 画像 “é”, 'x' %_",
    When(
        "Europe/Berlin",
        datetime(2026, 12, 7, 9, 0, 1),  # noqa: DTZ001 - what the clock there shows
        datetime(2026, 12, 7, 17, 30),  # noqa: DTZ001
        Repeat.WEEKLY,
        (0, 3),
        date(2028, 2, 29),
    ),
    "ada",
    "vision",
    ("ada", "bob@example.org"),
    ("dgx-01", "dgx-02"),
    site="north",
    created_at_ns=START_NS,
    used_ns=2**62,
)
LEASE = Booking(
    "b000000001",
    Kind.LEASE,
    "",
    When("UTC", datetime(2027, 3, 1), datetime(2027, 9, 1)),  # noqa: DTZ001
    "ada",
    "vision",
    count=3,
    gpu_model="A100",
    state=State.APPROVED,
    approved_by="olga",
    amendments=(
        Amendment(datetime(2027, 4, 1), 6, "ada", "olga"),  # noqa: DTZ001
        Amendment(datetime(2027, 5, 1), 0, "ada"),  # noqa: DTZ001
    ),
)


class CalendarConformance:
    """The suite."""

    def test_it_is_empty_at_first(
        self, calendar: CalendarStore, reopened: Callable[[], CalendarStore]
    ) -> None:
        for each in (calendar, reopened()):
            assert each.load() == Contents(0)
            assert each.revision() == 0

    def test_what_was_put_is_there_for_everybody_as_it_was(
        self, calendar: CalendarStore, reopened: Callable[[], CalendarStore]
    ) -> None:
        assert calendar.change(0, put=(WEEKLY, LEASE)) == 1
        for each in (calendar, reopened()):
            assert each.load() == Contents(1, (LEASE, WEEKLY))
            assert each.revision() == 1

    def test_a_change_replaces_forgets_and_leaves_the_others(
        self, calendar: CalendarStore, reopened: Callable[[], CalendarStore]
    ) -> None:
        third = replace(WEEKLY, id="b000000003")
        calendar.change(0, put=(WEEKLY, LEASE, third))
        cancelled = replace(LEASE, state=State.CANCELLED)
        assert calendar.change(1, put=(cancelled,), gone=(WEEKLY.id, "b999999999")) == 2
        assert calendar.load() == reopened().load() == Contents(2, (cancelled, third))

    def test_nobody_writes_over_what_they_have_not_seen(
        self, calendar: CalendarStore, reopened: Callable[[], CalendarStore]
    ) -> None:
        calendar.change(0, put=(WEEKLY,))
        for revision in (0, 2):
            with pytest.raises(Stale):
                reopened().change(revision, put=(LEASE,), gone=(WEEKLY.id,))
        assert calendar.load() == Contents(1, (WEEKLY,))

    def test_of_changes_at_the_same_time_one_is_kept(
        self, calendar: CalendarStore, reopened: Callable[[], CalendarStore]
    ) -> None:
        stores = [calendar, *(reopened() for _ in range(3))]
        kept: list[str] = []
        barrier = threading.Barrier(len(stores))

        def work(number: int) -> None:
            mine = replace(WEEKLY, id=f"b00000000{number}")
            barrier.wait(WAIT_S_MAX)
            try:
                stores[number].change(0, put=(mine,))
            except Stale:
                return
            kept.append(mine.id)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(len(stores))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT_S_MAX)
        assert [one.id for one in calendar.load().bookings] == kept
        assert calendar.revision() == len(kept) == 1
