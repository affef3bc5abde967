"""One record of the audit log, and the one way in which it is written.

A record is one line of JSON in ASCII with its keys in one order: a name with a line break, with a
terminal's control sequences or in any script can neither end the line nor do anything to who reads
it. There is exactly one way to write a record, so the parser refuses all others.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from quarterdeck.basics.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT_CHARS_MAX: Final = 512
"""Of each text of a record: what is longer is cut, and ends in `…`."""
Outcome = Literal["allowed", "refused"]
OUTCOMES: Final = get_args(Outcome)


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be recorded: who did what, from where, by which request, and what came of it.

    `operation` is the route's, or the name of what the server itself tells; empty when no route
    matched. `path` has no query: values in it may be secrets. `target` is the id of what it is
    about. `code` is that of the problem with which it was refused.
    """

    operation: str
    request_id: str = ""
    actor_id: str = ""
    actor: str = ""
    on_behalf_of: str = ""
    source: str = ""
    method: str = ""
    path: str = ""
    target: str = ""
    status: int = 0
    outcome: Outcome = "allowed"
    code: str = ""
    policy_version: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Record(Entry):
    """An entry in its place. `missing` is how many entries before it were lost because they could
    not be written; `at_ns` never decreases from record to record."""

    seq: int = 0
    at_ns: int = 0
    missing: int = 0


_PLACE: Final = ("seq", "at_ns", "missing")
KEYS: Final = (*_PLACE, *(one.name for one in fields(Entry)))
_NUMBERS: Final = frozenset({*_PLACE, "status"})
_encode: Final[Callable[[Any], str]] = json.JSONEncoder(
    ensure_ascii=True, separators=(",", ":")
).encode


def bounded(entry: Entry) -> Entry:
    """The entry, with every text cut to its greatest length."""
    long = {
        one.name: f"{text[: TEXT_CHARS_MAX - 1]}…"
        for one in fields(Entry)
        if isinstance(text := getattr(entry, one.name), str) and len(text) > TEXT_CHARS_MAX
    }
    return replace(entry, **long) if long else entry  # type: ignore[arg-type]


def format_record(entry: Entry, seq: int, at_ns: int, missing: int = 0) -> bytes:
    """The entry as a record in its place: one line, without its end."""
    content: dict[str, object] = {"seq": seq, "at_ns": at_ns, "missing": missing}
    for key in KEYS[len(_PLACE) :]:
        content[key] = getattr(entry, key)
    # JSON leaves this one control character of ASCII as it is.
    return _encode(content).replace("\x7f", "\\u007f").encode()


def parse_record(line: bytes) -> Record:
    """The record, from a line without its end. `Invalid` for anything that is not written exactly
    as `format_record` writes it."""
    try:
        content = json.loads(line.decode("ascii"))
    except (ValueError, RecursionError):
        raise _wrong("it is not JSON in ASCII") from None
    if not isinstance(content, dict) or tuple(content) != KEYS:
        raise _wrong("it has not the keys of a record, in their order")
    for key, value in content.items():
        is_right = type(value) is int and value >= 0 if key in _NUMBERS else type(value) is str
        if not is_right:
            raise _wrong(f"its {key} is not what it should be")
    if content["outcome"] not in OUTCOMES:
        raise _wrong("its outcome is neither allowed nor refused")
    record = Record(**content)
    if format_record(record, record.seq, record.at_ns, record.missing) != line:
        raise _wrong("it is not written as this log writes")
    return record


def _wrong(reason: str) -> Invalid:
    return Invalid(
        f"this is no record of an audit log: {reason}",
        code="bad_audit_record",
        hint="the line was changed, or something else wrote it",
    )
