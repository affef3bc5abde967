"""Bookings as other programs read them: an independent little reader of RFC 5545 checks."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from quarterdeck.core.calendar.booking import Amendment, Kind, Repeat, State
from quarterdeck.core.calendar.ical import escape, fold, to_ical
from quarterdeck.core.calendar.occurrences import occurrences
from tests.spec.core.calendar.made import a_booking, at, ns, when

NOW = ns("2026-12-01 12:00", "UTC")


def lines_of(text: str) -> list[str]:
    """Unfolded."""
    assert text.endswith("\r\n")
    for line in text.split("\r\n"):
        assert len(line.encode()) <= 75
        assert "\n" not in line
    return text.replace("\r\n ", "").split("\r\n")[:-1]


def events_of(lines: list[str]) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    for line in lines:
        if line == "BEGIN:VEVENT":
            found.append({})
        elif found and line not in {"END:VEVENT", "END:VCALENDAR"}:
            name, _, value = line.partition(":")
            found[-1][name] = value
    return found


def test_an_event_that_happens_once_is_in_utc() -> None:
    (event,) = events_of(lines_of(to_ical([a_booking(title="demo; day, one")], NOW)))
    assert event["DTSTART"] == "20261207T080000Z"
    assert event["DTEND"] == "20261207T160000Z"
    assert event["DTSTAMP"] == "20261201T120000Z"
    assert event["UID"] == "b1@quarterdeck"
    assert event["SUMMARY"] == "demo\\; day\\, one: 1 node"
    assert event["STATUS"] == "CONFIRMED"


def test_every_component_that_begins_ends_and_the_head_is_as_it_must_be() -> None:
    weekly = a_booking(times=when("2026-12-07 09:00", "2026-12-07 17:00", repeat=Repeat.WEEKLY))
    lines = lines_of(to_ical([weekly, a_booking("b2")], NOW))
    assert lines[:4] == [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Quarterdeck//Calendar//EN",
        "CALSCALE:GREGORIAN",
    ]
    stack = []
    for line in lines:
        if line.startswith("BEGIN:"):
            stack.append(line[6:])
        elif line.startswith("END:"):
            assert stack.pop() == line[4:]
    assert stack == []
    assert lines.count("BEGIN:VTIMEZONE") == 1


def test_a_rule_says_the_times_that_the_booking_has() -> None:
    """The rule is expanded here by hand, with the offsets that the file itself gives."""
    booking = a_booking(
        times=when(
            "2027-03-23 09:00",
            "2027-03-23 17:00",
            repeat=Repeat.WEEKLY,
            weekdays=(0, 3),
            until=date(2027, 4, 12),
        )
    )
    lines = lines_of(to_ical([booking], NOW))
    (event,) = events_of(lines)
    assert event["RRULE"] == "FREQ=WEEKLY;BYDAY=MO,TH;UNTIL=20270412T070000Z"
    start = datetime.fromisoformat(event["DTSTART;TZID=Europe/Berlin"])
    end = datetime.fromisoformat(event["DTEND;TZID=Europe/Berlin"])
    until = datetime.fromisoformat(event["RRULE"][-16:-1])
    found = []
    for number in range(60):
        local = start + timedelta(days=number)
        begins = local - offset_at(lines, local)
        if local.weekday() in (0, 3) and begins <= until:
            ends = local + (end - start)
            found.append((begins, ends - offset_at(lines, ends)))
    times = occurrences(booking, 0, ns("2030-01-01 00:00"))
    assert found == [(utc(time.start_ns), utc(time.end_ns)) for time in times]
    assert len(found) == 6


def utc(at_ns: int) -> datetime:
    return datetime.fromtimestamp(at_ns // 10**9, UTC).replace(tzinfo=None)


def offset_at(lines: list[str], local: datetime) -> timedelta:
    """Of the last observance that began before."""
    offset, start = timedelta(), None
    best: datetime | None = None
    for line in lines:
        if line.startswith("DTSTART:") and line.endswith(("0", "1", "2", "3", "4", "5")):
            start = datetime.fromisoformat(line[8:])
        elif line.startswith("TZOFFSETTO:") and start is not None:
            sign = -1 if line[11] == "-" else 1
            if start <= local and (best is None or start >= best):
                best = start
                offset = sign * timedelta(hours=int(line[12:14]), minutes=int(line[14:16]))
    return offset


def test_each_count_of_a_lease_is_an_event_of_its_own() -> None:
    lease = a_booking(
        "l1",
        when("2027-03-01 00:00", "2027-05-01 00:00"),
        kind=Kind.LEASE,
        count=3,
        amendments=(Amendment(at("2027-04-01 00:00"), 6, "ada", "olga"),),
    )
    first, second = events_of(lines_of(to_ical([lease], NOW)))
    assert (first["UID"], second["UID"]) == ("l1@quarterdeck", "l1-1@quarterdeck")
    assert first["DTEND"] == second["DTSTART"] == "20270331T220000Z"
    assert "6 nodes" in second["SUMMARY"]


def test_what_is_only_asked_for_is_tentative() -> None:
    asked = a_booking(state=State.ASKED, approved_by="")
    assert events_of(lines_of(to_ical([asked], NOW)))[0]["STATUS"] == "TENTATIVE"


def test_text_is_escaped_and_lines_are_folded_between_characters() -> None:
    assert escape("a\\b;c,d\ne") == "a\\\\b\\;c\\,d\\ne"
    line = "SUMMARY:" + "é" * 200
    folded = fold(line)
    assert all(len(piece.encode()) <= 75 for piece in folded.split("\r\n"))
    assert folded.replace("\r\n ", "") == line
    hostile = a_booking(title="x\\nEND:VEVENT, \\;")
    assert lines_of(to_ical([hostile], NOW)).count("END:VEVENT") == 1
