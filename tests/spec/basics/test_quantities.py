"""Sizes and durations as people write them."""

from __future__ import annotations

import pytest

from quarterdeck.basics.errors import Invalid
from quarterdeck.basics.quantities import (
    BYTES_MAX,
    SPAN_S_MAX,
    format_bytes,
    format_span,
    parse_bytes,
    parse_span_s,
)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1B", 1),
        ("1kB", 1000),
        ("1KiB", 1024),
        ("500MB", 500 * 10**6),
        ("500MiB", 500 * 2**20),
        ("64GiB", 64 * 2**30),
        ("20GB", 20 * 10**9),
        ("1.5TiB", 3 * 2**39),
        ("2TB", 2 * 10**12),
        (" 64 gib ", 64 * 2**30),
        ("4.35GB", 4_350_000_000),
        ("9007199254740993B", 2**53 + 1),
    ],
)
def test_a_size_means_its_unit_to_the_byte(text: str, size: int) -> None:
    assert parse_bytes(text, field="memory") == size


@pytest.mark.parametrize(
    "text",
    ["", "64", "64 ", "GiB", "-1GiB", "64GiBs", "64XB", "6 4GiB", "1e3MB", "0GB", "0.4B", "٣GB"],
)
def test_a_size_without_a_usable_number_and_unit_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as refusal:
        parse_bytes(text, field="resources.memory")
    assert refusal.value.field == "resources.memory"
    assert repr(text) in refusal.value.message
    assert refusal.value.hint


def test_the_largest_size_is_accepted_and_one_more_is_refused() -> None:
    assert parse_bytes(f"{BYTES_MAX // 2**40}TiB", field="memory") == BYTES_MAX
    with pytest.raises(Invalid, match="1048576TiB"):
        parse_bytes(f"{BYTES_MAX // 2**40 + 1}TiB", field="memory")


@pytest.mark.parametrize(
    ("text", "span_s"),
    [
        ("0s", 0),
        ("30s", 30),
        ("0.5s", 0.5),
        ("10m", 600),
        ("2h", 7200),
        ("1d", 86400),
        ("1h30m", 5400),
        ("1h 30m 5s", 5405),
        ("00:00:01", 1),
        ("1-02:03:04", 86400 + 7384),
        (" 1-00:00:00 ", 86400),
    ],
)
def test_a_duration_means_its_units(text: str, span_s: float) -> None:
    assert parse_span_s(text, field="checkpoint.grace") == span_s


@pytest.mark.parametrize(
    "text", ["", "30", "-1s", "s", "1w", "1h30", "1:30", "1-00:00", "inf s", "1_0s", "٣s"]
)
def test_a_duration_without_a_unit_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as refusal:
        parse_span_s(text, field="checkpoint.grace")
    assert refusal.value.field == "checkpoint.grace"
    assert "30s" in refusal.value.hint


def test_a_duration_past_ten_years_is_refused() -> None:
    assert parse_span_s(f"{SPAN_S_MAX / 86400:.0f}d", field="grace") == SPAN_S_MAX
    with pytest.raises(Invalid, match="ten years"):
        parse_span_s("3661d", field="grace")


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0B"),
        (1023, "1023B"),
        (1024, "1KiB"),
        (3 * 2**29, "1.5GiB"),
        (80 * 2**30, "80GiB"),
        (5 * 2**40, "5TiB"),
    ],
)
def test_a_size_is_shown_in_the_largest_unit_that_reads_well(size: int, text: str) -> None:
    assert format_bytes(size) == text


@pytest.mark.parametrize(
    ("span_s", "text"),
    [
        (0.85, "850ms"),
        (12.9, "12s"),
        (185, "3m05s"),
        (7440, "2h04m"),
        (86400 * 3 + 7200, "3d02h"),
    ],
)
def test_a_duration_is_shown_with_its_two_largest_units(span_s: float, text: str) -> None:
    assert format_span(span_s) == text
