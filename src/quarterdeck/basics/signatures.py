"""Signatures of webhooks, by the convention of https://www.standardwebhooks.com: an HMAC-SHA256
over `id.timestamp.body`, so that neither the body nor its name nor its time can be changed."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Final

from quarterdeck.basics.errors import Invalid

PREFIX: Final = "whsec_"
VERSION: Final = "v1"
KEY_BYTES_MIN: Final = 24
KEY_BYTES_MAX: Final = 64


def format_secret(key: bytes) -> str:
    """A key as people pass it on."""
    return PREFIX + base64.b64encode(key).decode()


def parse_secret(secret: str) -> bytes:
    """The key in a secret. `Invalid` does not repeat it: it may be in the wrong place only."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX).encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        key = b""
    if not secret.startswith(PREFIX) or not KEY_BYTES_MIN <= len(key) <= KEY_BYTES_MAX:
        raise Invalid(
            f"the secret is not {PREFIX} and base64 of {KEY_BYTES_MIN} to {KEY_BYTES_MAX} bytes",
            field="secret",
            hint='make one with: echo "whsec_$(openssl rand -base64 32)"',
        )
    return key


def sign(secret: str, message_id: str, timestamp_s: int, body: bytes) -> str:
    """What the header `webhook-signature` says."""
    signed = f"{message_id}.{timestamp_s}.".encode() + body
    digest = hmac.new(parse_secret(secret), signed, hashlib.sha256).digest()
    return f"{VERSION},{base64.b64encode(digest).decode()}"


def is_signed_by(secret: str, message_id: str, timestamp_s: int, body: bytes, said: str) -> bool:
    """Whether one of the signatures in a header is this secret's. All are looked at, in a time
    that does not tell how much of one is right."""
    expected = sign(secret, message_id, timestamp_s, body).encode()
    matches = [hmac.compare_digest(expected, one.encode()) for one in said.split()]
    return any(matches)
