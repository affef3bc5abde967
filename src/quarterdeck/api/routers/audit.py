"""The audit log: searching it, taking it away, and proving that it is whole."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.responses import Response, StreamingResponse

from quarterdeck.api.access import Access, may
from quarterdeck.api.routers.depends import TheThreads, answer
from quarterdeck.api.streaming import Streamed
from quarterdeck.basics.errors import Invalid
from quarterdeck.basics.times import to_iso
from quarterdeck.control.audit import Search, prove_growth, prove_record, search
from quarterdeck.core.audit.record import Outcome, Record
from quarterdeck.core.governance.permissions import Noun, Verb
from quarterdeck.wire.v1.audit import (
    AuditPage,
    AuditRecordView,
    CheckpointView,
    ConsistencyProofView,
    InclusionProofView,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from quarterdeck.api.context import ApiContext
    from quarterdeck.api.threads import Threads

PAGE_MAX: Final = 1000
SIZE_MAX: Final = 2**62
LINES_AT_A_TIME: Final = 1000
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

router = APIRouter(prefix="/v1/audit", tags=["audit"])

AuditReader = Annotated[Access, may(Verb.READ, Noun.AUDIT)]
Moment = Annotated[str | None, Query(description="ISO 8601, for example `2026-11-23T09:45:00Z`.")]


async def _search_of(
    *,
    actor: Annotated[str | None, Query(description="Id or name, also of on whose behalf.")] = None,
    operation: Annotated[str | None, Query(description="An `operationId`.")] = None,
    target: Annotated[str | None, Query(description="For example a job's id.")] = None,
    outcome: Annotated[Outcome | None, Query(description="Only these.")] = None,
    since: Moment = None,
    until: Moment = None,
) -> Search:
    times = (_parse(since, "since"), _parse(until, "until"))
    return Search(actor, operation, target, outcome, *times)


@router.get("", operation_id="search_audit", summary="Search the log", response_model=AuditPage)
async def search_audit(
    access: AuditReader,
    threads: TheThreads,
    wanted: Annotated[Search, Depends(_search_of)],
    *,
    before: Annotated[
        int | None, Query(ge=0, le=SIZE_MAX, description="Only records before this number.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX, description="At most so many.")] = 100,
) -> Response:
    """Records that fit all that is given, newest first. One request looks at 50,000 records; a page
    that is not full says with `next_before` where to go on."""

    def read() -> AuditPage:
        found, next_before = search(access.context.audit, wanted, before, limit)
        return AuditPage(records=[_view(one) for one in found], next_before=next_before)

    return answer(await threads.read_files(read))


@router.get(
    "/export",
    operation_id="export_audit",
    summary="Export the log",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}}},
    response_description="Every record as the line that was hashed; the last line is an object "
    "with `checkpoint`, a signed note over exactly these records, and `key`.",
)
async def export_audit(access: AuditReader, threads: TheThreads) -> Response:
    """The whole log with a checkpoint over it, for who wants to keep or to verify it elsewhere."""
    note = await threads.read_files(access.context.audit.checkpoint)
    return Streamed(_lines(access.context, threads, note), "application/x-ndjson")


@router.get(
    "/checkpoint",
    operation_id="show_audit_checkpoint",
    summary="Show a signed checkpoint",
    response_model=CheckpointView,
)
async def show_audit_checkpoint(access: AuditReader, threads: TheThreads) -> Response:
    """The size and the root of the log as it is, signed. Keep it elsewhere: the log can then never
    be changed or shortened again without contradicting it."""
    note = await threads.read_files(access.context.audit.checkpoint)
    return answer(CheckpointView(note=note, key=access.context.audit.key))


@router.get(
    "/proofs/inclusion",
    operation_id="prove_audit_inclusion",
    summary="Prove that a record is in the log",
    response_model=InclusionProofView,
)
async def prove_audit_inclusion(
    access: AuditReader,
    threads: TheThreads,
    *,
    seq: Annotated[int, Query(ge=0, le=SIZE_MAX, description="The record's number.")],
    size: Annotated[
        int | None, Query(ge=0, le=SIZE_MAX, description="The tree's size; now when left out.")
    ] = None,
) -> Response:
    """The audit path of RFC 6962, section 2.1.1."""

    def prove() -> InclusionProofView:
        actual, line, proof = prove_record(access.context.audit, seq, size)
        hashes = [one.hex() for one in proof.hashes]
        root = proof.root.hex()
        return InclusionProofView(
            seq=seq, size=actual, record=line.decode(), hashes=hashes, root=root
        )

    return answer(await threads.read_files(prove))


@router.get(
    "/proofs/consistency",
    operation_id="prove_audit_consistency",
    summary="Prove that the log only grew",
    response_model=ConsistencyProofView,
)
async def prove_audit_consistency(
    access: AuditReader,
    threads: TheThreads,
    *,
    old_size: Annotated[
        int, Query(alias="from", ge=0, le=SIZE_MAX, description="The older tree's size.")
    ],
    new_size: Annotated[
        int | None,
        Query(alias="to", ge=0, le=SIZE_MAX, description="The newer one's; now when left out."),
    ] = None,
) -> Response:
    """The consistency proof of RFC 6962, section 2.1.2."""

    def prove() -> ConsistencyProofView:
        actual, proof = prove_growth(access.context.audit, old_size, new_size)
        return ConsistencyProofView(
            old_size=old_size,
            new_size=actual,
            hashes=[one.hex() for one in proof.hashes],
            old_root=proof.old_root.hex(),
            new_root=proof.root.hex(),
        )

    return answer(await threads.read_files(prove))


async def _lines(context: ApiContext, threads: Threads, note: str) -> AsyncGenerator[bytes, None]:
    """All records that the checkpoint speaks of, some at a time, and then the checkpoint."""
    log = context.audit
    lines = log.read_forwards(0, int(note.split("\n", 2)[1]))
    while piece := await threads.read_files(lambda: _some_of(lines)):
        yield piece
    yield msgspec.json.encode({"checkpoint": note, "key": log.key}) + b"\n"


def _some_of(lines: Iterator[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in islice(lines, LINES_AT_A_TIME))


def _view(record: Record) -> AuditRecordView:
    return AuditRecordView(
        seq=record.seq,
        at=to_iso(record.at_ns),
        missing=record.missing,
        operation=record.operation,
        request_id=record.request_id,
        actor_id=record.actor_id,
        actor=record.actor,
        on_behalf_of=record.on_behalf_of,
        source=record.source,
        method=record.method,
        path=record.path,
        target=record.target,
        status=record.status,
        outcome=record.outcome,
        code=record.code,
        policy_version=record.policy_version,
        detail=record.detail,
    )


def _parse(text: str | None, field: str) -> int | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        passed = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - EPOCH
    except (ValueError, OverflowError):
        raise Invalid(
            f"{field} is no time: {text[:80]!a}",
            field=field,
            hint="write ISO 8601, for example 2026-11-23T09:45:00Z",
        ) from None
    return passed // timedelta(microseconds=1) * 1000
