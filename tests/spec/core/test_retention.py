"""What the rules of retention let go, and in which order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.retention.rules import DAY_S, Kind, Rule, Stored, choose

NOW_NS = 1_700_000_000 * NS_PER_S
DAY_NS = int(DAY_S) * NS_PER_S


def stored(name: str, age_days: float, size_bytes: int = 10) -> Stored:
    return Stored(Kind.LOGS, name, size_bytes, NOW_NS - int(age_days * DAY_NS))


def names(known: list[Stored], rule: Rule, *, in_use: str = "", now_ns: int = NOW_NS) -> list[str]:
    chosen = choose(
        known, rule, now_ns, lambda one: None if one.name in in_use.split() else one.touched_ns
    )
    return [doomed.stored.name for doomed in chosen]


def test_without_limits_nothing_goes() -> None:
    assert names([stored("a", 10_000, 2**60)], Rule()) == []


def test_what_is_older_than_the_rule_goes_oldest_first() -> None:
    known = [stored("young", 6), stored("old", 8), stored("older", 9)]
    assert names(known, Rule(7 * DAY_S)) == ["older", "old"]


def test_over_quota_the_oldest_go_until_the_rest_fits() -> None:
    known = [stored("c", 1), stored("a", 3), stored("b", 2)]
    assert names(known, Rule(bytes_max=30)) == []
    assert names(known, Rule(bytes_max=29)) == ["a"]
    assert names(known, Rule(bytes_max=10)) == ["a", "b"]


def test_each_says_by_which_rule_it_goes() -> None:
    known = [stored("old", 9), stored("large", 1, 2**31)]
    doomed = choose(known, Rule(7 * DAY_S, 2**30), NOW_NS, lambda one: one.touched_ns)
    assert [one.rule for one in doomed] == ["unused for more than 7d00h", "more than 1GiB in all"]


def test_what_is_in_use_stays_however_old_and_still_takes_its_room() -> None:
    known = [stored("a", 9), stored("b", 8), stored("c", 1)]
    assert names(known, Rule(7 * DAY_S), in_use="a b") == []
    assert names(known, Rule(bytes_max=10), in_use="a") == ["b", "c"]


def test_what_ended_later_than_its_files_say_counts_from_its_end() -> None:
    chosen = choose([stored("a", 30)], Rule(7 * DAY_S), NOW_NS, lambda _: NOW_NS - DAY_NS)
    assert chosen == []


def test_a_clock_that_went_back_deletes_nothing_sooner() -> None:
    known = [stored("a", 6.99), stored("from the future", -1)]
    assert names(known, Rule(7 * DAY_S), now_ns=NOW_NS - 3600 * NS_PER_S) == []


@given(
    st.lists(st.tuples(st.floats(0, 20), st.integers(0, 50), st.booleans()), max_size=12),
    st.integers(0, 300),
)
def test_what_is_left_fits_unless_the_rest_is_in_use(
    found: list[tuple[float, int, bool]], bytes_max: int
) -> None:
    known = [stored(str(n), age, size) for n, (age, size, _) in enumerate(found)]
    busy = " ".join(str(n) for n, (_, _, is_busy) in enumerate(found) if is_busy)
    gone = set(names(known, Rule(bytes_max=bytes_max), in_use=busy))
    left = [one for one in known if one.name not in gone]
    assert not gone & set(busy.split())
    idle = [one for one in left if one.name not in busy.split()]
    assert sum(one.size_bytes for one in left) <= bytes_max or not idle
