"""When a booking binds: nine o'clock stays nine o'clock, whatever clocks do in between."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from quarterdeck.basics.errors import Invalid
from quarterdeck.basics.times import NS_PER_S, to_iso
from quarterdeck.core.calendar.booking import Amendment, Kind, Repeat, State
from quarterdeck.core.calendar.occurrences import binding, occurrences
from quarterdeck.core.calendar.window import DAY_NS, Window
from quarterdeck.core.calendar.zones import say_span, say_when, zone_of
from tests.spec.core.calendar.made import HOUR_NS, a_booking, at, ns, when

YEAR = (ns("2026-01-01 00:00"), ns("2028-01-01 00:00"))


def told(booking: Any, span: tuple[int, int] = YEAR) -> list[tuple[str, str]]:
    """In UTC, to the minute."""
    return [
        (to_iso(time.start_ns)[:16], to_iso(time.end_ns)[:16])
        for time in occurrences(booking, *span)
    ]


def test_a_weekly_nine_o_clock_stays_nine_o_clock_when_clocks_change() -> None:
    """Berlin leaves summer time on 25 October 2026 and comes back to it on 28 March 2027."""
    weekly = a_booking(
        times=when(
            "2026-10-19 09:00", "2026-10-19 17:00", repeat=Repeat.WEEKLY, until=date(2026, 11, 2)
        )
    )
    assert told(weekly) == [
        ("2026-10-19T07:00", "2026-10-19T15:00"),
        ("2026-10-26T08:00", "2026-10-26T16:00"),
        ("2026-11-02T08:00", "2026-11-02T16:00"),
    ]


def test_weekdays_begin_with_the_first_one_from_the_start_on() -> None:
    """7 December 2026 is a Monday."""
    on = a_booking(
        times=when(
            "2026-12-08 09:00",
            "2026-12-08 10:00",
            "UTC",
            repeat=Repeat.WEEKLY,
            weekdays=(0, 3),
            until=date(2026, 12, 17),
        )
    )
    assert [start[:10] for start, _ in told(on)] == ["2026-12-10", "2026-12-14", "2026-12-17"]


def test_a_daily_one_goes_over_the_ends_of_months_and_into_leap_days() -> None:
    daily = a_booking(
        times=when(
            "2028-02-28 23:00",
            "2028-02-29 01:00",
            "UTC",
            repeat=Repeat.DAILY,
            until=date(2028, 3, 1),
        )
    )
    assert told(daily, (0, 2**62)) == [
        ("2028-02-28T23:00", "2028-02-29T01:00"),
        ("2028-02-29T23:00", "2028-03-01T01:00"),
        ("2028-03-01T23:00", "2028-03-02T01:00"),
    ]


@pytest.mark.parametrize(
    ("start", "end", "found"),
    [
        # 02:00 to 03:00 is not there on 28 March 2027, and is there twice on 31 October.
        ("02:00", "03:00", None),
        ("01:00", "02:30", ("2027-03-28T00:00", "2027-03-28T01:30")),
        ("02:30", "04:00", ("2027-03-28T01:30", "2027-03-28T02:00")),
        ("01:00", "04:00", ("2027-03-28T00:00", "2027-03-28T02:00")),
    ],
)
def test_an_hour_that_clocks_skip_is_not_booked(
    start: str, end: str, found: tuple[str, str] | None
) -> None:
    daily = a_booking(
        times=when(
            f"2027-03-27 {start}", f"2027-03-27 {end}", repeat=Repeat.DAILY, until=date(2027, 3, 29)
        )
    )
    times = told(daily)
    assert len(times) == (3 if found else 2)
    if found:
        assert times[1] == found


def test_an_hour_that_clocks_show_twice_is_booked_both_times() -> None:
    one = a_booking(times=when("2027-10-31 02:00", "2027-10-31 03:00"))
    assert told(one) == [("2027-10-31T00:00", "2027-10-31T02:00")]
    early = a_booking(times=when("2027-10-31 01:00", "2027-10-31 02:30"))
    assert told(early) == [("2027-10-30T23:00", "2027-10-31T00:30")]


def test_a_booking_that_would_last_no_time_is_refused() -> None:
    with pytest.raises(Invalid, match="put forward") as refused:
        when("2027-03-28 02:00", "2027-03-28 03:00")
    assert refused.value.field == "end"


def test_only_times_that_reach_into_the_span_are_found() -> None:
    daily = a_booking(
        times=when("2026-12-01 09:00", "2026-12-01 17:00", "UTC", repeat=Repeat.DAILY)
    )
    noon = ns("2026-12-05 12:00", "UTC")
    assert told(daily, (noon, noon + 1)) == [("2026-12-05T09:00", "2026-12-05T17:00")]
    five = ns("2026-12-05 17:00", "UTC")
    assert told(daily, (five, five + 16 * HOUR_NS)) == []
    assert len(told(daily, (five, five + 16 * HOUR_NS + 1))) == 1


def test_zones_far_from_utc_lose_no_day_at_the_edge_of_a_span() -> None:
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago", "America/St_Johns"):
        daily = a_booking(
            times=when("2026-12-01 00:30", "2026-12-01 23:30", zone, repeat=Repeat.DAILY)
        )
        whole = occurrences(daily, ns("2026-12-10 00:00", zone), ns("2026-12-20 00:00", zone))
        assert len(whole) == 10
        for time in whole:
            assert occurrences(daily, time.end_ns - 1, time.end_ns) == (time,)
            assert occurrences(daily, time.start_ns, time.start_ns + 1) == (time,)


def lease(*amendments: Amendment, **changes: Any) -> Any:
    return a_booking(
        "l1",
        when("2027-03-01 00:00", "2027-05-01 00:00"),
        kind=Kind.LEASE,
        count=3,
        amendments=amendments,
        **changes,
    )


def test_a_lease_is_of_as_many_nodes_as_was_approved_from_local_midnight_on() -> None:
    six = Amendment(at("2027-04-01 00:00"), 6, "ada", "olga")
    asked = Amendment(at("2027-04-15 00:00"), 9, "ada")
    times = occurrences(lease(six, asked), *YEAR)
    assert [(to_iso(time.start_ns)[:16], time.count) for time in times] == [
        ("2027-02-28T23:00", 3),  # midnight in winter time
        ("2027-03-31T22:00", 6),  # and in summer time
    ]
    assert times[0].end_ns == times[1].start_ns
    assert to_iso(times[1].end_ns)[:16] == "2027-04-30T22:00"


def test_a_lease_of_nothing_for_a_while_has_no_time_then() -> None:
    none = Amendment(at("2027-04-01 00:00"), 0, "ada", "olga")
    (time,) = occurrences(lease(none), *YEAR)
    assert (time.count, to_iso(time.end_ns)[:16]) == (3, "2027-03-31T22:00")


def test_nobody_approves_what_they_asked_for_themselves() -> None:
    with pytest.raises(Invalid) as refused:
        lease(approved_by="ada")
    assert refused.value.code == "own_approval"
    with pytest.raises(Invalid):
        lease(Amendment(at("2027-04-01 00:00"), 6, "ada", "ada"))


def test_only_what_is_approved_binds_and_in_the_order_of_its_times() -> None:
    late = a_booking("late", when("2026-12-08 09:00", "2026-12-08 10:00"))
    asked = a_booking("asked", state=State.ASKED, approved_by="")
    gone = a_booking("gone", state=State.CANCELLED)
    early = a_booking("early")
    assert [time.booking_id for time in binding([late, asked, gone, early], *YEAR)] == [
        "early",
        "late",
    ]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"team": ""}, "team"),
        ({"count": 0}, "nodes"),
        ({"nodes": ("a",), "count": 1}, "nodes"),
        ({"nodes": ("a", "a")}, "nodes"),
        ({"nodes": ("a",), "gpu_model": "A100"}, "gpu_model"),
        ({"kind": Kind.MAINTENANCE}, "team"),
        ({"kind": Kind.MAINTENANCE, "team": ""}, "nodes"),
        ({"kind": Kind.LEASE, "nodes": ("a",)}, "count"),
        ({"amendments": (Amendment(at("2026-12-07 10:00"), 1, "ada"),)}, "amendments"),
        ({"people": ("Ada Lovelace",)}, "user"),
        ({"title": "a\nb"}, "title"),
    ],
)
def test_what_does_not_fit_together_is_refused(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        a_booking(**changes)
    assert refused.value.field == field
    assert refused.value.hint


@pytest.mark.parametrize(
    ("start", "end", "more", "field"),
    [
        ("07 09:00", "07 09:00", {}, "end"),
        ("07 09:00", "08 10:00", {"repeat": Repeat.DAILY}, "end"),
        ("07 09:00", "09 10:00", {"repeat": Repeat.WEEKLY, "weekdays": (0, 2)}, "end"),
        ("07 09:00", "07 10:00", {"repeat": Repeat.DAILY, "weekdays": (0,)}, "weekdays"),
        ("07 09:00", "07 10:00", {"repeat": Repeat.WEEKLY, "weekdays": (7,)}, "weekdays"),
        ("07 09:00", "07 10:00", {"until": date(2027, 1, 1)}, "repeat"),
        ("07 09:00", "07 10:00", {"repeat": Repeat.DAILY, "until": date(2026, 12, 6)}, "until"),
    ],
)
def test_times_that_cannot_be_kept_are_refused(
    start: str, end: str, more: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        when(f"2026-12-{start}", f"2026-12-{end}", "UTC", **more)
    assert refused.value.field == field


def test_years_that_no_calendar_needs_are_refused() -> None:
    for year in ("1969", "9999"):
        with pytest.raises(Invalid):
            when(f"{year}-12-07 09:00", f"{year}-12-07 10:00", "UTC")


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../../etc/passwd", "Europe"])
def test_a_zone_that_nobody_knows_is_refused_with_what_to_do(name: str) -> None:
    with pytest.raises(Invalid) as refused:
        zone_of(name)
    assert refused.value.code == "unknown_zone"
    assert "IANA" in refused.value.hint


def test_without_any_rules_of_zones_it_says_what_to_install(monkeypatch: Any) -> None:
    def lacks(_: str) -> None:
        raise KeyError

    monkeypatch.setattr("quarterdeck.core.calendar.zones.ZoneInfo", lacks)
    with pytest.raises(Invalid) as refused:
        zone_of("Europe/Berlin")
    assert "tzdata" in refused.value.hint


def test_instants_are_told_as_a_clock_there_shows_them() -> None:
    start = ns("2026-12-07 09:00")
    assert say_when(start, "Europe/Berlin") == "Mon 7 Dec 2026 09:00 Europe/Berlin"
    assert say_span(start, start + 8 * HOUR_NS, "Europe/Berlin") == (
        "Mon 7 Dec 2026 09:00–17:00 Europe/Berlin"
    )
    assert say_span(start, start + 24 * HOUR_NS + 5 * NS_PER_S, "UTC") == (
        "Mon 7 Dec 2026 08:00 to Tue 8 Dec 2026 08:00:05 UTC"
    )


def test_a_window_answers_the_same_object_until_something_has_changed() -> None:
    """What is kept for every plan is then kept once for thousands."""
    window = Window([a_booking(times=when("2026-12-07 09:00", "2026-12-07 17:00", "UTC"))])
    morning = ns("2026-12-07 00:00", "UTC")
    first = window.times(morning)
    assert len(first) == 1
    assert window.times(morning + 16 * HOUR_NS) is first
    assert window.times(morning + 17 * HOUR_NS) == ()
    assert window.times(morning - 40 * DAY_NS) == ()
    assert window.next_ns(morning) == morning + 9 * HOUR_NS
    assert window.next_ns(morning + 9 * HOUR_NS) == morning + 17 * HOUR_NS
    assert window.next_ns(morning + 17 * HOUR_NS) is None


def test_a_window_is_right_at_every_instant() -> None:
    daily = a_booking(times=when("2026-10-20 01:30", "2026-10-20 02:30", repeat=Repeat.DAILY))
    window = Window([daily])
    start = int(datetime(2026, 10, 20, tzinfo=UTC).timestamp()) * NS_PER_S
    for hour in range(0, 24 * 10, 5):
        now_ns = start + hour * HOUR_NS
        end_ns = (now_ns // DAY_NS + 36) * DAY_NS
        assert window.times(now_ns) == occurrences(daily, now_ns, end_ns)
