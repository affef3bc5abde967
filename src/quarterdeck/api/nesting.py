"""How deep a JSON text is nested, told without parsing it: a parser would recurse first."""

from __future__ import annotations

import re
from typing import Final

DEPTH_MAX: Final = 32
_REST: Final = bytes(byte for byte in range(256) if byte not in b'"[]{}')
_ALIKE: Final = bytes.maketrans(b"{}", b"[]")
_ESCAPED: Final = re.compile(rb"\\.", re.DOTALL)
_STRING: Final = re.compile(rb'"[^"]*"?')
_OPENING: Final = ord("[")
_COUNTED_MAX: Final = 1_000_000
"""Of a text with more brackets that does not come out even nobody counts where it breaks."""


def is_too_deep(text: bytes, depth_max: int = DEPTH_MAX) -> bool:
    """Whether arrays and objects lie in each other more than so deep, up to where a parser would
    stop because the text is not JSON.

    Nearly all of it runs in C: what is not structure is deleted, strings are cut out, and then
    each round takes away the innermost pairs.
    """
    if text.count(b"[") + text.count(b"{") <= depth_max:
        return False
    if b"\\" in text:
        text = _ESCAPED.sub(b"", text)
    # Which bracket it is makes no difference to the depth, and where one closes another kind a
    # parser stops by itself.
    left = text.translate(_ALIKE, _REST)
    # A pair of quotes side by side is an empty string, or the end of one and the beginning of the
    # next: without the pair, what is inside and what is outside stays the same.
    left = left.replace(b'""', b"")
    if b'"' in left:
        left = _STRING.sub(b"", left)
    inner = left
    for _ in range(depth_max):
        if not inner:
            return False
        fewer = inner.replace(b"[]", b"")
        if len(fewer) == len(inner):
            break
        inner = fewer
    return bool(inner) and (len(left) > _COUNTED_MAX or _depth_of(left, depth_max) > depth_max)


def _depth_of(left: bytes, depth_max: int) -> int:
    """The depth at which it is too deep or no JSON; else that of the end."""
    depth = 0
    for byte in left:
        depth += 1 if byte == _OPENING else -1
        if depth > depth_max or depth < 0:
            break
    return depth
