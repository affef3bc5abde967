"""How promised starts are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.basics.errors import QuarterdeckError
from quarterdeck.cli.output import print_table, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterdeck.sdk.client import Client
    from quarterdeck.wire.v1.promises import KeptView, PromiseView, SpanView

KEPT = {True: "kept", False: "missed", None: "-"}


def starts_line(promise: PromiseView) -> str:
    """For example `between 10:00Z and 10:20Z (50 %), 09:50Z and 12:00Z (90 %)`, with days where
    they are not the day on which it was said."""
    day = promise.made_at[:10]
    return f"between {_span(promise.half, day)} (50 %), {_span(promise.most, day)} (90 %)"


def print_starts(promise: PromiseView | None, *, err: bool = False, start: str = "") -> None:
    """When it should start, and what changed that; nothing for one that is promised nothing."""
    if promise is None:
        return
    say(f"{start}starts: {starts_line(promise)}", err=err)
    if promise.why:
        say(f"{start}changed at {promise.made_at[:19]}Z: {promise.why}", err=err)


def print_starts_of(client: Client, job_id: str) -> None:
    """The same of a job that was just submitted; what cannot be found out is left out."""
    try:
        explanation = client.explain(job_id)
    except QuarterdeckError:
        return
    print_starts(explanation.promise)


def promises_of(client: Client, job_id: str) -> list[KeptView]:
    """What a job was promised; nothing where that cannot be found out, as from an older server."""
    try:
        return client.list_promises(job_id).promises
    except QuarterdeckError:
        return []


def print_promises(promises: Sequence[KeptView]) -> None:
    """What a job was promised, and whether it was kept; nothing for one that was promised
    nothing."""
    if not promises:
        return
    say()
    rows = [
        (
            f"{one.made_at[:19]}Z",
            starts_line(one),
            f"{KEPT[one.half_kept]}/{KEPT[one.most_kept]}" if one.started_at else "-",
            one.why or "it began to wait",
        )
        for one in promises
    ]
    print_table(("PROMISED", "STARTS", "KEPT", "BECAUSE"), rows)


def _span(span: SpanView, day: str) -> str:
    return f"{_time(span.earliest, day)} and {_time(span.latest, day)}"


def _time(iso: str, day: str) -> str:
    return f"{iso[11:19]}Z" if iso[:10] == day else f"{iso[:19]}Z"
