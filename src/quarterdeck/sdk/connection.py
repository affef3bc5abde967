"""How the client that waits sends its requests: connections, tries again, streams."""

from __future__ import annotations

import threading
from contextlib import closing
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
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from quarterdeck.sdk.calls import Call, Reply
    from quarterdeck.sdk.follow import Follower

T = TypeVar("T")


class Connection:
    """To a server that is found anew for every try. See `Client`."""

    def __init__(self, where: tuple[str | None, str | None, Path | None], limits: Limits) -> None:
        self._where = where
        self._limits = limits
        self._lock = threading.Lock()
        self._opened: tuple[str, httpx2.Client] | None = None
        self._closing = threading.Event()

    def close(self) -> None:
        """Close the connections."""
        self._closing.set()
        with self._lock:
            if self._opened is not None:
                self._opened[1].close()
                self._opened = None

    def send(self, call: Call[T]) -> T:
        """The answer, asked for again as long as patience and the call allow it."""
        patience = Patience(self._limits)
        while True:
            try:
                return call.parse(check(self._try(call)))
            except QuarterdeckError as error:
                self.pause(patience.next_pause_s(call, error))

    def follow(self, follower: Follower[T]) -> Iterator[T]:
        """What the stream gives, over as many connections as it takes."""
        patience = Patience(self._limits)
        while True:
            try:
                with closing(self._pieces(follower)) as pieces:
                    for piece in pieces:
                        patience = Patience(self._limits)
                        yield from follower.feed(piece)
                        if follower.is_done:
                            return
                follower.end()
            except QuarterdeckError as error:
                self.pause(patience.next_pause_s(follower.call, error))
            else:
                return

    def _try(self, call: Call[T]) -> Reply:
        address = find_server(*self._where, needs_token=call.needs_token)
        options = request_options(call, address)
        if isinstance(call.body, FileBody):
            options["content"] = read_checked(call.body)
        timeout = httpx2.Timeout(call.answer_s, connect=CONNECT_S)
        try:
            response = self._http(address).request(**options, timeout=timeout)
        except httpx2.TransportError as error:
            raise failure_of(error, address) from error
        self._limits.has_met = True
        return reply_of(response, response.content)

    def _pieces(self, follower: Follower[T]) -> Generator[bytes, None, None]:
        """The body of one answer as it comes; a refusal is raised."""
        address = find_server(*self._where)
        options = request_options(follower.call, address)
        options["headers"] |= follower.begin()
        try:
            with self._http(address).stream(**options) as response:
                self._limits.has_met = True
                if not response.is_success:
                    raise as_error(reply_of(response, response.read()))
                follower.accept(response.status_code)
                yield from response.iter_raw()
        except httpx2.TransportError as error:
            raise failure_of(error, address) from error

    def _http(self, address: Address) -> httpx2.Client:
        """Connections to that server. Those to a former one are left to whoever still uses them."""
        with self._lock:
            if self._closing.is_set():
                raise Conflict("the client is closed", code="closed", hint="make another one")
            if self._opened is None or self._opened[0] != address.url:
                self._opened = (address.url, httpx2.Client(**client_options(address)))
            return self._opened[1]

    def pause(self, pause_s: float) -> None:
        """Wait, unless somebody closes the client meanwhile."""
        self._closing.wait(pause_s)
