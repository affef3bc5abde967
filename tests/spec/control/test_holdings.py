"""Who has shown to have which files."""

from __future__ import annotations

import hashlib

import pytest

from quarterdeck.basics.errors import Invalid
from quarterdeck.control.holdings import Holdings, Proof


def digest_of(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def test_only_what_somebody_has_sent_is_theirs() -> None:
    holdings = Holdings()
    one, two = digest_of(1), digest_of(2)
    holdings.add("ann", one)
    assert holdings.lacks("ann", [one, two]) == {two}
    assert holdings.lacks("bob", [one, two]) == {one, two}


def test_who_has_sent_nothing_for_the_longest_time_is_forgotten_first() -> None:
    holdings = Holdings(held_max=5)
    for who, number in (("ann", 1), ("bob", 2), ("bob", 3), ("ann", 4), ("cy", 5), ("cy", 6)):
        holdings.add(who, digest_of(number))
    assert holdings.lacks("bob", [digest_of(2), digest_of(3)]) == {digest_of(2), digest_of(3)}
    assert holdings.lacks("ann", [digest_of(1), digest_of(4)]) == set()
    assert holdings.lacks("cy", [digest_of(5), digest_of(6)]) == set()


def test_what_is_sent_twice_counts_once() -> None:
    holdings = Holdings(held_max=2)
    holdings.add("ann", digest_of(1))
    for _ in range(5):
        holdings.add("bob", digest_of(2))
    assert holdings.lacks("ann", [digest_of(1)]) == set()


@pytest.mark.parametrize("read", [0, 1, 3])
def test_bytes_are_looked_at_whoever_reads_them(read: int) -> None:
    """Also where the file is here already, and the store reads none of them."""
    pieces = [b"a", b"b", b"c"]
    right = hashlib.sha256(b"abc").hexdigest()
    for digest, is_right in ((right, True), (digest_of(1), False)):
        proof = Proof(digest, pieces)
        for _, _ in zip(range(read), proof, strict=False):
            pass
        if is_right:
            proof.finish()
        else:
            with pytest.raises(Invalid):
                proof.finish()
