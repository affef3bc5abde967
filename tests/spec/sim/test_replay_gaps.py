"""What is not recorded is found, with its placements, however much of it there is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from quarterdeck.adapters.cycles.memory import MemoryCycleLog
from quarterdeck.ports.cycles import Cycle, Start
from quarterdeck.sim.replay.cycles import load_cycles
from quarterdeck.sim.replay.gaps import Gap, Gaps
from quarterdeck.sim.replay.rulings import read_in_force
from quarterdeck.testing.conformance.cycles import a_cycle

START = Start(1, 0, 0, "1")


def cycle_at(number: int, at_ns: int) -> Cycle:
    return replace(a_cycle(number), at_ns=at_ns)


class CountedTimes(list[int]):
    """It counts how often it is looked through."""

    walks = 0

    def __iter__(self) -> Iterator[int]:
        self.walks += 1
        return super().__iter__()


def test_placements_are_those_between_the_ends_of_a_gap() -> None:
    gaps = Gaps((0, 100))
    gaps.note_cycle(START, None, cycle_at(1, 10))
    gaps.note_cycle(START, cycle_at(1, 10), cycle_at(4, 20))
    gaps.note_cycle(START, cycle_at(4, 20), cycle_at(6, 20))
    found = gaps.list_gaps([20, 19, 10, 11, 11, 30])
    assert found == [Gap(1, 10, 20, 2, 3), Gap(1, 20, 20, 1, 0)]


def test_the_end_of_a_server_that_goes_on_is_a_gap_only_with_placements() -> None:
    for orphans, expected in (([], []), ([30], [Gap(1, 20, 101, None, 1)])):
        gaps = Gaps((0, 100))
        gaps.note_end(START, cycle_at(1, 20), Start(2, 200, 0, "1"))
        assert gaps.list_gaps(orphans) == expected


def test_many_gaps_do_not_look_through_all_placements_each() -> None:
    gaps = Gaps((0, 10**6))
    for at in range(2, 2000, 2):
        gaps.note_cycle(START, cycle_at(at - 1, at), cycle_at(at + 1, at + 2))
    times = CountedTimes(range(2001))
    assert [gap.placements for gap in gaps.list_gaps(times)] == [1] * 999
    assert times.walks <= 1


def test_nothing_is_read_past_the_end_of_the_time() -> None:
    asked: list[int] = []

    class Watched(MemoryCycleLog):
        def list_cycles(self, start: int, after: int = 0, **more: Any) -> list[Cycle]:
            asked.append(after)
            return super().list_cycles(start, after, **more)

    log = Watched()
    log.begin(0, 0, "1")
    log.add([cycle_at(number, number) for number in range(1, 3501)])
    assert [one.number for one in load_cycles(log, 1, (999, 1001))] == [999, 1000, 1001]
    assert asked == [0]
    assert read_in_force(log, (999, 1001)).plans == 3
    assert asked == [0, 0]
