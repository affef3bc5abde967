"""The server's clock follows the wall clock forwards, and is never turned back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.adapters.stores.memory import MemoryStore
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.testing.builders import START_NS, a_job, a_submitted
from quarterdeck.wiring.clock import SteadyClock, find_last_stamp

HOUR_NS = 3600 * NS_PER_S


class Hands:
    """A wall clock that somebody sets, and one that nobody can set."""

    def __init__(self) -> None:
        self.wall_ns = START_NS
        self.steady_ns = 5

    def pass_ns(self, span_ns: int) -> None:
        self.wall_ns += span_ns
        self.steady_ns += span_ns

    def clock(self, floor_ns: int = 0) -> SteadyClock:
        return SteadyClock(floor_ns, wall_ns=lambda: self.wall_ns, steady_ns=lambda: self.steady_ns)


def test_it_is_the_wall_clock_as_long_as_nobody_sets_that_back() -> None:
    hands = Hands()
    clock = hands.clock()
    assert clock.now_ns() == START_NS
    hands.pass_ns(HOUR_NS)
    assert clock.now_ns() == START_NS + HOUR_NS
    hands.wall_ns += 5 * HOUR_NS
    assert clock.now_ns() == START_NS + 6 * HOUR_NS


def test_set_back_by_an_hour_it_goes_on_and_meets_the_wall_after_two() -> None:
    hands = Hands()
    clock = hands.clock()
    before = clock.now_ns()
    hands.wall_ns -= HOUR_NS
    assert clock.now_ns() == before
    hands.pass_ns(HOUR_NS)
    assert clock.now_ns() == before + HOUR_NS // 2
    hands.pass_ns(HOUR_NS)
    assert clock.now_ns() == hands.wall_ns == before + HOUR_NS
    hands.pass_ns(HOUR_NS)
    assert clock.now_ns() == hands.wall_ns


def test_a_server_that_starts_on_a_clock_set_back_goes_on_after_the_last_stamp() -> None:
    store = MemoryStore()
    assert find_last_stamp(store) == 0
    store.transact(lambda tx: tx.append(None, [a_submitted(at_ns=START_NS + 7)], a_job()))
    hands = Hands()
    hands.wall_ns -= HOUR_NS
    assert hands.clock(find_last_stamp(store)).now_ns() == START_NS + 7


def test_a_clock_that_had_been_wrong_by_years_is_believed_when_it_is_set_right() -> None:
    hands = Hands()
    assert hands.clock(START_NS + 20 * 8766 * HOUR_NS).now_ns() == START_NS


@given(st.lists(st.tuples(st.integers(0, 10**12), st.integers(-(10**12), 10**12)), max_size=30))
def test_it_never_goes_back_and_always_goes_on(moves: list[tuple[int, int]]) -> None:
    hands = Hands()
    clock = hands.clock()
    last_ns = clock.now_ns()
    for passed_ns, jump_ns in moves:
        hands.pass_ns(passed_ns)
        hands.wall_ns += jump_ns
        now_ns = clock.now_ns()
        assert now_ns >= last_ns + passed_ns // 2
        last_ns = now_ns
