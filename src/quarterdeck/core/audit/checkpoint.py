"""Signed checkpoints: what the log was at one size, in a form that others can check.

The text is that of C2SP's tlog-checkpoint (origin, size, root), signed as a C2SP signed note: a
line `— name base64(key hash, signature)`, with Ed25519. Programs that know these forms can witness
a log of Quarterdeck. Signing itself is given as a function: the rules hold no key.

https://c2sp.org/tlog-checkpoint, https://c2sp.org/signed-note
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Callable

ED25519: Final = b"\x01"
_NAME: Final = re.compile(r"[!-*,-~]{1,200}", re.ASCII)
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_SIGNATURE: Final = "\u2014 "


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The name and the key by which a log's signatures are known. Its text is a signed note's
    verifier key: `name+hash+base64`."""

    name: str
    ed25519: bytes

    @property
    def hash(self) -> bytes:
        """Four bytes that tell keys of one name apart."""
        return hashlib.sha256(self.name.encode() + b"\n" + ED25519 + self.ed25519).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.hash.hex()}+{_to_base64(ED25519 + self.ed25519)}"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How long the log was, and its root then."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{_to_base64(self.root)}\n"


def parse_key(text: str) -> PublicKey:
    """A verifier key. `Invalid` if it is none, or not of the kind that is used here."""
    name, _, rest = text.strip().partition("+")
    told, _, encoded = rest.partition("+")
    content = _from_base64(encoded)
    if not _NAME.fullmatch(name) or content[:1] != ED25519 or len(content) != 33:
        raise _wrong("the key is not one for Ed25519 signatures of notes")
    key = PublicKey(name, content[1:])
    if told != key.hash.hex():
        raise _wrong("the key's hash does not fit the key")
    return key


def sign_checkpoint(checkpoint: Checkpoint, key: PublicKey, sign: Callable[[bytes], bytes]) -> str:
    """The checkpoint as a signed note."""
    signature = key.hash + sign(checkpoint.text.encode())
    return f"{checkpoint.text}\n{_SIGNATURE}{key.name} {_to_base64(signature)}\n"


def open_checkpoint(
    note: str, key: PublicKey, is_signed: Callable[[bytes, bytes], bool]
) -> Checkpoint:
    """The checkpoint of a note that this key has signed; otherwise `Invalid`. `is_signed` says
    whether a signature (the second) is the key's for a text (the first)."""
    text, divider, signatures = note.partition("\n\n")
    checkpoint = _parse_text(text + "\n")
    if not divider or checkpoint.origin != key.name:
        raise _wrong(f"it is not signed, or not of {key.name}")
    for line in signatures.splitlines():
        name, _, encoded = line.removeprefix(_SIGNATURE).partition(" ")
        if not line.startswith(_SIGNATURE) or name != key.name:
            continue
        content = _from_base64(encoded)
        if content[:4] == key.hash and is_signed((text + "\n").encode(), content[4:]):
            return checkpoint
    raise _wrong(f"it has no valid signature of {key.name}")


def _parse_text(text: str) -> Checkpoint:
    lines = text.split("\n")
    if len(lines) < 4 or not _NAME.fullmatch(lines[0]) or not _SIZE.fullmatch(lines[1]):
        raise _wrong("it has not an origin, a size and a root, a line each")
    root = _from_base64(lines[2])
    if len(root) != 32:
        raise _wrong("its root is not one of SHA-256")
    return Checkpoint(lines[0], int(lines[1]), root)


def _to_base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _wrong("something in it is not base64") from None


def _wrong(reason: str) -> Invalid:
    return Invalid(
        f"the audit log's checkpoint or key cannot be used: {reason}",
        code="bad_checkpoint",
        hint="take the checkpoint and the key of this very log",
    )
