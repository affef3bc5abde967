"""The Merkle tree over the records: hashing, proofs and their verification after RFC 6962.

A leaf is hashed behind a 0 byte and an inner node behind a 1 byte, so that no leaf can pass for a
node. A tree of any size is made of complete subtrees, one for each bit of the size; while leaves
are added only the roots of those are kept in mind.

Hashes of complete subtrees never change. They are numbered in the order in which they become
complete, a leaf before the subtrees that it completes, so a file of them only ever grows, and any
root or proof of any earlier size can be read from it without looking at a record.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    ReadHash = Callable[[int], bytes]
    """The stored hash of this number."""

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()


def hash_leaf(content: bytes) -> bytes:
    """The hash of a record."""
    return hashlib.sha256(b"\x00" + content).digest()


def hash_node(left: bytes, right: bytes) -> bytes:
    """The hash over two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def count_stored(size: int) -> int:
    """How many hashes are stored for so many leaves: of n leaves, each bit of n is the root of a
    complete subtree, and a complete subtree of m leaves has 2m - 1 hashes."""
    return 2 * size - size.bit_count()


def place_of(level: int, index: int) -> int:
    """The number of the hash over leaves `index << level` up to the next such border: its last leaf
    is stored first, then the subtrees that this leaf completes, the smallest first."""
    last_leaf = ((index + 1) << level) - 1
    return count_stored(last_leaf) + level


class Frontier:
    """A growing tree: the roots of its complete subtrees, the largest first."""

    def __init__(self, size: int = 0, roots: Iterable[bytes] = ()) -> None:
        self.size = size
        self._roots = list(roots)
        assert len(self._roots) == size.bit_count()

    def add(self, leaf: bytes) -> list[bytes]:
        """Add a leaf's hash; the hashes to store, in the order of their numbers."""
        made = [leaf]
        rest = self.size
        while rest & 1:
            leaf = hash_node(self._roots.pop(), leaf)
            made.append(leaf)
            rest >>= 1
        self._roots.append(leaf)
        self.size += 1
        return made

    def root(self) -> bytes:
        """The root of the whole tree as it is."""
        if not self._roots:
            return EMPTY_ROOT
        *others, found = self._roots
        for root in reversed(others):
            found = hash_node(root, found)
        return found


def read_frontier(read: ReadHash, size: int) -> Frontier:
    """The growing tree at a size that it once had."""
    roots = []
    start = 0
    for level in reversed(range(size.bit_length())):
        if size >> level & 1:
            roots.append(read(place_of(level, start >> level)))
            start += 1 << level
    return Frontier(size, roots)


def read_root(read: ReadHash, size: int) -> bytes:
    """The root that the tree had at this size."""
    return read_frontier(read, size).root()


def prove_inclusion(read: ReadHash, index: int, size: int) -> list[bytes]:
    """The hashes that lead from a leaf to the root of that size, the lowest first."""
    assert 0 <= index < size
    return _path(read, index, 0, size)


def prove_consistency(read: ReadHash, old: int, new: int) -> list[bytes]:
    """The hashes that show the tree of size `old` to be the beginning of that of size `new`."""
    assert 0 <= old <= new
    return [] if old in (0, new) else _subproof(read, old, 0, new, is_whole=True)


def _path(read: ReadHash, index: int, start: int, size: int) -> list[bytes]:
    if size == 1:
        return []
    half = _split(size)
    if index < half:
        return [*_path(read, index, start, half), _range(read, start + half, size - half)]
    return [
        *_path(read, index - half, start + half, size - half),
        _range(read, start, half),
    ]


def _subproof(read: ReadHash, old: int, start: int, size: int, *, is_whole: bool) -> list[bytes]:
    if old == size:
        return [] if is_whole else [_range(read, start, size)]
    half = _split(size)
    if old <= half:
        lower = _subproof(read, old, start, half, is_whole=is_whole)
        return [*lower, _range(read, start + half, size - half)]
    upper = _subproof(read, old - half, start + half, size - half, is_whole=False)
    return [*upper, _range(read, start, half)]


def _range(read: ReadHash, start: int, size: int) -> bytes:
    """The hash over some leaves that are a subtree of their own."""
    half = _split(size) if size > 1 else 0
    if size == half << 1 or size == 1:
        level = size.bit_length() - 1
        return read(place_of(level, start >> level))
    return hash_node(_range(read, start, half), _range(read, start + half, size - half))


def _split(size: int) -> int:
    """The largest power of two below the size."""
    return 1 << ((size - 1).bit_length() - 1)


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> bool:
    """Whether the proof shows this leaf at this place of the tree with this root."""
    if not 0 <= index < size:
        return False
    node, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            found = hash_node(sibling, found)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            found = hash_node(found, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and found == root


def verify_consistency(
    old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Whether the proof shows that the older tree is the beginning of the newer one."""
    if not 0 <= old <= new:
        return False
    if old == 0:
        return not proof and old_root == EMPTY_ROOT
    if old == new:
        return not proof and old_root == new_root
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    hashes = list(proof) if node else [old_root, *proof]
    if not hashes:
        return False
    of_old = of_new = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            of_old, of_new = hash_node(sibling, of_old), hash_node(sibling, of_new)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            of_new = hash_node(of_new, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and of_old == old_root and of_new == new_root
