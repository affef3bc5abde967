"""A log is cut between characters, whatever bytes it holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.api.follow import whole_characters


@given(text=st.text(max_size=30), data=st.data())
def test_cut_anywhere_the_pieces_are_whole_and_together_the_text(
    text: str, data: st.DataObject
) -> None:
    whole = text.encode("utf-8", "replace")
    cut = data.draw(st.integers(0, len(whole)))
    size = whole_characters(whole[:cut])
    assert cut - 3 <= size <= cut
    assert whole[:size].decode() + whole[size:].decode() == whole.decode()


@given(junk=st.binary(max_size=20))
def test_bytes_that_are_no_text_hold_back_three_at_most(junk: bytes) -> None:
    assert len(junk) - 3 <= whole_characters(junk) <= len(junk)


@pytest.mark.parametrize("junk", [b"\xff", b"\x80\x80\x80\x80", b"a\xc1", b"\xf8\x80", b"\x80"])
def test_bytes_that_can_never_become_a_character_are_not_waited_for(junk: bytes) -> None:
    assert whole_characters(junk) == len(junk)
