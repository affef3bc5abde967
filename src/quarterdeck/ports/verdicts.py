"""What waiting jobs were told, and when: so that "why did it wait yesterday" has an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from quarterdeck.basics.ids import JobId

if TYPE_CHECKING:
    from collections.abc import Sequence

PLACED: Final = "placed"
"""The code of the record that ends a wait."""


@dataclass(frozen=True, slots=True)
class Told:
    """A verdict that a job had from a moment on, until the next record of the same job."""

    job_id: JobId
    at_ns: int
    code: str
    message: str
    hint: str = ""
    numbers: Mapping[str, int] = field(default_factory=dict)
    held_by: tuple[JobId, ...] = ()


class VerdictLog(Protocol):
    """Kept apart from the store of jobs, whose writer has better things to do. It may lose its last
    moments in a power cut, and a full disk costs it records; neither costs anything else."""

    def add(self, told: Sequence[Told]) -> None:
        """Keep these, but for one that says what the last of its job says already."""
        ...

    def list_told(self, job_id: JobId, limit: int) -> list[Told]:
        """The last so many of a job, oldest first."""
        ...

    def drop(self, before_ns: int) -> None:
        """Forget what is older."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...
