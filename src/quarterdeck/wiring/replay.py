"""`qd sim replay`: what a server did, told again from its home."""

from __future__ import annotations

import json
import os
import sys
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import time_ns
from typing import TYPE_CHECKING, Any

import click

from quarterdeck import __version__
from quarterdeck.basics.errors import Invalid, Refused
from quarterdeck.basics.quantities import parse_span_s
from quarterdeck.basics.times import NS_PER_S, to_iso
from quarterdeck.cli.output import examples, output_option, say
from quarterdeck.wiring.home import Home, default_home

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quarterdeck.adapters.cycles.sqlite import SqliteCycleLog
    from quarterdeck.adapters.stores.sql.history import SqlHistory
    from quarterdeck.sim.replay.again import Again


@dataclass(frozen=True, slots=True)
class Records:
    """What a home has of the past."""

    root: Path
    history: SqlHistory
    cycles: SqliteCycleLog


@click.command(
    epilog=examples(
        "qd sim replay --from 2h",
        "qd sim replay --home /srv/qd --from 2026-11-23T09:00:00Z --to 2026-11-23T10:00:00Z",
    )
)
@click.option(
    "--home", type=click.Path(path_type=Path), help="Data folder [QD_HOME, ~/.quarterdeck]."
)
@click.option(
    "--from", "begin", metavar="WHEN", required=True, help="2h ago, or 2026-11-23T09:45:00Z."
)
@click.option("--to", "end", metavar="WHEN", help="Likewise [now].")
@output_option
def command(home: Path | None, begin: str, end: str | None, *, output: str) -> None:
    """Make every plan of that time again and compare it with what the server did.

    Reads the home's store and its log of cycles, also beside a running server, and changes nothing.
    Exits with 1 when a plan is not the same.
    """
    span_ns = _span_of(begin, end)
    with open_records(home) as records:
        again = _replay_cycles(records, span_ns)
    if output == "json":
        click.echo(json.dumps(again_as_json(again), indent=2))
    elif output == "table":
        print_again(again)
    if again.differences:
        sys.exit(1)


@contextmanager
def open_records(home: Path | None) -> Iterator[Records]:
    """The records of a home, to be read. `Refused` for a folder that is none."""
    from quarterdeck.adapters.cycles.sqlite import read_cycle_log
    from quarterdeck.adapters.stores.sql.history import open_history

    root = (home or default_home()).absolute()
    has_store = (root / "quarterdeck.db").exists() or (root / "store").exists()
    if not has_store:
        raise Refused(f"there is no home {root}", field="home", hint="give its --home, or QD_HOME")
    cycles = read_cycle_log(root / "cycles.db")
    if cycles is None:
        raise Refused(
            f"the home {root} has no log of cycles",
            field="home",
            hint="a server writes one while it runs: start one on this home, and ask again later",
        )
    history = open_history(Home(root).store_url(os.environ.get("QD_STORE")))
    with closing(history), closing(cycles):
        yield Records(root, history, cycles)


def _span_of(begin: str, end: str | None) -> tuple[int, int]:
    now_ns = time_ns()
    from_ns = _moment_ns(begin, "from", now_ns)
    to_ns = now_ns if end is None else _moment_ns(end, "to", now_ns)
    if from_ns > to_ns:
        raise Invalid(
            f"from is {to_iso(from_ns)}, after to, {to_iso(to_ns)}",
            field="from",
            hint="give the earlier time as --from",
        )
    return from_ns, to_ns


def _moment_ns(text: str, field: str, now_ns: int) -> int:
    """A time as `2026-11-23T09:45:00Z`, or a span before now."""
    if len(text) > 8 and text[4:5] == "-":
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise Invalid(
                f"{field} is {text!r}, which is no time",
                field=field,
                hint="write 2h for two hours ago, or 2026-11-23T09:45:00Z",
            ) from None
        zoned = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return int(zoned.timestamp() * NS_PER_S)
    return now_ns - int(parse_span_s(text, field=field) * NS_PER_S)


def _replay_cycles(records: Records, span_ns: tuple[int, int]) -> Again:
    from quarterdeck.adapters.locality.recent import RecentNodes
    from quarterdeck.sim.replay.again import replay

    from_ns, to_ns = span_ns
    with click.progressbar(
        length=(to_ns - from_ns) // NS_PER_S,
        label="plans made again",
        file=sys.stderr,
        hidden=not sys.stderr.isatty(),
    ) as bar:
        again = replay(
            records.history,
            records.cycles,
            span_ns,
            RecentNodes,
            lambda at_ns: bar.update((at_ns - from_ns) // NS_PER_S - bar.pos),
        )
    if not again.cycles:
        raise Refused(
            f"no plan is recorded between {to_iso(span_ns[0])} and {to_iso(span_ns[1])}",
            field="from",
            hint=_known_times(records),
        )
    return again


def _known_times(records: Records) -> str:
    """Where there is something to be replayed."""
    starts = records.cycles.list_starts()
    if not starts:
        return "the log of cycles is empty"
    return f"the log of cycles begins with the server's start at {to_iso(starts[0].at_ns)}"


def print_again(again: Again) -> None:
    """For people: one line when all is well, and all that is not."""
    say(
        f"{again.cycles} cycles, {again.same} the same; "
        f"{again.placements} placements as in the log of events"
    )
    for line in remarks_of(again):
        say(f"note: {line}")
    for one in again.differences:
        say(f"{to_iso(one.at_ns)} cycle {one.start}.{one.number}: {'; '.join(one.what)}")


def remarks_of(again: Again) -> list[str]:
    """What could not be compared, and what may explain a difference."""
    told = []
    for gap in again.gaps:
        when = f"between {to_iso(gap.from_ns)} and {to_iso(gap.to_ns)}"
        how_many = f"{gap.missing} plans" if gap.missing is not None else "the last plans"
        told.append(
            f"{how_many} {when} are not recorded (start {gap.start}"
            + (", which was not ended in order)" if gap.missing is None else ")")
            + f"; the log of events has {gap.placements} placements of them"
        )
    others = sorted({start.version for start in again.starts} - {__version__})
    if others:
        told.append(f"the plans were made by version {', '.join(others)}; this is {__version__}")
    if again.events_gone:
        told.append(f"{again.events_gone} events are gone with jobs that retention has dropped")
    return told


def again_as_json(again: Again) -> dict[str, Any]:
    """For scripts."""
    return {
        "cycles": again.cycles,
        "same": again.same,
        "placements": again.placements,
        "outcomes": {one.value: again.outcomes[one] for one in again.outcomes},
        "starts": [
            {"start": one.number, "at": to_iso(one.at_ns), "version": one.version}
            for one in again.starts
        ],
        "differences": [
            {
                "start": one.start,
                "cycle": one.number,
                "at": to_iso(one.at_ns),
                "what": list(one.what),
            }
            for one in again.differences
        ],
        "remarks": remarks_of(again),
    }
