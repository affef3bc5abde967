"""The next days of the calendar as rows of blocks: a row is a booking, or the nodes that have the
same to come; a column is a part of a day, in UTC or, where all agree on one, the bookings' zone."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from quarterdeck.cli.bookings import what_of, whom_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from quarterdeck.wire.v1.bookings import BookingView, CalendarView, TimeView

WIDTH: Final = 84
LABEL_CHARS_MAX: Final = 26
MARKS: Final = {"reservation": "█", "lease": "▒", "maintenance": "×"}
EMPTY: Final = "·"
GIVEN_BACK: Final = "-"
DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def draw(view: CalendarView, days: int, *, by_node: bool) -> Iterator[str]:
    """The picture, line by line."""
    by_id = {one.id: one for one in view.bookings}
    zone, name = _zone_of(view.bookings)
    now = datetime.fromisoformat(view.now).astimezone(zone)
    columns = max(days, WIDTH // days * days) if days <= WIDTH else WIDTH
    first = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if not view.times:
        yield (
            f"nothing is booked in the next {days} days" if days > 1 else "nothing is booked today"
        )
        yield from _asked(view.bookings)
        return
    scale = _Scale(first.astimezone(UTC), days, columns)
    rows = _node_rows(view.times) if by_node else _booking_rows(view.times, by_id)
    width = max(len(label) for label, _ in rows)
    yield f"{'':{width}}  {_header(first, days, columns)}"
    for label, times in rows:
        yield f"{label:{width}}  {_bar(scale, times, by_id)}"
    at = scale.column(now)
    yield f"{'':{width}}  {' ' * at}^ now, {now:%H:%M} {name}"
    kinds = [f"{mark} {kind}" for kind, mark in MARKS.items()]
    yield f"{', '.join(kinds)}, {GIVEN_BACK} given back; times in {name}"
    yield from _asked(view.bookings)


class _Scale:
    """Which column an instant is in, of so many for the time from the first day on."""

    def __init__(self, first: datetime, days: int, columns: int) -> None:
        self.columns = columns
        self._first, self._whole = first, timedelta(days=days)

    def column(self, at: datetime) -> int:
        """The column, within the picture."""
        return min(max(0, int(self._place(at))), self.columns - 1)

    def span(self, start: str, end: str) -> range:
        """The columns of which something is between two instants, at least one if any is."""
        begins = self._place(datetime.fromisoformat(start))
        ends = self._place(datetime.fromisoformat(end))
        if ends <= 0 or begins >= self.columns:
            return range(0)
        last = max(math.ceil(ends), math.floor(begins) + 1)
        return range(max(0, math.floor(begins)), min(self.columns, last))

    def _place(self, at: datetime) -> float:
        # A column may be no whole number of microseconds.
        return round((at - self._first) / self._whole * self.columns, 6)


def _zone_of(bookings: Iterable[BookingView]) -> tuple[tzinfo, str]:
    names = {one.zone for one in bookings}
    if len(names) == 1:
        (name,) = names
        try:
            return ZoneInfo(name), name
        except (KeyError, ValueError, OSError):
            pass  # this machine has no rules of it
    return UTC, "UTC"


def _header(first: datetime, days: int, columns: int) -> str:
    """Each day at its column, as far as there is room for its name."""
    cells = [" "] * columns
    free_from = 0
    for number in range(days):
        day = first + timedelta(days=number)
        at = number * columns // days
        label = f"{DAYS[day.weekday()]} {day.day}"
        if at >= free_from and at + len(label) <= columns:
            cells[at : at + len(label)] = label
            free_from = at + len(label) + 1
    return "".join(cells).rstrip()


def _bar(scale: _Scale, times: Sequence[TimeView], by_id: dict[str, BookingView]) -> str:
    cells = [EMPTY] * scale.columns
    for time in times:
        mark = GIVEN_BACK if time.is_given_back else MARKS[by_id[time.booking].kind]
        for column in scale.span(time.start, time.end):
            cells[column] = mark
    return "".join(cells)


def _booking_rows(
    times: Sequence[TimeView], by_id: dict[str, BookingView]
) -> list[tuple[str, list[TimeView]]]:
    rows: dict[str, list[TimeView]] = {}
    for time in times:
        rows.setdefault(time.booking, []).append(time)
    return [(_cut(f"{key} {_named(by_id[key])}"), its) for key, its in rows.items()]


def _named(one: BookingView) -> str:
    return f"{what_of(one)}, {one.title or whom_of(one)}"


def _node_rows(times: Sequence[TimeView]) -> list[tuple[str, list[TimeView]]]:
    """Nodes that have the same to come share a row."""
    of_node: dict[str, list[TimeView]] = {}
    for time in times:
        for node in time.nodes:
            of_node.setdefault(node, []).append(time)
    groups: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for node, its in of_node.items():
        groups.setdefault(tuple((one.booking, one.start) for one in its), []).append(node)
    return [(_cut(_names(nodes)), of_node[nodes[0]]) for nodes in groups.values()]


def _names(nodes: Sequence[str]) -> str:
    if len(nodes) <= 2:
        return ", ".join(nodes)
    return f"{nodes[0]} to {nodes[-1]} ({len(nodes)})"


def _asked(bookings: Iterable[BookingView]) -> Iterator[str]:
    asked = [one for one in bookings if one.state == "asked"]
    pending = [one for one in bookings if any(not change.approved_by for change in one.amendments)]
    for one in asked:
        yield f"{one.id} is asked for by {one.asked_by}: {_named(one)}; it binds once approved"
    for one in pending:
        if one not in asked:
            yield f"{one.id} is to be changed; that binds once approved"


def _cut(text: str) -> str:
    return text if len(text) <= LABEL_CHARS_MAX else f"{text[: LABEL_CHARS_MAX - 1]}…"
