"""A call that is to be made, and a reply that has come: what every transport carries."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A request, and how to read a good answer to it.

    Every call may be repeated when its answer was lost: reads by nature, `cancel` and `requeue`
    because they are level-triggered at the server, `submit` because it carries a key.
    """

    method: str
    path: str
    parse: Callable[[Reply], T]
    query: Mapping[str, str | int | list[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    answer_s: float = 30.0
    """How long the server may take to begin its answer."""
