"""Points in time."""

from __future__ import annotations

import pytest

from quarterdeck.basics.times import parse_iso, to_iso


def test_a_moment_is_shown_in_utc_with_microseconds() -> None:
    assert to_iso(0) == "1970-01-01T00:00:00.000000Z"
    assert to_iso(1_795_427_100_123_456_789) == "2026-11-23T09:45:00.123456Z"


def test_a_moment_before_the_epoch_is_shown_right() -> None:
    assert to_iso(-1_000) == "1969-12-31T23:59:59.999999Z"


@pytest.mark.parametrize("at_ns", [0, 1_000, 1_795_427_100_123_456_000, -5_000])
def test_what_is_shown_reads_back_to_the_microsecond(at_ns: int) -> None:
    assert parse_iso(to_iso(at_ns)) == at_ns


def test_a_zone_is_taken_into_account() -> None:
    assert parse_iso("2026-11-23T10:45:00+01:00") == parse_iso("2026-11-23T09:45:00Z")


def test_a_moment_without_a_zone_is_no_moment() -> None:
    with pytest.raises(ValueError, match="time zone"):
        parse_iso("2026-11-23T09:45:00")
