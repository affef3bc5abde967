"""How the client that is awaited sends its requests: connections, tries again, streams."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, TypeVar

import httpx2

from quarterdeck.basics.errors import Conflict, QuarterdeckError
from quarterdeck.sdk.bodies import read_checked
from quarterdeck.sdk.calls import FileBody
from quarterdeck.sdk.find import Address, find_server
from quarterdeck.sdk.patience import Limits, Patience
from quarterdeck.sdk.problems import as_error, check
from quarterdeck.sdk.transport import (
    CONNECT_S,
    client_options,
    failure_of,
    reply_of,
    request_options,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from pathlib import Path

    from quarterdeck.sdk.calls import Call, Reply
    from quarterdeck.sdk.follow import Follower

T = TypeVar("T")


class AsyncConnection:
    """To a server that is found anew for every try. See `AsyncClient`."""

    def __init__(self, where: tuple[str | None, str | None, Path | None], limits: Limits) -> None:
        self._where = where
        self._limits = limits
        self._opened: tuple[str, httpx2.AsyncClient] | None = None
        self._is_closed = False

    async def aclose(self) -> None:
        """Close the connections."""
        self._is_closed = True
        if self._opened is not None:
            await self._opened[1].aclose()
            self._opened = None

    async def send(self, call: Call[T]) -> T:
        """The answer, asked for again as long as patience and the call allow it."""
        patience = Patience(self._limits)
        while True:
            try:
                return call.parse(check(await self._try(call)))
            except QuarterdeckError as error:
                await asyncio.sleep(patience.next_pause_s(call, error))

    async def follow(self, follower: Follower[T]) -> AsyncIterator[T]:
        """What the stream gives, over as many connections as it takes."""
        patience = Patience(self._limits)
        while True:
            try:
                async with aclosing(self._pieces(follower)) as pieces:
                    async for piece in pieces:
                        patience = Patience(self._limits)
                        for item in follower.feed(piece):
                            yield item
                        if follower.is_done:
                            return
                follower.end()
            except QuarterdeckError as error:
                await asyncio.sleep(patience.next_pause_s(follower.call, error))
            else:
                return

    async def _try(self, call: Call[T]) -> Reply:
        address = find_server(*self._where, needs_token=call.needs_token)
        options = request_options(call, address)
        if isinstance(call.body, FileBody):
            options["content"] = _read_on_threads(call.body)
        timeout = httpx2.Timeout(call.answer_s, connect=CONNECT_S)
        try:
            response = await self._http(address).request(**options, timeout=timeout)
        except httpx2.TransportError as error:
            raise failure_of(error, address) from error
        self._limits.has_met = True
        return reply_of(response, response.content)

    async def _pieces(self, follower: Follower[T]) -> AsyncGenerator[bytes, None]:
        """The body of one answer as it comes; a refusal is raised."""
        address = find_server(*self._where)
        options = request_options(follower.call, address)
        options["headers"] |= follower.begin()
        try:
            async with self._http(address).stream(**options) as response:
                self._limits.has_met = True
                if not response.is_success:
                    raise as_error(reply_of(response, await response.aread()))
                follower.accept(response.status_code)
                async for piece in response.aiter_raw():
                    yield piece
        except httpx2.TransportError as error:
            raise failure_of(error, address) from error

    def _http(self, address: Address) -> httpx2.AsyncClient:
        """Connections to that server. Those to a former one are left to whoever still uses them."""
        if self._is_closed:
            raise Conflict("the client is closed", code="closed", hint="make another one")
        if self._opened is None or self._opened[0] != address.url:
            self._opened = (address.url, httpx2.AsyncClient(**client_options(address)))
        return self._opened[1]


async def _read_on_threads(body: FileBody) -> AsyncGenerator[bytes, None]:
    pieces = read_checked(body)
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece
