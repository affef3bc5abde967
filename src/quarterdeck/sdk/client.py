"""The client that waits for its answers."""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING, Any, Self, TypeVar

import httpx2

from quarterdeck.basics.errors import Unavailable
from quarterdeck.sdk import requests
from quarterdeck.sdk.find import Address, find_server
from quarterdeck.sdk.follow import Stream, parse_event, parse_log
from quarterdeck.sdk.patience import Patience, unreachable
from quarterdeck.sdk.problems import as_error, check
from quarterdeck.sdk.transport import CONNECT_S, IDLE_S, headers_of, reply_of
from quarterdeck.wire.v1.events import LogEnd
from quarterdeck.wire.v1.jobs import FINAL_STATES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from quarterdeck.sdk.calls import Call, Reply
    from quarterdeck.sdk.requests import LogBytes
    from quarterdeck.sdk.sse import Message
    from quarterdeck.wire.v1.cluster import NodeList
    from quarterdeck.wire.v1.events import EventView, LogView
    from quarterdeck.wire.v1.jobs import (
        ExplanationView,
        JobPage,
        JobRequest,
        JobView,
        PlanView,
        ResultList,
    )
    from quarterdeck.wire.v1.server import ServerView
    from quarterdeck.wire.v1.snapshots import SnapshotRequest, SnapshotView

T = TypeVar("T")


