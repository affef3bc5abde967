"""What is booked, for whom and when: values, and the checks that make them right.

A reservation keeps nodes for a team or for people, a lease rents capacity for months, a maintenance
keeps nodes for nobody. `booking` is the common name of the three.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from quarterdeck.basics.errors import Invalid
from quarterdeck.core.calendar.zones import instant_of, zone_of
from quarterdeck.core.governance.people import check_team_name, check_title, check_user_name

NODES_MAX: Final = 10_000
PEOPLE_MAX: Final = 100
AMENDMENTS_MAX: Final = 100
LENGTH_MAX: Final = timedelta(days=10 * 366)
LENGTH_MIN: Final = timedelta(seconds=1)
DAY: Final = timedelta(days=1)
YEAR_MIN: Final = 1971
YEAR_MAX: Final = 2199


class Kind(StrEnum):
    """What a booking is."""

    RESERVATION = "reservation"
    LEASE = "lease"
    MAINTENANCE = "maintenance"


class State(StrEnum):
    """How far a booking is; only an approved one binds the scheduler."""

    ASKED = "asked"
    APPROVED = "approved"
    CANCELLED = "cancelled"


class Repeat(StrEnum):
    """How a booking comes back."""

    NONE = "none"
    DAILY = "daily"
    WEEKLY = "weekly"


@dataclass(frozen=True, slots=True)
class When:
    """Wall time in a zone: from `start` to `end`, and on every day that it is repeated on.

    `weekdays` count from 0 for Monday, and are of a weekly one; none named is the weekday of the
    start. `until` is the last day on which one may begin, None for ever.
    """

    zone: str
    start: datetime
    end: datetime
    repeat: Repeat = Repeat.NONE
    weekdays: tuple[int, ...] = ()
    until: date | None = None

    def __post_init__(self) -> None:
        """Refuse times that cannot be kept."""
        zone = zone_of(self.zone)
        if self.start.tzinfo is not None or self.end.tzinfo is not None:
            raise Invalid(
                "start and end have an offset",
                field="start",
                hint="write what the clock shows, and the zone apart",
            )
        if not all(YEAR_MIN <= one.year <= YEAR_MAX for one in (self.start, self.end)):
            raise Invalid(
                f"it is from {self.start.year} to {self.end.year}",
                field="start",
                hint=f"choose years from {YEAR_MIN} to {YEAR_MAX}",
            )
        length = self.length
        if not LENGTH_MIN <= length <= LENGTH_MAX:
            raise Invalid(
                f"it ends at {self.end.isoformat(' ')} and begins at {self.start.isoformat(' ')}",
                field="end",
                hint="it lasts from a second up to ten years",
            )
        if self.repeat is Repeat.NONE:
            if self.weekdays or self.until is not None:
                raise Invalid(
                    "weekdays and until are of what is repeated",
                    field="repeat",
                    hint="repeat it daily or weekly, or leave them out",
                )
            if instant_of(self.end, zone) <= instant_of(self.start, zone):
                raise Invalid(
                    f"a clock in {self.zone} is put forward over {self.start.isoformat(' ')} to "
                    f"{self.end.isoformat(' ')}: it would last no time",
                    field="end",
                    hint="end it later",
                )
            return
        self._check_repeated(length)

    def _check_repeated(self, length: timedelta) -> None:
        is_weekly = self.repeat is Repeat.WEEKLY
        if (self.weekdays and not is_weekly) or any(not 0 <= day <= 6 for day in self.weekdays):
            raise Invalid(
                f"weekdays are {', '.join(map(str, self.weekdays))}",
                field="weekdays",
                hint="name weekdays of a weekly booking, from 0 for Monday to 6 for Sunday",
            )
        if self.until is not None and self.until < self.start.date():
            raise Invalid(
                f"until is {self.until}, before the start on {self.start.date()}",
                field="until",
                hint="leave it out to repeat it for ever",
            )
        apart = DAY
        if is_weekly:
            days = sorted({*self.days})
            following = (*days[1:], days[0])
            gaps = [(after - day) % 7 or 7 for day, after in zip(days, following, strict=True)]
            apart = DAY * min(gaps)
        if length > apart:
            raise Invalid(
                f"it lasts {length}, and comes again after {apart}",
                field="end",
                hint="make it shorter, or repeat it less often",
            )

    @property
    def length(self) -> timedelta:
        """From start to end as the clock on the wall has it."""
        return self.end - self.start

    @property
    def days(self) -> tuple[int, ...]:
        """The weekdays of a weekly one."""
        return self.weekdays or (self.start.weekday(),)


@dataclass(frozen=True, slots=True)
class Amendment:
    """From `start` on, in the lease's zone, it is so many nodes, once somebody approved it."""

    start: datetime
    nodes: int
    asked_by: str
    approved_by: str = ""


