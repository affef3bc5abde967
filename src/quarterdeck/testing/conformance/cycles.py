"""What every log of cycles must do."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from quarterdeck.basics.ids import JobId
from quarterdeck.core.calendar.booking import Kind
from quarterdeck.core.calendar.occurrences import Occurrence
from quarterdeck.core.governance.limits import Bound, Quota
from quarterdeck.core.ledger.usage import Used
from quarterdeck.core.scheduling.imprint import Imprint
from quarterdeck.core.scheduling.promised import Promised
from quarterdeck.core.scheduling.snapshot import Policy
from quarterdeck.ports.cycles import Cycle, Inputs, Outcome, Start
from quarterdeck.testing.builders import START_NS

if TYPE_CHECKING:
    from collections.abc import Callable

    from quarterdeck.ports.cycles import CycleLog

LIMITS = Inputs(
    Policy(patience_s=60.0),
    (
        (("team", "red"), Quota(running_jobs=Bound(4))),
        (("owner", "ada"), Quota(queued_jobs=Bound(9, is_hard=False), sites=("local",))),
    ),
    (
        Occurrence("b1", Kind.MAINTENANCE, START_NS, START_NS + 1, nodes=("d0",), site="local"),
        Occurrence("b2", Kind.LEASE, 1, 2**62, "red", ("ada",), count=3, gpu_model="A100"),
        Occurrence("b3", Kind.RESERVATION, 1, 2, zone="Europe/Berlin", is_used=True, count=1),
    ),
    (Promised(JobId("j1"), START_NS + 1, "local", ("d0", "d1")),),
)


def a_cycle(number: int = 1, *, inputs: Inputs | None = None) -> Cycle:
    """One that was made so many seconds after the start."""
    imprint = Imprint("a1", "b2", 3, (("limit", 1), ("no_capacity", 2)))
    at_ns = START_NS + number * 10**9
    return Cycle(number, at_ns, 10 * number, imprint, inputs or Inputs(), Outcome.KEPT, 2)


class CycleLogConformance:
    """On a fixture `cycles`, and `reopened`, which is the same log as a later process sees it."""

    def test_it_gives_back_what_was_added_in_order(self, cycles: CycleLog) -> None:
        """With all that they depended on."""
        added = [a_cycle(1), a_cycle(2, inputs=LIMITS), a_cycle(3, inputs=LIMITS), a_cycle(4)]
        start = cycles.begin(START_NS, 7, "1.0")
        cycles.add(added[:2])
        cycles.add(added[2:])
        assert cycles.list_cycles(start) == added

    def test_every_outcome_is_kept(self, cycles: CycleLog) -> None:
        """As it was."""
        start = cycles.begin(START_NS, 7, "1.0")
        added = [replace(a_cycle(n), outcome=one) for n, one in enumerate(Outcome, start=1)]
        cycles.add(added)
        assert cycles.list_cycles(start) == added

    def test_pages_follow_each_other(self, cycles: CycleLog) -> None:
        """Without a gap, and without one twice."""
        start = cycles.begin(START_NS, 7, "1.0")
        cycles.add([a_cycle(number) for number in range(1, 6)])
        assert [one.number for one in cycles.list_cycles(start, limit=2)] == [1, 2]
        assert [one.number for one in cycles.list_cycles(start, 2, limit=9)] == [3, 4, 5]

    def test_those_from_a_time_on_can_be_asked_for(self, cycles: CycleLog) -> None:
        """Without the ones before."""
        start = cycles.begin(START_NS, 7, "1.0")
        cycles.add([a_cycle(number) for number in range(1, 6)])
        found = cycles.list_cycles(start, since_ns=START_NS + 3 * 10**9, limit=2)
        assert [one.number for one in found] == [3, 4]

    def test_each_start_has_its_own(self, cycles: CycleLog) -> None:
        """And begins to count anew."""
        first = cycles.begin(START_NS, 7, "1.0")
        cycles.add([a_cycle(1), a_cycle(2)])
        second = cycles.begin(START_NS + 10**10, 70, "1.1")
        cycles.add([a_cycle(1, inputs=LIMITS)])
        assert cycles.list_cycles(first) == [a_cycle(1), a_cycle(2)]
        assert cycles.list_cycles(second) == [a_cycle(1, inputs=LIMITS)]

    def test_a_start_that_has_ended_says_so_and_one_that_was_killed_does_not(
        self, cycles: CycleLog
    ) -> None:
        """Then its last plans may be missing."""
        first = cycles.begin(START_NS, 7, "1.0")
        second = cycles.begin(START_NS + 10, 70, "1.0")
        cycles.end(START_NS + 20)
        third = cycles.begin(START_NS + 30, 90, "1.1")
        assert cycles.list_starts() == [
            Start(first, START_NS, 7, "1.0"),
            Start(second, START_NS + 10, 70, "1.0", START_NS + 20),
            Start(third, START_NS + 30, 90, "1.1"),
        ]

    def test_a_start_knows_what_was_used_before_it(self, cycles: CycleLog) -> None:
        """And each its own."""
        used = (Used("vision", "ada", 20_000, 5_400_000), Used("speech", "bob", 20_001, 1))
        cycles.begin(START_NS, 7, "1.0", used)
        cycles.begin(START_NS + 10, 70, "1.0")
        assert [one.used for one in cycles.list_starts()] == [used, ()]

    def test_what_is_older_is_forgotten(self, cycles: CycleLog) -> None:
        """And only that; what is left still has what it depended on."""
        start = cycles.begin(START_NS, 7, "1.0")
        cycles.add([a_cycle(number, inputs=LIMITS) for number in range(1, 5)])
        cycles.drop(START_NS + 3 * 10**9, 100)
        cycles.add([a_cycle(5, inputs=LIMITS)])
        left = [a_cycle(number, inputs=LIMITS) for number in (3, 4, 5)]
        assert cycles.list_cycles(start) == left

    def test_of_too_many_the_oldest_are_forgotten(self, cycles: CycleLog) -> None:
        """Whichever start they are of."""
        first = cycles.begin(START_NS, 7, "1.0")
        cycles.add([a_cycle(1), a_cycle(2)])
        second = cycles.begin(START_NS + 3 * 10**9, 9, "1.0")
        cycles.add([a_cycle(4), a_cycle(5)])
        cycles.drop(START_NS, 3)
        assert cycles.list_cycles(first) == [a_cycle(2)]
        assert cycles.list_cycles(second) == [a_cycle(4), a_cycle(5)]

    def test_a_start_goes_with_its_last_cycle_but_the_present_one_stays(
        self, cycles: CycleLog
    ) -> None:
        """However old it is."""
        cycles.begin(START_NS, 7, "1.0")
        cycles.add([a_cycle(1)])
        second = cycles.begin(START_NS + 2 * 10**9, 9, "1.0")
        cycles.add([a_cycle(3)])
        cycles.drop(START_NS + 10**12, 100)
        assert [one.number for one in cycles.list_starts()] == [second]
        cycles.add([a_cycle(4)])
        assert cycles.list_cycles(second) == [a_cycle(4)]

    def test_a_later_process_sees_it(
        self, cycles: CycleLog, reopened: Callable[[], CycleLog]
    ) -> None:
        """Also without an orderly end."""
        start = cycles.begin(START_NS, 7, "1.0")
        cycles.add([a_cycle(inputs=LIMITS)])
        assert reopened().list_cycles(start) == [a_cycle(inputs=LIMITS)]
