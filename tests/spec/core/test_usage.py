"""GPU time that was held, by days, and what of it counts now."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.cluster.demand import Grant
from quarterdeck.core.ledger.usage import (
    DAY_NS,
    DAYS_MAX,
    DayUse,
    UsageBook,
    Used,
    average_held,
    gpus_of,
    month_of,
    used_between,
)

DAY_S = 86_400.0
NOON_NS = 20_000 * DAY_NS + DAY_NS // 2


@given(
    st.integers(0, 3 * DAY_NS),
    st.integers(0, 3 * DAY_NS),
    st.sampled_from([0.25, 1.0, 8.0]),
)
def test_days_add_up_to_what_was_held(begin: int, length: int, gpus: float) -> None:
    found = used_between(("t", "o"), gpus, begin, begin + length)
    days = [one.day for one in found]
    assert days == sorted(set(days))
    assert sum(one.gpu_ms for one in found) == pytest.approx(gpus * length / 1e6, abs=len(found))
    for one in found:
        inside = min(begin + length, (one.day + 1) * DAY_NS) - max(begin, one.day * DAY_NS)
        assert one.gpu_ms == pytest.approx(gpus * inside / 1e6, abs=1)


def test_parts_of_gpus_count_as_parts() -> None:
    grants = [Grant("a", ("GPU-1", "GPU-2/25%")), Grant("b", ("GPU-3/2g.10gb@0",))]
    assert gpus_of(grants) == pytest.approx(1.25 + 2 / 7)


@pytest.mark.parametrize(
    ("now", "first", "following"),
    [
        ("2026-12-31T23:59:59", "2026-12-01", "2027-01-01"),
        ("2028-02-29T00:00:00", "2028-02-01", "2028-03-01"),
        ("2026-11-01T00:00:00", "2026-11-01", "2026-12-01"),
    ],
)
def test_a_month_is_one_of_the_calendar(now: str, first: str, following: str) -> None:
    def day(text: str) -> int:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) // 86_400

    at_ns = int(datetime.fromisoformat(now).replace(tzinfo=UTC).timestamp()) * NS_PER_S
    assert month_of(at_ns) == (day(first), day(following))


@given(st.floats(DAY_S, 30 * DAY_S), st.integers(0, 60))
def test_days_weigh_what_the_same_time_weighs_while_it_is_held(half_life_s: float, n: int) -> None:
    """What has been held evenly up to now counts the same, whether it has ended or not."""
    begin_ns = (20_000 - n) * DAY_NS
    ended = UsageBook(used_between(("t", "o"), 3.0, begin_ns, NOON_NS)).view()
    running = average_held(3.0, begin_ns, NOON_NS, half_life_s)
    assert ended.teams["t"].average(NOON_NS, half_life_s) == pytest.approx(running, rel=1e-6)
    assert running == pytest.approx(3.0 * (1 - 0.5 ** ((n + 0.5) * DAY_S / half_life_s)))


def test_use_fades_by_half_with_every_half_life() -> None:
    use = DayUse().plus(20_000, 1_000_000)
    midnight = 20_001 * DAY_NS
    now = use.average(midnight, 7 * DAY_S)
    assert use.average(midnight + 7 * DAY_NS, 7 * DAY_S) == pytest.approx(now / 2)
    assert use.average(midnight + 7 * DAY_NS, DAY_S) == pytest.approx(
        use.average(midnight, DAY_S) / 128
    )


def test_what_was_used_this_very_instant_counts_whole() -> None:
    midnight = 20_000 * DAY_NS
    use = DayUse().plus(20_000, 1_000_000)
    assert use.average(midnight, DAY_S) == pytest.approx(1000 * math.log(2) / DAY_S)


def test_old_days_are_forgotten() -> None:
    use = DayUse().plus(20_000 - DAYS_MAX, 1).plus(20_001 - DAYS_MAX, 10).plus(20_000, 100)
    assert use.gpu_s_since(0) == pytest.approx(0.110)


def test_a_view_stays_as_it_was() -> None:
    book = UsageBook([Used("t", "o", 5, 1000), Used("t", "p", 5, 1000)])
    before = book.view()
    book.add([Used("u", "o", 6, 2000)])
    assert before.owners["o"].gpu_s_since(0) == 1.0
    after = book.view()
    assert after.owners["o"].gpu_s_since(0) == 3.0
    assert after.teams["t"].gpu_s_since(0) == 2.0
    assert after.members["u", "o"].gpu_s_since(0) == 2.0
