"""What stands in the way of a booking is told with numbers: who has what when, what is left, when
else it would fit."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from quarterdeck.core.calendar.booking import Kind, Repeat
from quarterdeck.core.calendar.occurrences import binding
from quarterdeck.core.scheduling.conflicts import Conflict, find_conflict
from quarterdeck.core.scheduling.fleet import fleet_of
from quarterdeck.testing.builders import a_dgx, a_node
from tests.spec.core.calendar.made import a_booking, ns, when

if TYPE_CHECKING:
    from quarterdeck.core.calendar.booking import Booking

FLEET = fleet_of([("local", a_dgx(f"d{n}")) for n in range(4)] + [("local", a_node("plain"))])
SPAN = (ns("2026-12-01 00:00"), ns("2027-12-01 00:00"))


def conflict(asked: Booking, *others: Booking) -> Conflict | None:
    names = {one.id: f"{one.kind} of {one.team}" for one in others}
    return find_conflict(
        binding([asked], *SPAN), binding(others, *SPAN), FLEET, lambda time: names[time.booking_id]
    )


def test_alone_it_may_have_everything_and_no_more() -> None:
    assert conflict(a_booking(count=5)) is None
    found = conflict(a_booking(count=6))
    assert found is not None
    assert found.message == "6 nodes are asked for, and there are 5"
    with_gpus = conflict(a_booking(count=5, gpu_model="A100"))
    assert with_gpus is not None
    assert with_gpus.message == "5 nodes with A100 are asked for, and there are 4"
    assert with_gpus.hint == "ask for 4 nodes or fewer"


def test_of_nodes_that_are_booked_already_it_is_told_who_has_which_when() -> None:
    other = a_booking(
        "b2", when("2026-12-07 12:00", "2026-12-07 13:00"), team="blue", nodes=("d1",)
    )
    found = conflict(a_booking(nodes=("d0", "d1")), other)
    assert found is not None
    assert found.message == (
        "1 of the 2 nodes is left Mon 7 Dec 2026 09:00–17:00 Europe/Berlin: reservation of blue "
        "has d1 Mon 7 Dec 2026 12:00–13:00 Europe/Berlin"
    )
    assert found.hint == "all of it would fit from Mon 7 Dec 2026 13:00 Europe/Berlin"
    assert found.others == ("b2",)


def test_what_ends_when_it_begins_is_not_in_the_way() -> None:
    before = a_booking("b2", when("2026-12-07 08:00", "2026-12-07 09:00"), nodes=("d1",))
    after = a_booking("b3", when("2026-12-07 17:00", "2026-12-07 18:00"), nodes=("d1",))
    assert conflict(a_booking(nodes=("d1",)), before, after) is None


def test_of_so_many_nodes_it_is_told_how_many_would_be_left() -> None:
    rent = a_booking(
        "l1", when("2026-12-01 00:00", "2026-12-10 00:00"), kind=Kind.LEASE, count=3, team="blue"
    )
    assert conflict(a_booking(count=2), rent) is None
    found = conflict(a_booking(count=4), rent)
    assert found is not None
    assert "4 nodes are asked for, and 2 of 5 would be left" in found.message
    assert "lease of blue has 3 nodes" in found.message
    assert found.hint == "all of it would fit from Thu 10 Dec 2026 00:00 Europe/Berlin"


def test_so_many_nodes_are_chosen_round_those_that_are_named() -> None:
    """Three of any four GPU nodes are left beside one that is named, whichever that is."""
    for name in ("d0", "d3"):
        named = a_booking("b2", nodes=(name,))
        assert conflict(a_booking(count=3, gpu_model="A100"), named) is None
        assert conflict(a_booking(count=4, gpu_model="A100"), named) is not None


def test_naming_a_node_is_a_conflict_when_others_would_then_lack_one() -> None:
    rent = a_booking("l1", kind=Kind.LEASE, count=4, gpu_model="A100", team="blue")
    assert conflict(a_booking(nodes=("plain",)), rent) is None
    found = conflict(a_booking(nodes=("d0",)), rent)
    assert found is not None
    assert found.others == ("l1",)


def test_of_what_is_repeated_the_first_time_that_does_not_fit_is_told() -> None:
    weekly = a_booking(
        times=when("2026-12-07 09:00", "2026-12-07 17:00", repeat=Repeat.WEEKLY), nodes=("d0",)
    )
    other = a_booking("b2", when("2026-12-21 16:00", "2026-12-21 18:00"), nodes=("d0",))
    found = conflict(weekly, other)
    assert found is not None
    assert found.start_ns == ns("2026-12-21 09:00")
    assert "Mon 21 Dec 2026 09:00–17:00" in found.message


def test_a_proposed_time_fits_for_all_times_of_what_is_repeated() -> None:
    """From 11:00 on it would meet the other booking of the second day."""
    asked = a_booking(
        times=when(
            "2026-12-07 09:00", "2026-12-07 11:00", repeat=Repeat.DAILY, until=date(2026, 12, 8)
        ),
        nodes=("d0",),
    )
    first = a_booking("b2", when("2026-12-07 10:00", "2026-12-07 11:00"), nodes=("d0",))
    second = a_booking("b3", when("2026-12-08 11:00", "2026-12-08 14:00"), nodes=("d0",))
    found = conflict(asked, first, second)
    assert found is not None
    assert found.hint == "all of it would fit from Tue 8 Dec 2026 14:00 Europe/Berlin"


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_any_number_fits_beside_another_exactly_when_the_sum_does(count: int) -> None:
    for other in range(1, 6):
        found = conflict(a_booking(count=count), a_booking("b2", count=other))
        assert (found is None) == (count + other <= 5)
