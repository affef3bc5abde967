"""Retention, at once instead of when its hour comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter
from starlette.responses import Response

from quarterdeck.api.access import Access, may
from quarterdeck.api.routers.depends import Context, DryRun, TheThreads, answer
from quarterdeck.basics.errors import Unavailable
from quarterdeck.core.governance.permissions import Noun, Verb
from quarterdeck.wire.v1.gc import GcItem, GcKind, GcReport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterdeck.control.retention import Sweeper
    from quarterdeck.core.retention.rules import Doomed

SWEEP_ITEMS_MAX: Final = 2000
SHOWN_MAX: Final = 1000

router = APIRouter(prefix="/v1/gc", tags=["server"])


@router.post(
    "",
    operation_id="sweep",
    summary="Delete what retention lets go",
    response_model=GcReport,
    response_description="What was deleted; with `dry_run` what would be.",
)
async def sweep(
    context: Context,
    _access: Annotated[Access, may(Verb.SWEEP, Noun.SERVER)],
    threads: TheThreads,
    dry_run: DryRun = False,
) -> Response:
    """Delete what the rules of retention let go, oldest first. Never anything of a job that has
    not ended."""
    return answer(await threads.read_files(lambda: _sweep(context.sweeper, dry_run=dry_run)))


def _sweep(sweeper: Sweeper | None, *, dry_run: bool) -> GcReport:
    if sweeper is None:
        raise Unavailable("this server deletes nothing", hint="ask one that was started by `qd up`")
    if dry_run:
        return _report(sweeper.plan(), dry_run=True, is_complete=True)
    swept = sweeper.sweep(SWEEP_ITEMS_MAX)
    return _report(swept.gone, dry_run=False, is_complete=swept.is_complete)


def _report(found: Sequence[Doomed], *, dry_run: bool, is_complete: bool) -> GcReport:
    kinds: dict[tuple[str, str], GcKind] = {}
    for one in found:
        key = (one.stored.kind.value, one.rule)
        known = kinds.get(key) or GcKind(kind=key[0], rule=key[1], count=0, size_bytes=0)
        kinds[key] = GcKind(
            kind=known.kind,
            rule=known.rule,
            count=known.count + 1,
            size_bytes=known.size_bytes + one.stored.size_bytes,
        )
    items = [
        GcItem(
            kind=one.stored.kind.value,
            name=one.stored.name,
            size_bytes=one.stored.size_bytes,
            rule=one.rule,
        )
        for one in found[:SHOWN_MAX]
    ]
    return GcReport(
        dry_run=dry_run,
        count=len(found),
        size_bytes=sum(one.stored.size_bytes for one in found),
        kinds=list(kinds.values()),
        items=items,
        is_complete=is_complete,
    )
