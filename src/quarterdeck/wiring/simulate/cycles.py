"""`qd sim replay` without a question: every plan made again, and compared with what was done."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from quarterdeck import __version__
from quarterdeck.basics.times import NS_PER_S, to_iso
from quarterdeck.cli.output import say
from quarterdeck.wiring.simulate.records import dropped_told, nothing_recorded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterdeck.sim.replay.again import Again
    from quarterdeck.sim.replay.gaps import Gap
    from quarterdeck.wiring.simulate.records import Records

SHOWN_MAX = 20


def replay_cycles(records: Records, span_ns: tuple[int, int], output: str) -> bool:
    """Print what came of it; says whether every plan is the same."""
    again = _make_again(records, span_ns)
    remarks = _remarks(again)
    if again.events_gone:
        remarks.append(dropped_told(records, span_ns, again.events_gone))
    if output == "json":
        click.echo(json.dumps(_as_json(again, remarks), indent=2))
    elif output == "table":
        _print(again, remarks)
    return not again.differences


def _make_again(records: Records, span_ns: tuple[int, int]) -> Again:
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
        raise nothing_recorded(records, span_ns)
    return again


def _print(again: Again, remarks: Sequence[str]) -> None:
    """One line when all is well, and all that is not."""
    say(
        f"{again.cycles} cycles, {again.same} the same; "
        f"{again.placements} placements as the log of events has them"
    )
    for line in remarks:
        say(f"note: {line}")
    for one in again.differences[:SHOWN_MAX]:
        say(f"{to_iso(one.at_ns)} cycle {one.start}.{one.number}: {'; '.join(one.what)}")
    if len(again.differences) > SHOWN_MAX:
        say(f"{len(again.differences) - SHOWN_MAX} more differ; `-o json` has all of them")


def _remarks(again: Again) -> list[str]:
    """What could not be compared, and what may explain a difference."""
    told = [_gap_told(gap) for gap in again.gaps]
    others = sorted({start.version for start in again.starts} - {__version__})
    if others:
        told.append(f"plans were made by version {', '.join(others)}; this is {__version__}")
    return told


def _gap_told(gap: Gap) -> str:
    when = f"between {to_iso(gap.from_ns)} and {to_iso(gap.to_ns)}"
    kept = f"the log of events has {gap.placements} placements by no recorded plan"
    if gap.missing is None:
        return f"the server did not end in order, so plans {when} may be missing: {kept}"
    return f"{gap.missing} plans {when} are not recorded: {kept}"


def _as_json(again: Again, remarks: Sequence[str]) -> dict[str, Any]:
    return {
        "cycles": again.cycles,
        "same": again.same,
        "placements": again.placements,
        "outcomes": {one.value: count for one, count in sorted(again.outcomes.items())},
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
        "gaps": [
            {
                "start": one.start,
                "from": to_iso(one.from_ns),
                "to": to_iso(one.to_ns),
                "missing": one.missing,
                "placements": one.placements,
            }
            for one in again.gaps
        ],
        "events_gone": again.events_gone,
        "remarks": list(remarks),
    }
