"""The tree of RFC 6962: known roots, and every proof of small trees against an own definition."""

from __future__ import annotations

import hashlib

import pytest

from quarterdeck.core.audit.merkle import (
    Frontier,
    count_stored,
    hash_leaf,
    prove_consistency,
    prove_inclusion,
    read_frontier,
    read_root,
    verify_consistency,
    verify_inclusion,
)

# The leaves and roots that Certificate Transparency's own tests use, for 0 to 8 leaves.
LEAVES = [bytes.fromhex(one) for one in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
SIZE_MAX = 33


def defined_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, word for word."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = max(2**n for n in range(20) if 2**n < len(leaves))
    return hashlib.sha256(b"\x01" + defined_root(leaves[:k]) + defined_root(leaves[k:])).digest()


@pytest.fixture(scope="module")
def leaves() -> list[bytes]:
    return [*LEAVES, *(b"%d" % number for number in range(SIZE_MAX - len(LEAVES)))]


@pytest.fixture(scope="module")
def stored(leaves: list[bytes]) -> list[bytes]:
    frontier = Frontier()
    return [one for leaf in leaves for one in frontier.add(hash_leaf(leaf))]


@pytest.mark.parametrize("size", range(9))
def test_roots_are_those_that_others_compute(size: int) -> None:
    frontier = Frontier()
    for leaf in LEAVES[:size]:
        frontier.add(hash_leaf(leaf))
    assert frontier.root().hex() == ROOTS[size]
    assert defined_root(LEAVES[:size]).hex() == ROOTS[size]


def test_every_earlier_root_can_be_read_from_the_stored_hashes(
    leaves: list[bytes], stored: list[bytes]
) -> None:
    assert len(stored) == count_stored(SIZE_MAX)
    for size in range(SIZE_MAX + 1):
        assert read_root(stored.__getitem__, size) == defined_root(leaves[:size])
        # Nothing is read that did not exist then.
        assert read_root(stored[: count_stored(size)].__getitem__, size)


def test_a_tree_goes_on_from_what_was_stored(leaves: list[bytes], stored: list[bytes]) -> None:
    for size in range(SIZE_MAX):
        frontier = read_frontier(stored.__getitem__, size)
        frontier.add(hash_leaf(leaves[size]))
        assert frontier.root() == defined_root(leaves[: size + 1])


def test_every_inclusion_proof_holds_for_its_leaf_and_for_no_other_place(
    leaves: list[bytes], stored: list[bytes]
) -> None:
    for size in range(1, SIZE_MAX + 1):
        root = defined_root(leaves[:size])
        for index in range(size):
            leaf, proof = hash_leaf(leaves[index]), prove_inclusion(stored.__getitem__, index, size)
            assert verify_inclusion(leaf, index, size, proof, root)
            for other in {index - 1, index + 1, 0, size - 1} - {index}:
                assert not verify_inclusion(leaf, other, size, proof, root)
            assert not verify_inclusion(hash_leaf(b"another"), index, size, proof, root)
            assert not verify_inclusion(leaf, index, size, [*proof, root], root)
            assert not verify_inclusion(leaf, index, size, proof[:-1], root) or not proof


def test_every_consistency_proof_holds_and_none_for_a_changed_past(
    leaves: list[bytes], stored: list[bytes]
) -> None:
    for new in range(SIZE_MAX + 1):
        root = defined_root(leaves[:new])
        for old in range(new + 1):
            proof = prove_consistency(stored.__getitem__, old, new)
            old_root = defined_root(leaves[:old])
            assert verify_consistency(old, new, old_root, root, proof)
            if old > 0:
                forged = defined_root([*leaves[: old - 1], b"forged"])
                assert not verify_consistency(old, new, forged, root, proof)
                assert not verify_consistency(old, new, old_root, hash_leaf(b"no root"), proof)
            if proof:
                assert not verify_consistency(old, new, old_root, root, proof[:-1])
                assert not verify_consistency(old, new, old_root, root, [*proof, root])
            assert not verify_consistency(new + 1, new, old_root, root, proof)
