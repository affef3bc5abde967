"""What is told of promises."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.basics.times import to_iso
from quarterdeck.wire.v1.promises import (
    KeptView,
    PromiseDay,
    PromiseList,
    PromiseStats,
    PromiseView,
    SpanView,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.scheduling.promises import Bounds, Promise
    from quarterdeck.ports.promises import Day, Kept


def promise_view(one: Promise | None) -> PromiseView | None:
    """What a job is promised now."""
    if one is None:
        return None
    return PromiseView(
        made_at=to_iso(one.made_at_ns),
        expected_at=to_iso(one.expected_at_ns),
        half=_span_view(one.half),
        most=_span_view(one.most),
        because=one.because.value,
        why=one.why,
    )


def promise_list(job_id: JobId, kept: Iterable[Kept]) -> PromiseList:
    """What a job was promised, and what became of it."""
    return PromiseList(job_id=job_id, promises=[_kept_view(one) for one in kept])


def promise_stats(days: Iterable[Day]) -> PromiseStats:
    """How many were kept."""
    return PromiseStats(
        days=[
            PromiseDay(
                day=one.day,
                starts=one.starts,
                half_kept=one.half_kept,
                most_kept=one.most_kept,
                last_half_kept=one.last_half_kept,
                last_most_kept=one.last_most_kept,
            )
            for one in days
        ]
    )


def _kept_view(one: Kept) -> KeptView:
    view = promise_view(one.promise)
    assert view is not None
    at_ns = one.started_at_ns
    return KeptView(
        **dict(view),
        started_at=None if at_ns is None else to_iso(at_ns),
        half_kept=None if at_ns is None else one.promise.half.holds(at_ns),
        most_kept=None if at_ns is None else one.promise.most.holds(at_ns),
    )


def _span_view(bounds: Bounds) -> SpanView:
    return SpanView(earliest=to_iso(bounds.from_ns), latest=to_iso(bounds.to_ns))
