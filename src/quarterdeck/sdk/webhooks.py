"""For whoever receives webhooks: whether a request really comes from Quarterdeck.

Imports nothing of the client, so a receiver that only verifies starts quickly.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from time import time
from typing import TYPE_CHECKING, Any, Final

from quarterdeck.basics.errors import NotAllowed
from quarterdeck.basics.signatures import is_signed_by

if TYPE_CHECKING:
    from collections.abc import Mapping

TOLERANCE_S: Final = 300.0
ID_HEADER: Final = "webhook-id"
TIMESTAMP_HEADER: Final = "webhook-timestamp"
SIGNATURE_HEADER: Final = "webhook-signature"


@dataclass(frozen=True, slots=True)
class Received:
    """A message that is genuine. The same `id` may come twice: then it is the same message."""

    id: str
    type: str
    timestamp: str
    data: Mapping[str, Any]


def verify(
    secret: str,
    headers: Mapping[str, str],
    body: bytes,
    tolerance_s: float = TOLERANCE_S,
    *,
    now_s: float | None = None,
) -> Received:
    """The message, if the secret's owner has signed exactly this body, not longer than the
    tolerance ago; otherwise `NotAllowed`. Give the body as it came, before anything parsed it."""
    found = {name.lower(): value for name, value in headers.items()}
    missing = [
        name for name in (ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER) if name not in found
    ]
    if missing:
        raise _refusal("unsigned_webhook", f"the request has no header {', '.join(missing)}")
    message_id, timestamp = found[ID_HEADER], found[TIMESTAMP_HEADER]
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) < 20):
        raise _refusal("bad_timestamp", f"{TIMESTAMP_HEADER} is not a number of seconds")
    # The time is judged last: an error that names it tells a forger nothing about the signature.
    if not is_signed_by(secret, message_id, int(timestamp), body, found[SIGNATURE_HEADER]):
        raise _refusal("bad_signature", "no signature of the request is this secret's")
    apart_s = abs((time() if now_s is None else now_s) - int(timestamp))
    if apart_s > tolerance_s:
        raise _refusal(
            "bad_timestamp",
            f"the request was signed {apart_s:.0f}s from now, more than {tolerance_s:g}s",
        )
    content = json.loads(body)
    return Received(message_id, content["type"], content["timestamp"], content["data"])


def _refusal(code: str, message: str) -> NotAllowed:
    return NotAllowed(message, code=code, hint="answer 401 and do nothing that it says")
