"""A policy file into a policy, and errors that name the line, the key and what to do.

Strict: a key that is misspelt would otherwise leave the usual value in force, and nobody would see.
"""

from __future__ import annotations

import difflib
import errno
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from quarterdeck.basics.errors import Invalid
from quarterdeck.core.scheduling.snapshot import Order, Policy
from quarterdeck.sdk.yamltree import (
    Entries,
    Fault,
    Place,
    read_documents,
    shown,
    shown_file,
    shown_key,
)
from quarterdeck.wiring.policy.keys import KEYS, Plain
from quarterdeck.wiring.policy.parts import Wrong, entries_of, scalar_of
from quarterdeck.wiring.policy.pools import read_pools

if TYPE_CHECKING:
    from pathlib import Path

BYTES_MAX: Final = 1 << 20
NAME_CHARS_MAX: Final = 60
NAMES: Final = ("name", *(key.name for key in KEYS), "pools")


@dataclass(frozen=True, slots=True)
class NamedPolicy:
    """What a file says: the policy and its name."""

    name: str
    policy: Policy


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
    except Wrong as wrong:
        raise wrong.fault.to_error(file) from None


def _read(root: Entries, usual_name: str) -> NamedPolicy:
    fields: dict[str, Any] = {}
    name = usual_name[:NAME_CHARS_MAX]
    known = {key.name: key for key in KEYS}
    for key, tree in entries_of(root, ""):
        if key.text == "name":
            name = _name(scalar_of(tree, "name"), tree.place)
        elif key.text == "pools":
            fields["pools"] = read_pools(tree)
        elif key.text in known:
            value = scalar_of(tree, key.text)
            try:
                fields[known[key.text].field] = known[key.text].read(value, key.text)
            except Invalid as error:
                raise Wrong(tree.place, error.message, error.hint, key.text) from None
        else:
            close = difflib.get_close_matches(key.text[:100], NAMES, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            told = f"there is no key {shown_key(key.text)}"
            hint = f"{hint}keys: {', '.join(NAMES)}"
            raise Wrong(key.place, told, hint, key.text, "unknown_field")
    policy = Policy(**fields)
    if policy.guarantees and policy.orders_evictions:
        told = f"pools and order: {policy.order.value} both say who makes room for whom"
        raise Wrong(root.place, told, "leave one of them out", "pools")
    if policy.moves_max and policy.may_evict:
        other = "pools guarantee" if policy.guarantees else f"order: {policy.order.value} gives"
        told = f"moves is {policy.moves_max}, and nobody moves where {other} others' room to some"
        hint = "leave moves out, or what makes others go: guarantees, or this order"
        raise Wrong(root.place, told, hint, "moves")
    if policy.half_life_s is not None and policy.order is not Order.FAIR_SHARE:
        told = f"half_life says how past use fades, which order: {policy.order.value} does not ask"
        raise Wrong(root.place, told, "give order: fair_share, or leave half_life out", "half_life")
    return NamedPolicy(name, policy)


def _name(value: Plain, place: Place) -> str:
    is_name = isinstance(value, str) and value.isprintable() and 0 < len(value) <= NAME_CHARS_MAX
    if not is_name:
        told = f"name is {shown(value)}, which is no name for a policy"
        hint = f"use 1 to {NAME_CHARS_MAX} printable characters, in quotes if they are digits"
        raise Wrong(place, told, hint, "name")
    return str(value)
