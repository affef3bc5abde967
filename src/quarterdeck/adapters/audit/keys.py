"""The key that signs checkpoints: made at the first start, and kept where only its owner reads.

Both files are lines as the signed notes of C2SP and Go have them, so other programs can read them.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from quarterdeck.adapters.audit.durable import sync_folder, write_whole
from quarterdeck.basics.errors import Refused
from quarterdeck.core.audit.checkpoint import ED25519, Checkpoint, PublicKey, sign_checkpoint

if TYPE_CHECKING:
    from pathlib import Path

PRIVATE: Final = "PRIVATE+KEY"


class SigningKey:
    """A private key and the name under which it signs."""

    def __init__(self, name: str, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = PublicKey(name, private.public_key().public_bytes_raw())

    def sign(self, checkpoint: Checkpoint) -> str:
        """The checkpoint as a signed note."""
        return sign_checkpoint(checkpoint, self.public, self._private.sign)

    def __str__(self) -> str:
        encoded = base64.b64encode(ED25519 + self._private.private_bytes_raw()).decode()
        return f"{PRIVATE}+{self.public.name}+{self.public.hash.hex()}+{encoded}"


def open_key(folder: Path, name: str) -> SigningKey:
    """The key in the folder's file `key`, made if there is none; and `key.pub` beside it. `Refused`
    for one that others can read, or that is none."""
    path = folder / "key"
    if not path.exists():
        write_whole(path, f"{SigningKey(name, Ed25519PrivateKey.generate())}\n".encode(), 0o600)
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise Refused(
            f"{path} can be read by others (mode {mode:04o})",
            field="home",
            hint=f"chmod 600 {path}; if somebody may have read it, the log proves nothing any more",
        )
    key = _parse_private(path)
    public = folder / "key.pub"
    line = f"{key.public}\n".encode()
    if not public.exists() or public.read_bytes() != line:
        write_whole(public, line, 0o644)
    sync_folder(folder)
    return key


def is_signed_by(key: PublicKey, text: bytes, signature: bytes) -> bool:
    """Whether the signature is this key's for this text."""
    try:
        Ed25519PublicKey.from_public_bytes(key.ed25519).verify(signature, text)
    except (InvalidSignature, ValueError):
        return False
    return True


def _parse_private(path: Path) -> SigningKey:
    # PRIVATE+KEY+name+hash+base64; base64 may have a + of its own.
    parts = path.read_text("ascii", "replace").strip().split("+", 4)
    try:
        content = base64.b64decode(parts[4], validate=True)
        private = Ed25519PrivateKey.from_private_bytes(content[1:])
        name = parts[2]
    except (IndexError, ValueError, binascii.Error):
        raise Refused(
            f"{path} is no key of an audit log",
            field="home",
            hint=f"restore it from a backup; or move {path.parent} away and begin a new log",
        ) from None
    return SigningKey(name, private)