class Client:
    """A server's API. May be used by several threads.

    The server is found anew for every try (`find_server`), because one that was started again may
    listen elsewhere. `patience_s` is how long a call is repeated while no server answers; all
    calls may be repeated, see `Call`. Raises the errors of `quarterdeck.basics.errors`.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        home: Path | None = None,
        patience_s: float = 0.0,
    ) -> None:
        self._where = (url, token, home)
        self.patience_s = patience_s
        timeout = httpx2.Timeout(IDLE_S, connect=CONNECT_S)
        self._http = httpx2.Client(timeout=timeout, trust_env=False)
        self._closing = threading.Event()

    def __enter__(self) -> Self:
        """The client itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._closing.set()
        self._http.close()

    def submit(self, request: JobRequest, *, key: str | None = None) -> JobView:
        """Put a job into the queue."""
        return self._send(requests.submit(request, key))

    def plan(self, request: JobRequest) -> PlanView:
        """What would happen to the job if it were submitted now."""
        return self._send(requests.plan(request))

    def get_job(self, job_id: str) -> JobView:
        """The job."""
        return self._send(requests.get_job(job_id))

    def wait(self, job_id: str, *, timeout_s: float | None = None) -> JobView:
        """The job once it is final, or as it is after the timeout."""
        deadline = None if timeout_s is None else monotonic() + timeout_s
        while True:
            left_s = requests.POLL_S if deadline is None else deadline - monotonic()
            job = self._send(requests.get_job(job_id, max(0.0, min(requests.POLL_S, left_s))))
            if job.state in FINAL_STATES or left_s <= 0:
                return job

    def list_jobs(
        self,
        *,
        states: Sequence[str] = (),
        name: str | None = None,
        limit: int | None = None,
        before: str | None = None,
    ) -> JobPage:
        """One page of jobs, newest first."""
        return self._send(requests.list_jobs(states, name, limit, before))

    def explain(self, job_id: str) -> ExplanationView:
        """Why the job is where it is."""
        return self._send(requests.explain(job_id))

    def cancel(self, job_id: str) -> JobView:
        """Stop the job for good."""
        return self._send(requests.cancel(job_id))

    def requeue(self, job_id: str) -> JobView:
        """Give the job another attempt."""
        return self._send(requests.requeue(job_id))

    def read_log(
        self, job_id: str, *, attempt: int | None = None, node_rank: int = 0, offset: int = 0
    ) -> LogBytes:
        """Bytes of a replica's log from an offset."""
        return self._send(requests.read_log(job_id, attempt, node_rank, offset))

    def stream_log(
        self, job_id: str, *, attempt: int | None = None, node_rank: int = 0
    ) -> Iterator[LogView | LogEnd]:
        """The log as it comes; its last message says how the job ended."""
        for message in self._stream(requests.stream_log(job_id, attempt, node_rank)):
            parsed = parse_log(message)
            if parsed is not None:
                yield parsed
            if isinstance(parsed, LogEnd):
                return

    def stream_events(self, *, after: int = 0, job_id: str | None = None) -> Iterator[EventView]:
        """The event log from a place on, without end."""
        for message in self._stream(requests.stream_events(after, job_id)):
            yield parse_event(message)

    def list_results(self, job_id: str, *, attempt: int | None = None) -> ResultList:
        """What an attempt left."""
        return self._send(requests.list_results(job_id, attempt))

    def read_result(
        self, job_id: str, path: str, *, node_rank: int = 0, attempt: int | None = None
    ) -> Iterator[bytes]:
        """The bytes of one file that an attempt left."""
        call = requests.read_result(job_id, path, node_rank, attempt)
        address = find_server(*self._where)
        try:
            with _Opened(self._http, call, address, {}) as response:
                yield from response.iter_bytes()
        except httpx2.TransportError as error:
            raise unreachable(address.url, error) from error

    def list_nodes(self) -> NodeList:
        """All nodes, and what is free of them."""
        return self._send(requests.list_nodes())

    def keep_snapshot(self, request: SnapshotRequest) -> SnapshotView:
        """Keep a work folder's manifest, or hear which files are missing."""
        return self._send(requests.keep_snapshot(request))

    def put_blob(self, digest: str, content: bytes) -> None:
        """Upload one file's bytes."""
        self._send(requests.put_blob(digest, content))

    def get_server(self) -> ServerView:
        """Who answers."""
        return self._send(requests.get_server())

    def shut_down(self, *, stop_jobs: bool = False) -> None:
        """End the server."""
        self._send(requests.shut_down(stop_jobs=stop_jobs))

    def get_openapi(self) -> dict[str, Any]:
        """The API's own description."""
        return self._send(requests.get_openapi())

    def _send(self, call: Call[T]) -> T:
        patience = Patience(self.patience_s)
        while True:
            try:
                return call.parse(check(self._try(call)))
            except Unavailable as error:
                self._closing.wait(patience.next_pause_s(error))

    def _try(self, call: Call[T]) -> Reply:
        address = find_server(*self._where)
        try:
            response = self._http.request(
                call.method,
                address.url + call.path,
                params=dict(call.query),
                headers=headers_of(call, address),
                content=call.body,
                timeout=httpx2.Timeout(call.answer_s, connect=CONNECT_S),
            )
        except httpx2.TransportError as error:
            raise unreachable(address.url, error) from error
        return reply_of(response, response.content)

    def _stream(self, call: Call[Reply]) -> Iterator[Message]:
        """Messages over as many connections as it takes."""
        stream = Stream()
        patience = Patience(self.patience_s)
        while True:
            try:
                address = find_server(*self._where)
                with _Opened(self._http, call, address, stream.resume_headers()) as response:
                    for piece in response.iter_bytes():
                        patience = Patience(self.patience_s)
                        yield from stream.feed(piece)
                broken = unreachable(address.url, EOFError("the stream has ended"))
            except httpx2.TransportError as error:
                broken = unreachable(address.url, error)
            except Unavailable as error:
                broken = error
            self._closing.wait(patience.next_pause_s(broken))


class _Opened:
    """A response whose body is still to be read; a refusal is raised."""

    def __init__(
        self, http: httpx2.Client, call: Call[Reply], address: Address, headers: dict[str, str]
    ) -> None:
        self._context = http.stream(
            call.method,
            address.url + call.path,
            params=dict(call.query),
            headers=headers_of(call, address) | headers,
        )

    def __enter__(self) -> httpx2.Response:
        response = self._context.__enter__()
        if response.status_code >= 400:
            try:
                raise as_error(reply_of(response, response.read()))
            finally:
                self._context.__exit__(None, None, None)
        return response

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._context.__exit__(kind, error, trace)
