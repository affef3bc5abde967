"""Points in time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from quarterdeck.basics.times import NS_PER_S, to_iso


def test_a_moment_is_shown_in_utc_with_microseconds() -> None:
    assert to_iso(0) == "1970-01-01T00:00:00.000000Z"
    assert to_iso(1_795_427_100_123_456_789) == "2026-11-23T09:45:00.123456Z"


def test_a_moment_before_the_epoch_is_shown_right() -> None:
    assert to_iso(-1_000) == "1969-12-31T23:59:59.999999Z"


@pytest.mark.parametrize("at_ns", [0, 1_000, 1_795_427_100_123_456_000, -5_000])
def test_what_is_shown_reads_back_to_the_microsecond(at_ns: int) -> None:
    since = datetime.fromisoformat(to_iso(at_ns)) - datetime(1970, 1, 1, tzinfo=UTC)
    assert since // timedelta(microseconds=1) * (NS_PER_S // 1_000_000) == at_ns