@dataclass(frozen=True, slots=True)
class Booking:
    """A booking.

    It is for the jobs of `team`, for those of `people`, or, with both, for those of these people in
    this team. It is of the nodes named in `nodes`, or else of `count` whole nodes, of a model of
    GPU or any. `used_ns` is the start of the latest time that its owner has used, which keeps that
    from being given back.
    """

    id: str
    kind: Kind
    title: str
    when: When
    asked_by: str
    team: str = ""
    people: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    count: int = 0
    gpu_model: str = ""
    site: str = ""
    state: State = State.ASKED
    approved_by: str = ""
    amendments: tuple[Amendment, ...] = ()
    created_at_ns: int = 0
    used_ns: int | None = None

    def __post_init__(self) -> None:
        """Refuse what does not fit together."""
        check_title("title", self.title)
        if self.team:
            check_team_name(self.team)
        for name in self.people:
            check_user_name(name)
        if len(self.people) > PEOPLE_MAX:
            raise Invalid(
                f"it is for {len(self.people)} people",
                field="people",
                hint=f"name up to {PEOPLE_MAX}, or a team",
            )
        _check_whom(self)
        _check_what(self)
        _check_lease(self)


def _check_whom(one: Booking) -> None:
    if one.kind is Kind.MAINTENANCE:
        if one.team or one.people:
            raise Invalid(
                "a maintenance is for nobody", field="team", hint="leave out team and people"
            )
    elif not one.team and not one.people:
        raise Invalid("it is for nobody", field="team", hint="say for which team, or whom")


def _check_what(one: Booking) -> None:
    if bool(one.nodes) == bool(one.count):
        raise Invalid(
            "it says which nodes, and how many"
            if one.nodes
            else "it says neither which nodes, nor how many",
            field="nodes",
            hint="name nodes, for example dgx-[01-04], or say how many, not both",
        )
    if len(set(one.nodes)) != len(one.nodes) or len(one.nodes) > NODES_MAX:
        raise Invalid(
            f"{len(one.nodes)} nodes are named, {len(set(one.nodes))} different ones",
            field="nodes",
            hint=f"name each node once, and up to {NODES_MAX}",
        )
    if not 0 <= one.count <= NODES_MAX:
        raise Invalid(
            f"count is {one.count}", field="count", hint=f"ask for 1 to {NODES_MAX} whole nodes"
        )
    if one.gpu_model and one.nodes:
        raise Invalid(
            "a GPU model is of nodes that are not named", field="gpu_model", hint="leave it out"
        )
    if one.kind is Kind.MAINTENANCE and not one.nodes:
        raise Invalid("a maintenance is of nodes that are named", field="nodes", hint="name them")


def _check_lease(one: Booking) -> None:
    if one.kind is not Kind.LEASE:
        if one.amendments:
            raise Invalid(
                f"a {one.kind} cannot be amended", field="amendments", hint="cancel it, book anew"
            )
        return
    if one.when.repeat is not Repeat.NONE or not one.count:
        raise Invalid(
            "a lease is of so many nodes, from one day to another",
            field="count",
            hint="say how many nodes, and do not repeat it; to name nodes make a reservation",
        )
    if one.state is State.APPROVED and one.approved_by == one.asked_by:
        raise _own_word(one.asked_by)
    if len(one.amendments) > AMENDMENTS_MAX:
        raise Invalid(
            f"it has {len(one.amendments)} amendments", field="amendments", hint="make a new lease"
        )
    for change in one.amendments:
        _check_amendment(one, change)


def _check_amendment(one: Booking, change: Amendment) -> None:
    if not 0 <= change.nodes <= NODES_MAX:
        raise Invalid(
            f"nodes is {change.nodes}", field="nodes", hint=f"ask for 0 to {NODES_MAX} nodes"
        )
    if change.start.tzinfo is not None or not one.when.start < change.start < one.when.end:
        raise Invalid(
            f"the amendment is from {change.start.isoformat(' ')} on",
            field="start",
            hint=f"choose a time between {one.when.start.isoformat(' ')} and "
            f"{one.when.end.isoformat(' ')}, as the clock in {one.when.zone} has it",
        )
    if change.approved_by and change.approved_by == change.asked_by:
        raise _own_word(change.asked_by)


def _own_word(who: str) -> Invalid:
    return Invalid(
        f"{who} has asked for it",
        field="approved_by",
        code="own_approval",
        hint="somebody else approves a lease and what changes it",
    )
