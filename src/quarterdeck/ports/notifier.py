"""What carries a message to a receiver outside, once: trying again is the caller's business."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """What to say. The id is the same at every try, so a receiver can drop what came twice."""

    id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a try. `status` is None when there was no answer; `is_gone` when the receiver
    said that it never wants to be told again."""

    is_delivered: bool
    message: str
    status: int | None = None
    is_gone: bool = False


class Notifier(Protocol):
    """May be called by several threads at a time; a call ends within a bounded time."""

    def check(self, url: str) -> None:
        """Refuse a URL that could never be sent to, or may not be."""
        ...

    def send(self, url: str, secret: str, message: Message) -> Outcome:
        """Sign and send. What goes wrong outside is in the outcome, never raised."""
        ...
