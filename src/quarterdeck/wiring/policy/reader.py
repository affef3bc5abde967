"""A policy file into a policy, and errors that name the line, the key and what to do.

Strict: a key that is misspelt would otherwise leave the usual value in force, and nobody would see.
"""

from __future__ import annotations

import difflib
import errno
import os
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from quarterdeck.basics.errors import Invalid
from quarterdeck.core.scheduling.snapshot import Policy
from quarterdeck.sdk.yamltree import (
    Broken,
    Entries,
    Fault,
    Items,
    Place,
    Scalar,
    Tree,
    read_documents,
    shown,
    shown_file,
    shown_key,
)
from quarterdeck.wiring.policy.keys import KEYS, Plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

BYTES_MAX: Final = 1 << 20
NAME_CHARS_MAX: Final = 60
GPUS_MAX: Final = 1_000_000
NAMES: Final = ("name", *(key.name for key in KEYS), "guarantees")


@dataclass(frozen=True, slots=True)
class NamedPolicy:
    """What a file says: the policy, its name, and of teams how many GPUs each is guaranteed."""

    name: str
    policy: Policy
    guarantees: Mapping[str, int] = field(default_factory=dict)


def load_policy(path: Path) -> NamedPolicy:
    """The policy in a file; without a name of its own it has the file's."""
    usual_name = path.stem if path.stem.isprintable() else "policy"
    content = read_bytes(path)
    if content is None:
        raise _unreadable(path, os.strerror(errno.ENOENT))
    return read_policy(content, str(path), usual_name=usual_name)


def read_bytes(path: Path) -> bytes | None:
    """What is in a policy file, or a byte more than it may have; None if there is no file.
    `Invalid` if it cannot be read, or is no file at all."""
    try:
        # Without waiting: a pipe has nobody at its other end.
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(number).st_mode):
                raise _unreadable(path, "it is not a file")
            with os.fdopen(number, "rb", closefd=False) as stream:
                return stream.read(BYTES_MAX + 1)
        finally:
            os.close(number)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from None


def _unreadable(path: Path, why: str) -> Invalid:
    told = f"the policy file {shown_file(str(path))} cannot be read: {why}"
    return Invalid(told, field="policy", hint="give a file as docs/policy.md has it")


def read_policy(content: bytes, file: str, *, usual_name: str = "policy") -> NamedPolicy:
    """The policy in a file's bytes. Raises `Invalid` with `file:line:column` and the key."""
    if len(content) > BYTES_MAX:
        told = f"the file is larger than {BYTES_MAX} bytes"
        raise Fault(Place(1, 1), told, "is it a policy file?").to_error(file)
    documents, faults = read_documents(content)
    if faults:
        raise faults[0].to_error(file)
    if len(documents) != 1 or not isinstance(documents[0].root, Entries):
        place = documents[0].place if documents else Place(1, 1)
        told = "this is not one mapping of keys and values"
        raise Fault(place, told, f"keys: {', '.join(NAMES)}").to_error(file)
    try:
        return _read(documents[0].root, usual_name)
    except _Wrong as wrong:
        raise wrong.fault.to_error(file) from None


class _Wrong(Exception):
    """The first thing that is wrong."""

    def __init__(self, place: Place, told: str, hint: str, name: str, code: str = "") -> None:
        super().__init__(told)
        self.fault = Fault(place, told, hint, name, code or None)


def _read(root: Entries, usual_name: str) -> NamedPolicy:
    fields: dict[str, Any] = {}
    name, guarantees = usual_name[:NAME_CHARS_MAX], {}
    known = {key.name: key for key in KEYS}
    for key, tree in _entries(root, ""):
        if key.text == "name":
            name = _name(_scalar(tree, "name"), tree.place)
        elif key.text == "guarantees":
            guarantees = _guarantees(tree)
        elif key.text in known:
            value = _scalar(tree, key.text)
            try:
                fields[known[key.text].field] = known[key.text].read(value, key.text)
            except Invalid as error:
                raise _Wrong(tree.place, error.message, error.hint, key.text) from None
        else:
            close = difflib.get_close_matches(key.text[:100], NAMES, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            told = f"there is no key {shown_key(key.text)}"
            hint = f"{hint}keys: {', '.join(NAMES)}"
            raise _Wrong(key.place, told, hint, key.text, "unknown_field")
    return NamedPolicy(name, Policy(**fields), guarantees)


def _entries(tree: Entries, above: str) -> Iterator[tuple[Scalar, Tree]]:
    """Each key with its value; the same key twice is refused."""
    seen: set[str] = set()
    for key, value in tree.entries:
        if key.text in seen:
            told = f"the key {shown_key(key.text)} is there twice"
            raise _Wrong(key.place, told, "keep one", above + key.text)
        seen.add(key.text)
        yield key, value


def _scalar(tree: Tree, name: str) -> Plain:
    if isinstance(tree, Items | Entries | Broken):
        told = f"{name} is a list or a mapping, and one value is wanted"
        raise _Wrong(tree.place, told, f"write {name}: and its value on one line", name)
    if tree.is_null:
        told = f"{name} has no value"
        raise _Wrong(tree.place, told, "give it one, or leave the key out", name)
    return tree.value


def _name(value: Plain, place: Place) -> str:
    is_name = isinstance(value, str) and value.isprintable() and 0 < len(value) <= NAME_CHARS_MAX
    if not is_name:
        told = f"name is {shown(value)}, which is no name for a policy"
        hint = f"use 1 to {NAME_CHARS_MAX} printable characters, in quotes if they are digits"
        raise _Wrong(place, told, hint, "name")
    return str(value)


def _guarantees(tree: Tree) -> dict[str, int]:
    """How many GPUs each team is guaranteed."""
    if not isinstance(tree, Entries):
        told = "guarantees is not a mapping of teams and GPUs"
        raise _Wrong(tree.place, told, "write for example guarantees: {vision: 16}", "guarantees")
    found: dict[str, int] = {}
    for key, inner in _entries(tree, "guarantees."):
        name = f"guarantees.{shown_key(key.text)}"
        value = _scalar(inner, name)
        is_count = isinstance(value, int) and not isinstance(value, bool)
        if not is_count or not 0 <= int(value) <= GPUS_MAX:
            told = f"{name} is {shown(value)}, which is not a number of GPUs"
            hint = f"write a whole number from 0 to {GPUS_MAX}, without quotes"
            raise _Wrong(inner.place, told, hint, name)
        found[key.text] = int(value)
    return found
