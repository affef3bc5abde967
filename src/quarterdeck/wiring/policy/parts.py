"""The parts of a policy file, and what is wrong with it first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.sdk.yamltree import Broken, Entries, Fault, Items, shown_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quarterdeck.sdk.yamltree import Place, Scalar, Tree
    from quarterdeck.wiring.policy.keys import Plain


class Wrong(Exception):
    """The first thing that is wrong."""

    def __init__(self, place: Place, told: str, hint: str, name: str, code: str = "") -> None:
        super().__init__(told)
        self.fault = Fault(place, told, hint, name, code or None)


def entries_of(tree: Entries, above: str) -> Iterator[tuple[Scalar, Tree]]:
    """Each key with its value; the same key twice is refused."""
    seen: set[str] = set()
    for key, value in tree.entries:
        if key.text in seen:
            told = f"the key {shown_key(key.text)} is there twice"
            raise Wrong(key.place, told, "keep one", above + key.text)
        seen.add(key.text)
        yield key, value


def scalar_of(tree: Tree, name: str) -> Plain:
    """The one value that a key has."""
    if isinstance(tree, Items | Entries | Broken):
        told = f"{name} is a list or a mapping, and one value is wanted"
        raise Wrong(tree.place, told, f"write {name}: and its value on one line", name)
    if tree.is_null:
        told = f"{name} has no value"
        raise Wrong(tree.place, told, "give it one, or leave the key out", name)
    return tree.value
