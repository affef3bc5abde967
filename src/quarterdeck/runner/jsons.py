"""JSON without the regular expressions of Python's own module: loading those takes a third of the
time for which the runner of a short command lives.

What Python wrote in C for that module is used by itself, in the versions that it was tried with,
and what it does not take is left to the module, with its words for what is wrong.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

TRIED = (3, 13)
"""The latest version of Python whose `_json` is known to be as here: it is nobody's promise."""
_SPACE = " \t\n\r"


class _Usual:
    """How numbers and objects are read where nothing else was asked for."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float


def _refuse(content: object) -> object:
    raise TypeError("%s is nothing that JSON has" % type(content).__name__)


def _load() -> tuple[Callable[..., Any] | None, Callable[..., Any] | None]:
    if sys.version_info[:2] > TRIED:
        return None, None
    try:
        from _json import encode_basestring_ascii, make_encoder, make_scanner
    except ImportError:
        return None, None
    encode = make_encoder(
        None, _refuse, encode_basestring_ascii, None, ": ", ", ", False, False, True
    )
    return make_scanner(_Usual), encode  # type: ignore[arg-type]


_scan, _encode = _load()


def parse_json(text: str) -> Any:  # noqa: ANN401 - what it says
    """As `json.loads`, with its `ValueError`."""
    if _scan is not None:
        bare = text.strip(_SPACE)
        try:
            content, end = _scan(bare, 0)
        except (StopIteration, ValueError):
            end = -1
        if end == len(bare):
            return content
    import json

    return json.loads(text)


def format_json(content: object) -> str:
    """As `json.dumps`, of what holds no circle."""
    if _encode is not None:
        return "".join(_encode(content, 0))
    import json

    return json.dumps(content)
