"""Methods of both clients, made of the function that builds a request: waiting and awaited.

So both have the same ones, with the same parameters and the same words about them.
"""

from __future__ import annotations

from functools import update_wrapper
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from quarterdeck.sdk.calls import Call

P = ParamSpec("P")
T = TypeVar("T")


class Send(Protocol):
    """Sends a request and gives what its answer says."""

    def __call__(self, call: Call[T]) -> T:
        """Send it."""
        ...


class SendAsync(Protocol):
    """The same, to be awaited."""

    def __call__(self, call: Call[T]) -> Awaitable[T]:
        """Send it."""
        ...


class Calls:
    """Part of a client's methods, for the client that waits."""

    def __init__(self, send: Send) -> None:
        self.send = send


class AsyncCalls:
    """Part of a client's methods, for the client that awaits."""

    def __init__(self, send: SendAsync) -> None:
        self.send = send


def waiting(build: Callable[P, Call[T]]) -> Callable[Concatenate[Calls, P], T]:
    """A method that sends what `build` makes, and waits for the answer."""

    def method(self: Calls, /, *args: P.args, **options: P.kwargs) -> T:
        return self.send(build(*args, **options))

    update_wrapper(method, build)
    return method


def awaited(build: Callable[P, Call[T]]) -> Callable[Concatenate[AsyncCalls, P], Awaitable[T]]:
    """A method that sends what `build` makes; its answer is to be awaited."""

    def method(self: AsyncCalls, /, *args: P.args, **options: P.kwargs) -> Awaitable[T]:
        return self.send(build(*args, **options))

    update_wrapper(method, build)
    return method
