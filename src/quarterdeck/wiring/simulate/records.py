"""What a home has of the past, to be read beside its server; and how times of it are written."""

from __future__ import annotations

import os
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from time import time_ns
from typing import TYPE_CHECKING

from quarterdeck.basics.errors import Invalid, Refused
from quarterdeck.basics.quantities import parse_span_s
from quarterdeck.basics.times import NS_PER_S, to_iso
from quarterdeck.wiring.home import Home, default_home

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from quarterdeck.adapters.cycles.sqlite import SqliteCycleLog
    from quarterdeck.adapters.stores.sql.history import SqlHistory


@dataclass(frozen=True, slots=True)
class Records:
    """What a home has of the past."""

    root: Path
    history: SqlHistory
    cycles: SqliteCycleLog


@contextmanager
def open_records(home: Path | None) -> Iterator[Records]:
    """The records of a home, to be read. `Refused` for a folder that is none."""
    from quarterdeck.adapters.cycles.sqlite import read_cycle_log
    from quarterdeck.adapters.stores.sql.history import open_history

    root = (home or default_home()).absolute()
    if not any((root / name).exists() for name in ("quarterdeck.db", "store")):
        raise Refused(f"there is no home {root}", field="home", hint="give its --home, or QD_HOME")
    cycles = read_cycle_log(root / "cycles.db")
    if cycles is None:
        raise Refused(
            f"the home {root} has no log of cycles",
            field="home",
            hint="a server writes one while it runs: start one on this home, and ask again later",
        )
    with closing(cycles):
        history = open_history(Home(root).store_url(os.environ.get("QD_STORE")))
        with closing(history):
            yield Records(root, history, cycles)


def read_span(begin: str, end: str | None) -> tuple[int, int]:
    """From when to when, in nanoseconds since the epoch; without an end until now."""
    now_ns = time_ns()
    from_ns = _moment_ns(begin, "from", now_ns)
    to_ns = now_ns if end is None else _moment_ns(end, "to", now_ns)
    if from_ns > to_ns:
        raise Invalid(
            f"from is {to_iso(from_ns)}, and to is before that, {to_iso(to_ns)}",
            field="from",
            hint="give the earlier time as --from",
        )
    return from_ns, to_ns


def nothing_recorded(records: Records, span_ns: tuple[int, int]) -> Refused:
    """The answer for a time without records: it says for which there are some."""
    starts = records.cycles.list_starts()
    begin = f"they begin at {to_iso(starts[0].at_ns)}" if starts else "there are none at all yet"
    return Refused(
        f"no plan is recorded between {to_iso(span_ns[0])} and {to_iso(span_ns[1])}",
        code="nothing_recorded",
        field="from",
        hint=f"give a time with records: {begin}",
    )


def dropped_told(records: Records, span_ns: tuple[int, int], events: int) -> str:
    """What retention has taken away of a time, of which so many places of the log are empty."""
    from quarterdeck.adapters.archives.jsonl import list_spans

    from_ns, to_ns = span_ns
    jobs = sum(
        came_ns <= to_ns and ended_ns >= from_ns
        for came_ns, ended_ns in list_spans(records.root / "archive")
    )
    return (
        f"{events} events are gone with jobs that retention has dropped; the archive of the home "
        f"has {jobs} that were there in this time, and they are missing here"
    )


def _moment_ns(text: str, field: str, now_ns: int) -> int:
    """A time as `2026-11-23T09:45:00Z`, or a span before now."""
    if len(text) <= 8 or text[4:5] != "-":
        return now_ns - int(parse_span_s(text, field=field) * NS_PER_S)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(
            f"{field} is {text[:80]!r}, which is no time",
            field=field,
            hint="write 2h for two hours ago, or 2026-11-23T09:45:00Z",
        ) from None
    zoned = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return int(zoned.timestamp()) * NS_PER_S + zoned.microsecond * 1000
