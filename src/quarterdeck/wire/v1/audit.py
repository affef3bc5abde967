"""The audit log: records, signed checkpoints and proofs."""

from __future__ import annotations

from pydantic import Field

from quarterdeck.wire.v1.base import Answer


class AuditRecordView(Answer):
    """One record. `qd audit export` and the hashes have it as the line that was written."""

    seq: int = Field(description="Its number, from 0, without gaps.")
    at: str = Field(description="When it was written down; never earlier than the record before.")
    missing: int = Field(description="How many before it are lost: they could not be written.")
    operation: str = Field(description="`operationId` of the route; empty when none matched.")
    request_id: str = Field(description="As in the answer's header `QD-Request-Id`.")
    actor_id: str
    actor: str
    on_behalf_of: str
    source: str = Field(description="The address that the request came from.")
    method: str
    path: str
    target: str = Field(description="What it was about, for example the job's id.")
    status: int
    outcome: str = Field(description="`allowed` or `refused`.")
    code: str = Field(description="The code of the problem that was answered.")
    policy_version: str
    detail: str


class AuditPage(Answer):
    """Records, the newest first."""

    records: list[AuditRecordView]
    next_before: int | None = Field(
        description="Ask on with `before`; a page may be empty and still not be the last."
    )


class CheckpointView(Answer):
    """The log as it is, signed."""

    note: str = Field(description="The signed note (C2SP tlog-checkpoint).")
    key: str = Field(description="The key to verify it with (C2SP signed-note verifier key).")


class InclusionProofView(Answer):
    """That a record is in the tree of a size, after RFC 6962."""

    seq: int
    size: int
    record: str = Field(description="The record's line; its leaf is SHA-256 of a 0 byte and it.")
    hashes: list[str] = Field(description="The audit path in hexadecimal, the lowest first.")
    root: str = Field(description="The root of that size, in hexadecimal.")


class ConsistencyProofView(Answer):
    """That the tree of one size is the beginning of that of another, after RFC 6962."""

    old_size: int
    new_size: int
    hashes: list[str]
    old_root: str
    new_root: str
