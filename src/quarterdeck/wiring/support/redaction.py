"""The second net under a support bundle: what looks like a secret is taken out of every part.

The first is that nothing goes in which could be one; this is for what a log may have caught.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

REMOVED: Final = "(removed)"
SECRET_CHARS_MIN: Final = 6
"""A shorter one would be found in the middle of harmless words."""
_TELLING_NAME: Final = re.compile(r"TOKEN|SECRET|PASSW|CREDENTIAL|KEY", re.IGNORECASE)
_RULES: Final = (
    # The user and password of any address.
    (re.compile(r"(?<=://)[^/\s@]*@"), f"{REMOVED}@"),
    # What follows the host: webhooks often have their secret in the path.
    (re.compile(r"(https?://[^/\s\"'<>?]+)[/?][^\s\"'<>]*"), rf"\1/{REMOVED}"),
    # The query of other addresses, such as a store's.
    (re.compile(r"(\w://[^\s\"'<>?]*)\?[^\s\"'<>]*"), rf"\1?{REMOVED}"),
    (re.compile(r"(?i)\b(bearer)\s+\S+"), rf"\1 {REMOVED}"),
    (
        re.compile(
            r"(?i)\b(\w*(?:token|secret|passw(?:or)?d|api[_-]?key|credentials?))"
            r"([\"']?\s*[=:]\s*)[\"']?[^\s\"',;]+"
        ),
        rf"\1\2{REMOVED}",
    ),
    # Keys, tokens, digests; but not a path as a whole, which helps.
    (re.compile(r"[A-Za-z0-9_+=-]{32,}"), REMOVED),
    (re.compile(r"(?<![\w/.])[A-Za-z0-9_+=-][A-Za-z0-9_+/=-]{31,}"), REMOVED),
)


def known_secrets(root: Path, environment: Mapping[str, str]) -> list[str]:
    """Values that must not be seen: the home's token, and those of variables with telling names."""
    try:
        found = [(root / "token").read_text(errors="replace").strip()]
    except OSError:
        found = []
    found += [value for name, value in environment.items() if _TELLING_NAME.search(name)]
    return sorted(
        {value for value in found if len(value) >= SECRET_CHARS_MIN}, key=len, reverse=True
    )


def without_secrets(content: bytes, secrets: Iterable[str]) -> bytes:
    """The text with known secrets, and with what looks like one, replaced."""
    text = content.decode("utf-8", "replace")
    for secret in secrets:
        text = text.replace(secret, REMOVED)
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text.encode()
