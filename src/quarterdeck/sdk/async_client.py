"""The client for event loops: the same methods as `Client`, awaited."""

from __future__ import annotations

import asyncio
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
    from collections.abc import AsyncIterator, Sequence
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


class AsyncClient:
    """A server's API, for one event loop.

    See `Client` for what finds the server, for patience and for errors.
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
        self._http = httpx2.AsyncClient(timeout=timeout, trust_env=False)

    async def __aenter__(self) -> Self:
        """The client itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def submit(self, request: JobRequest, *, key: str | None = None) -> JobView:
        """Put a job into the queue."""
        return await self._send(requests.submit(request, key))

    async def plan(self, request: JobRequest) -> PlanView:
        """What would happen to the job if it were submitted now."""
        return await self._send(requests.plan(request))

    async def get_job(self, job_id: str) -> JobView:
        """The job."""
        return await self._send(requests.get_job(job_id))

    async def wait(self, job_id: str, *, timeout_s: float | None = None) -> JobView:
        """The job once it is final, or as it is after the timeout."""
        deadline = None if timeout_s is None else monotonic() + timeout_s
        while True:
            left_s = requests.POLL_S if deadline is None else deadline - monotonic()
            job = await self._send(requests.get_job(job_id, max(0.0, min(requests.POLL_S, left_s))))
            if job.state in FINAL_STATES or left_s <= 0:
                return job

    async def list_jobs(
        self,
        *,
        states: Sequence[str] = (),
        name: str | None = None,
        limit: int | None = None,
        before: str | None = None,
    ) -> JobPage:
        """One page of jobs, newest first."""
        return await self._send(requests.list_jobs(states, name, limit, before))

    async def explain(self, job_id: str) -> ExplanationView:
        """Why the job is where it is."""
        return await self._send(requests.explain(job_id))

    async def cancel(self, job_id: str) -> JobView:
        """Stop the job for good."""
        return await self._send(requests.cancel(job_id))

    async def requeue(self, job_id: str) -> JobView:
        """Give the job another attempt."""
        return await self._send(requests.requeue(job_id))

    async def read_log(
        self, job_id: str, *, attempt: int | None = None, node_rank: int = 0, offset: int = 0
    ) -> LogBytes:
        """Bytes of a replica's log from an offset."""
        return await self._send(requests.read_log(job_id, attempt, node_rank, offset))

    async def stream_log(
        self, job_id: str, *, attempt: int | None = None, node_rank: int = 0
    ) -> AsyncIterator[LogView | LogEnd]:
        """The log as it comes; its last message says how the job ended."""
        async for message in self._stream(requests.stream_log(job_id, attempt, node_rank)):
            parsed = parse_log(message)
            if parsed is not None:
                yield parsed
            if isinstance(parsed, LogEnd):
                return

    async def stream_events(
        self, *, after: int = 0, job_id: str | None = None
    ) -> AsyncIterator[EventView]:
        """The event log from a place on, without end."""
        async for message in self._stream(requests.stream_events(after, job_id)):
            yield parse_event(message)

    async def list_results(self, job_id: str, *, attempt: int | None = None) -> ResultList:
        """What an attempt left."""
        return await self._send(requests.list_results(job_id, attempt))

    async def read_result(
        self, job_id: str, path: str, *, node_rank: int = 0, attempt: int | None = None
    ) -> AsyncIterator[bytes]:
        """The bytes of one file that an attempt left."""
        call = requests.read_result(job_id, path, node_rank, attempt)
        address = find_server(*self._where)
        try:
            async with _Opened(self._http, call, address, {}) as response:
                async for piece in response.aiter_bytes():
                    yield piece
        except httpx2.TransportError as error:
            raise unreachable(address.url, error) from error

    async def list_nodes(self) -> NodeList:
        """All nodes, and what is free of them."""
        return await self._send(requests.list_nodes())

    async def keep_snapshot(self, request: SnapshotRequest) -> SnapshotView:
        """Keep a work folder's manifest, or hear which files are missing."""
        return await self._send(requests.keep_snapshot(request))

    async def put_blob(self, digest: str, content: bytes) -> None:
        """Upload one file's bytes."""
        await self._send(requests.put_blob(digest, content))

    async def get_server(self) -> ServerView:
        """Who answers."""
        return await self._send(requests.get_server())

    async def shut_down(self, *, stop_jobs: bool = False) -> None:
        """End the server."""
        await self._send(requests.shut_down(stop_jobs=stop_jobs))

    async def get_openapi(self) -> dict[str, Any]:
        """The API's own description."""
        return await self._send(requests.get_openapi())

    async def _send(self, call: Call[T]) -> T:
        patience = Patience(self.patience_s)
        while True:
            try:
                return call.parse(check(await self._try(call)))
            except Unavailable as error:
                await asyncio.sleep(patience.next_pause_s(error))

    async def _try(self, call: Call[T]) -> Reply:
        address = find_server(*self._where)
        try:
            response = await self._http.request(
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

    async def _stream(self, call: Call[Reply]) -> AsyncIterator[Message]:
        """Messages over as many connections as it takes."""
        stream = Stream()
        patience = Patience(self.patience_s)
        while True:
            try:
                address = find_server(*self._where)
                async with _Opened(self._http, call, address, stream.resume_headers()) as response:
                    async for piece in response.aiter_bytes():
                        patience = Patience(self.patience_s)
                        for message in stream.feed(piece):
                            yield message
                broken = unreachable(address.url, EOFError("the stream has ended"))
            except httpx2.TransportError as error:
                broken = unreachable(address.url, error)
            except Unavailable as error:
                broken = error
            await asyncio.sleep(patience.next_pause_s(broken))


class _Opened:
    """A response whose body is still to be read; a refusal is raised."""

    def __init__(
        self, http: httpx2.AsyncClient, call: Call[Reply], address: Address, headers: dict[str, str]
    ) -> None:
        self._context = http.stream(
            call.method,
            address.url + call.path,
            params=dict(call.query),
            headers=headers_of(call, address) | headers,
        )

    async def __aenter__(self) -> httpx2.Response:
        response = await self._context.__aenter__()
        if response.status_code >= 400:
            try:
                raise as_error(reply_of(response, await response.aread()))
            finally:
                await self._context.__aexit__(None, None, None)
        return response

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._context.__aexit__(kind, error, trace)
