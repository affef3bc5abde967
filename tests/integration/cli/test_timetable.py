"""The picture of the calendar: each block where its time is, whatever the zone and the span."""

from __future__ import annotations

from typing import Any

import pytest

from quarterdeck.cli.bookings import local_zone
from quarterdeck.cli.timetable import draw
from quarterdeck.wire.v1.bookings import BookingView, CalendarView, TimeView

NOW = "2026-12-07T11:30:00.000000Z"
BERLIN = "Europe/Berlin"


def a_view(name: str, **changes: Any) -> BookingView:
    given: dict[str, Any] = {
        "id": name, "kind": "reservation", "state": "approved", "title": "", "team": "red",
        "people": [], "nodes": "", "count": 1, "gpu_model": "", "site": "", "zone": BERLIN,
        "start": "2026-12-07 09:00:00", "end": "2026-12-07 17:00:00", "repeat": "none",
        "weekdays": [], "until": None, "asked_by": "ada", "approved_by": "olga",
        "amendments": [], "is_hidden": False,
    }  # fmt: skip
    return BookingView(**{**given, **changes})


def a_time(name: str, start: str, end: str, *nodes: str, given_back: bool = False) -> TimeView:
    return TimeView(
        booking=name,
        start=start,
        end=end,
        told="",
        count=len(nodes),
        nodes=list(nodes),
        is_given_back=given_back,
    )


def picture(bookings: list[BookingView], times: list[TimeView], **how: Any) -> list[str]:
    view = CalendarView(now=NOW, bookings=bookings, times=times)
    return list(draw(view, how.pop("days", 1), by_node=how.pop("by_node", False)))


def bar(line: str) -> str:
    return line.rpartition("  ")[2]


def test_a_block_is_where_its_time_is_on_the_clock_of_the_bookings() -> None:
    """Of one day each column is 24 h / 84; nine to five in Berlin is eight to four in UTC."""
    times = [a_time("b1", "2026-12-07T08:00:00Z", "2026-12-07T16:00:00Z", "d1")]
    for zone, first in ((BERLIN, 9), ("UTC", 8)):
        _, row, now, _ = picture([a_view("b1", zone=zone)], times)
        blocks = bar(row)
        assert len(blocks) == 84
        assert blocks.index("█") == int(first * 84 / 24)
        assert blocks.rindex("█") == -int(-(first + 8) * 84 // 24) - 1
        assert blocks.count("█") == blocks.rindex("█") - blocks.index("█") + 1
        width = len(row) - 84
        assert now.index("^") - width == int((first + 3.5) * 84 / 24)
        assert f"now, {first + 3}:30 {zone}" in now


def test_zones_that_differ_are_told_in_utc() -> None:
    times = [a_time("b1", "2026-12-07T08:00:00Z", "2026-12-07T16:00:00Z", "d1")]
    assert "times in UTC" in picture([a_view("b1"), a_view("b2", zone="Asia/Tokyo")], times)[-1]


def test_what_is_short_is_seen_and_what_is_long_stays_in_the_picture() -> None:
    times = [
        a_time("b1", "2026-12-07T12:00:00Z", "2026-12-07T12:00:01Z", "d1"),
        a_time("b2", "2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z", "d2"),
    ]
    lines = picture([a_view("b1"), a_view("b2", kind="lease")], times, days=7)
    assert bar(lines[1]).count("█") == 1
    assert bar(lines[2]) == "▒" * 84


def test_what_was_given_back_looks_so() -> None:
    times = [a_time("b1", "2026-12-07T11:00:00Z", "2026-12-07T12:00:00Z", "d1", given_back=True)]
    blocks = bar(picture([a_view("b1")], times)[1])
    assert "-" in blocks
    assert "█" not in blocks


def test_nodes_with_the_same_to_come_share_a_row() -> None:
    span = ("2026-12-07T11:00:00Z", "2026-12-07T12:00:00Z")
    times = [a_time("b1", *span, "d1", "d2", "d3"), a_time("b2", *span, "d4")]
    lines = picture([a_view("b1"), a_view("b2", kind="maintenance")], times, by_node=True)
    assert [line.partition("  ")[0].strip() for line in lines[1:3]] == ["d1 to d3 (3)", "d4"]
    assert "×" in lines[2]


@pytest.mark.parametrize("days", [1, 7, 14, 31, 84, 400])
def test_any_number_of_days_is_drawn(days: int) -> None:
    times = [a_time("b1", "2026-12-07T11:00:00Z", "2026-12-07T12:00:00Z", "d1")]
    lines = picture([a_view("b1")], times, days=days)
    assert "█" in lines[1]
    assert all(len(line) < 140 for line in lines)


def test_an_empty_calendar_and_what_is_only_asked_for_are_told() -> None:
    lines = picture([a_view("b1", state="asked")], [])
    assert lines == [
        "nothing is booked today",
        "b1 is asked for by ada: 1 node, team red; it binds once approved",
    ]


@pytest.mark.parametrize(
    ("named", "zone"), [("Europe/Berlin", "Europe/Berlin"), (":Asia/Tokyo", "Asia/Tokyo")]
)
def test_the_zone_of_this_machine_is_the_one_that_it_says(
    named: str, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", named)
    assert local_zone() == zone
