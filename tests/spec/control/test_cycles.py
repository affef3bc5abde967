"""Plans are handed over in batches, numbered, with what they depended on."""

from __future__ import annotations

from collections.abc import Sequence

from quarterdeck.adapters.cycles.memory import MemoryCycleLog
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.control.cycles import Cycles
from quarterdeck.core.governance.limits import Bound, Quota
from quarterdeck.core.governance.people import Organization, People, Team, User
from quarterdeck.core.scheduling.plan import Plan
from quarterdeck.core.scheduling.snapshot import Policy
from quarterdeck.ports.cycles import Cycle, Outcome
from quarterdeck.testing.builders import START_NS

QUOTA = Quota(running_jobs=Bound(3))
PEOPLE = People(
    Organization("home"),
    {"red": Team("red", quota=QUOTA), "blue": Team("blue")},
    {"ada": User("ada", quota=QUOTA)},
)


class CountingLog(MemoryCycleLog):
    """It counts how often it is given something."""

    def __init__(self) -> None:
        super().__init__()
        self.begin(START_NS, 0, "1")
        self.batches: list[int] = []

    def add(self, cycles: Sequence[Cycle]) -> None:
        self.batches.append(len(cycles))
        super().add(cycles)


def note(cycles: Cycles, second: float, people: People | None = PEOPLE) -> None:
    at_ns = START_NS + int(second * NS_PER_S)
    cycles.note(Plan(7), at_ns, (Policy(), people, (), ()), (Outcome.KEPT, 0))


def test_plans_in_quick_succession_go_together_and_slow_ones_at_once() -> None:
    log = CountingLog()
    cycles = Cycles(log)
    for second in (1.0, 1.1, 1.2, 1.24, 1.3, 5.0):
        note(cycles, second)
    assert log.batches == [1, 4, 1]
    assert [one.number for one in log.list_cycles(1)] == [1, 2, 3, 4, 5, 6]


def test_what_is_held_back_goes_with_a_later_turn_or_the_end() -> None:
    log = CountingLog()
    cycles = Cycles(log)
    note(cycles, 1.0)
    note(cycles, 1.1)
    cycles.hand_over(START_NS + int(1.2 * NS_PER_S))
    assert log.batches == [1]
    cycles.hand_over(START_NS + int(1.3 * NS_PER_S))
    assert log.batches == [1, 1]
    note(cycles, 1.4)
    cycles.end(START_NS + 2 * NS_PER_S)
    assert log.batches == [1, 1, 1]
    assert log.list_starts()[0].ended_at_ns == START_NS + 2 * NS_PER_S


def test_a_clock_that_was_put_back_holds_nothing_back() -> None:
    log = CountingLog()
    cycles = Cycles(log)
    note(cycles, 100.0)
    note(cycles, 1.0)
    assert log.batches == [1, 1]


def test_what_is_held_back_says_when_it_is_due() -> None:
    cycles = Cycles(CountingLog())
    assert cycles.due_in_s(START_NS) is None
    note(cycles, 1.0)
    assert cycles.due_in_s(START_NS + NS_PER_S) is None
    note(cycles, 1.125)
    assert cycles.due_in_s(START_NS + int(1.125 * NS_PER_S)) == 0.125
    assert cycles.due_in_s(START_NS + 2 * NS_PER_S) == 0.0
    assert cycles.due_in_s(START_NS) == 0.0
    cycles.hand_over(START_NS + 2 * NS_PER_S)
    assert cycles.due_in_s(START_NS + 2 * NS_PER_S) is None


def test_the_limits_of_everybody_who_has_any_are_noted() -> None:
    log = CountingLog()
    cycles = Cycles(log)
    note(cycles, 1.0)
    note(cycles, 2.0, None)
    first, second = log.list_cycles(1)
    assert first.inputs.limits == ((("team", "red"), QUOTA), (("owner", "ada"), QUOTA))
    assert second.inputs.limits == ()
    assert (first.as_of, first.outcome, first.inputs.policy) == (7, Outcome.KEPT, Policy())
