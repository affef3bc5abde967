"""Ids that can be read aloud."""

from __future__ import annotations

import pytest

from quarterdeck.basics.ids import ALPHABET, SYMBOLS, format_id, is_job_id


def test_the_alphabet_has_no_look_alikes() -> None:
    assert len(set(ALPHABET)) == 32
    assert not set(ALPHABET) & set("ilou")


def test_an_id_counts_in_base_32_with_leading_zeros() -> None:
    assert format_id("j", 0) == "j000000000"
    assert format_id("j", 31) == "j00000000z"
    assert format_id("j", 32) == "j000000010"
    assert format_id("s", 2**45 - 1) == "szzzzzzzzz"


def test_only_the_lowest_45_bits_count() -> None:
    assert format_id("j", 2**45 + 7) == format_id("j", 7)


@pytest.mark.parametrize("symbol", ALPHABET)
def test_every_symbol_of_the_alphabet_is_accepted(symbol: str) -> None:
    assert is_job_id("j" + symbol * SYMBOLS)


@pytest.mark.parametrize(
    "text",
    ["", "j", "j00000000", "j0000000000", "k000000000", "J000000000", "j00000000i", "j00000000\n"],
)
def test_what_has_not_the_form_is_no_job_id(text: str) -> None:
    assert not is_job_id(text)
