"""A bucket lets through what its rate and burst say, whatever the clock does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.basics.buckets import Bucket, Buckets, Rate

RATE = Rate(rate_per_s=10, burst=5)


def test_a_burst_goes_through_and_then_as_much_as_flows_in() -> None:
    buckets = Buckets(RATE)
    assert [buckets.take("a", 1, 0) for _ in range(6)] == [0, 0, 0, 0, 0, 0.1]
    assert buckets.take("a", 1, 0.1) == 0
    assert buckets.take("a", 1, 0.1) > 0
    assert buckets.take("b", 1, 0.1) == 0


def test_who_waits_as_long_as_told_is_let_through() -> None:
    bucket = Bucket(tokens=0, at_s=0)
    wait_s = bucket.take(RATE, 3, 0)
    assert bucket.take(RATE, 3, wait_s - 0.01) > 0
    assert bucket.take(RATE, 3, wait_s) == 0


def test_what_costs_more_than_the_bucket_holds_goes_through_and_is_owed() -> None:
    bucket = Bucket(tokens=5, at_s=0)
    assert bucket.take(RATE, 25, 0) == 0
    assert bucket.take(RATE, 1, 2.0) > 0
    assert bucket.take(RATE, 1, 2.1) == 0


def test_memory_is_bounded_and_the_longest_unseen_is_forgotten_first() -> None:
    buckets = Buckets(RATE, kept_max=3)
    for _ in range(5):
        buckets.take("kept", 1, 0)
    for number in range(100):
        buckets.take(str(number), 1, 0)
        assert buckets.take("kept", 1, 0) > 0
    assert len(buckets) == 3


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(0.1, 20)), min_size=1, max_size=200))
def test_never_more_than_burst_and_what_flowed_in(steps: list[tuple[float, float]]) -> None:
    """Clocks that go back included: time counts only once it is later than ever before."""
    bucket, now_s, latest_s, spent, dearest = Bucket(RATE.burst, 0.0), 0.0, 0.0, 0.0, 0.0
    for step_s, cost in steps:
        now_s += step_s
        latest_s = max(latest_s, now_s)
        if bucket.take(RATE, cost, now_s) == 0:
            spent += cost
            dearest = max(dearest, cost)
    assert spent <= RATE.burst + latest_s * RATE.rate_per_s + max(0, dearest - RATE.burst) + 1e-6
