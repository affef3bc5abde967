"""Webhooks: whom to tell of changes of state, and how far each of them has been told.

How far is a place of the event log, so the log itself is the queue: what a receiver missed while
it was away is read there, and nothing has to be kept for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from quarterdeck.core.jobs.states import JobState

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Hook:
    """A receiver. `states` are those it wants to hear of; none named are all."""

    id: str
    url: str
    secret: str = field(repr=False)
    owner: str
    created_at_ns: int
    states: tuple[JobState, ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a receiver has been told, and how that went.

    Everything in the log up to `cursor` was delivered or is not wanted. `failures` counts the tries
    in vain since the last good one, the first of which was at `failing_since_ns`. `off_since_ns` is
    set when nobody tries any more.
    """

    cursor: int
    failures: int = 0
    failing_since_ns: int | None = None
    last_success_at_ns: int | None = None
    last_failure_at_ns: int | None = None
    last_failure: str = ""
    off_since_ns: int | None = None


class Hooks(Protocol):
    """Where webhooks are kept."""

    def add(self, hook: Hook, progress: Progress) -> None:
        """Keep a new one, durably; `Conflict` when its id is taken."""
        ...

    def list(self) -> list[tuple[Hook, Progress]]:
        """All of them, oldest first."""
        ...

    def remove(self, hook_id: str) -> bool:
        """Forget one, durably; says whether it was there."""
        ...

    def save(self, progresses: Mapping[str, Progress]) -> None:
        """Keep how far these are, in one go; one that was removed meanwhile stays away, and one
        that is known to be further stays as it is."""
        ...


class HookKeys(Protocol):
    """Where new names and secrets of webhooks come from."""

    def new_hook_id(self) -> str:
        """A name that was not given before."""
        ...

    def new_secret(self) -> str:
        """A secret that nobody can guess, as `whsec_…`."""
        ...
