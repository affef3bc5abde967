"""Numbers as people read them, and text of others as a page may have it."""

from __future__ import annotations

import html
import re
from typing import Final

_ODD: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Control characters, those that turn the direction of writing, and what is no character."""


def safe(text: str) -> str:
    """Text for HTML and SVG, between tags and in attributes: nothing in it is markup."""
    return html.escape(_ODD.sub(lambda match: f"\\u{ord(match[0]):04x}", text))


def span(span_s: float) -> str:
    """A duration in one unit: `45 s`, `3.2 min`, `5.5 h`, `2.1 days`."""
    for size, unit in ((86400.0, "days"), (3600.0, "h"), (60.0, "min")):
        if abs(span_s) >= size * (2 if unit == "days" else 1):
            return f"{_short(span_s / size)} {unit}"
    return f"{_short(span_s)} s"


def percent(share: float) -> str:
    """A share of one: `71 %`, `0.4 %`."""
    return f"{_short(100 * share)} %"


def number(value: float) -> str:
    """Three digits at least, thousands apart: `12,345`, `3.14`, `0`."""
    return _short(value) if abs(value) < 1000 else f"{value:,.0f}"


def few(count: float, one: str) -> str:
    """`1 job`, `1,234 jobs`."""
    return f"{count:,.0f} {one if count == 1 else one + 's'}"


def _short(value: float) -> str:
    digits = 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
    text = f"{value:,.{digits}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-0", "0", text == "-0")
