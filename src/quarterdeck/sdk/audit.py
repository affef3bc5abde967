"""The audit log over HTTP: `client.audit.search(...)` and its siblings, waiting and not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from quarterdeck.basics.errors import Unavailable
from quarterdeck.sdk.calls import Call, Reply
from quarterdeck.sdk.follow import FileFollower
from quarterdeck.sdk.methods import AsyncCalls, Calls, Send, SendAsync, awaited, waiting
from quarterdeck.sdk.requests import as_model, itself
from quarterdeck.wire.v1.audit import (
    AuditPage,
    CheckpointView,
    ConsistencyProofView,
    InclusionProofView,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

PATH: Final = "/v1/audit"


class _Follow(Protocol):
    def __call__(self, follower: FileFollower) -> Iterator[bytes]: ...


class _FollowAsync(Protocol):
    def __call__(self, follower: FileFollower) -> AsyncIterator[bytes]: ...


def search(
    *,
    actor: str | None = None,
    operation: str | None = None,
    target: str | None = None,
    outcome: str | None = None,
    since: str | None = None,
    until: str | None = None,
    before: int | None = None,
    limit: int | None = None,
) -> Call[AuditPage]:
    """One page of records, newest first; `next_before` says where to go on. Times are ISO."""
    wanted = locals()
    return Call("GET", PATH, as_model(AuditPage), query=_given(wanted))


def get_checkpoint() -> Call[CheckpointView]:
    """The log's size and root, signed now."""
    return Call("GET", f"{PATH}/checkpoint", as_model(CheckpointView))


def prove_inclusion(seq: int, size: int | None = None) -> Call[InclusionProofView]:
    """That a record is in the log."""
    query = _given({"seq": seq, "size": size})
    return Call("GET", f"{PATH}/proofs/inclusion", as_model(InclusionProofView), query=query)


def prove_consistency(old: int, new: int | None = None) -> Call[ConsistencyProofView]:
    """That the log only grew."""
    query = _given({"from": old, "to": new})
    return Call("GET", f"{PATH}/proofs/consistency", as_model(ConsistencyProofView), query=query)


def export() -> Call[Reply]:
    """The whole log as lines, and a checkpoint over them."""
    return Call("GET", f"{PATH}/export", itself)


class AuditCalls(Calls):
    """The audit log, for the client that waits."""

    def __init__(self, send: Send, follow: _Follow) -> None:
        super().__init__(send)
        self._follow = follow

    search = waiting(search)
    get_checkpoint = waiting(get_checkpoint)
    prove_inclusion = waiting(prove_inclusion)
    prove_consistency = waiting(prove_consistency)

    def export(self) -> Iterator[bytes]:
        """The whole log as lines of JSON, piece by piece; the last line is a checkpoint over it. It
        is not gone on with after a break: each answer has a checkpoint of its own."""
        return self._follow(_Whole(export()))


class AsyncAuditCalls(AsyncCalls):
    """The audit log, for the client that awaits."""

    def __init__(self, send: SendAsync, follow: _FollowAsync) -> None:
        super().__init__(send)
        self._follow = follow

    search = awaited(search)
    get_checkpoint = awaited(get_checkpoint)
    prove_inclusion = awaited(prove_inclusion)
    prove_consistency = awaited(prove_consistency)

    def export(self) -> AsyncIterator[bytes]:
        """The whole log as lines of JSON, piece by piece; the last line is a checkpoint over it. It
        is not gone on with after a break: each answer has a checkpoint of its own."""
        return self._follow(_Whole(export()))


class _Whole(FileFollower):
    """A file that is taken in one answer: a second one may be longer."""

    def begin(self) -> dict[str, str]:
        """Refuses to go on where it broke off."""
        if self.given_bytes:
            raise broken_off()
        return {}


def broken_off() -> Unavailable:
    """The error of an export whose connection broke."""
    return Unavailable(
        "the connection broke in the middle of the export",
        code="export_broken",
        hint="begin again; `qd audit export` leaves no half export behind",
    )


def _given(wanted: dict[str, Any]) -> dict[str, str | int | list[str]]:
    return {name: value for name, value in wanted.items() if value is not None}
