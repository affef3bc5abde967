"""The file token of a home: whoever can read the file is its owner.

It is good only on the machine itself, so a copy of the file is no way in from elsewhere.
"""

from __future__ import annotations

import hmac
import ipaddress
from functools import lru_cache

from quarterdeck.ports.identity import Subject


class HomeToken:
    """A `Provider` that knows a single token."""

    def __init__(self, token: str, owner: str) -> None:
        self._token = token.encode()
        self._owner = Subject(owner)

    def find_subject(self, credential: str, source: str) -> Subject | None:
        """The owner, for the right token. The comparison takes the same time for any wrong one."""
        given = credential.encode("utf-8", "surrogateescape")
        is_right = hmac.compare_digest(given, self._token)
        return self._owner if is_right and _is_here(source) else None


@lru_cache(1024)
def _is_here(source: str) -> bool:
    try:
        return ipaddress.ip_address(source).is_loopback
    except ValueError:
        return False
