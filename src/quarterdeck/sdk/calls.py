"""A call that is to be made, and a reply that has come: what every transport carries."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class FileBody:
    """A body that is read from a file, anew for every try. `name` is how people know the file."""

    path: Path
    name: str
    size_bytes: int
    digest: str


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A request, and how to read a good answer to it.

    `is_repeatable`: doing it twice is doing it once, so it may be sent again when its answer was
    lost. Reads are by nature, `cancel` because it is level-triggered, `submit` because it carries
    a key. A second `requeue` would meet a job that is queued, or runs, again.
    """

    method: str
    path: str
    parse: Callable[[Reply], T]
    query: Mapping[str, str | int | list[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | FileBody | None = None
    is_repeatable: bool = True
    needs_token: bool = True
    """Whether it shows one; those who come in by a code have none yet."""
    answer_s: float = 30.0
    """How long the server may take to begin its answer."""
