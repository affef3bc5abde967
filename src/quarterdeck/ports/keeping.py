"""What a site keeps of ended attempts, to be listed and let go; and the archive of jobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from quarterdeck.core.jobs.job import Job
from quarterdeck.core.retention.rules import Stored
from quarterdeck.ports.store import JobRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


@dataclass(frozen=True, slots=True)
class Deletion:
    """When retention deleted something, and by which rule: what is told to whoever asks for it."""

    at_ns: int
    rule: str


class SiteStock(Protocol):
    """Logs, results and checkpoints at a site. One thread at a time."""

    def list_stored(self) -> Iterator[Stored]:
        """Everything there is of attempts that have ended, and of jobs, ended or not."""
        ...

    def drop(self, stored: Stored, deletion: Deletion, is_unused: Callable[[], bool]) -> bool:
        """Delete it, and remember of logs and results that it was done; says whether it is gone.

        A crash leaves it whole, or gone. `is_unused` is asked once it is out of everybody's sight;
        if it is not, it is put back as it was.
        """
        ...

    def drop_job(self, job_id: str) -> None:
        """Delete everything of a job that the store has let go."""
        ...


@dataclass(frozen=True, slots=True)
class ArchivedJob:
    """A finished job and its whole history."""

    job: Job
    records: tuple[JobRecord, ...]


class Archive(Protocol):
    """Takes in what leaves the store."""

    def append(self, jobs: Sequence[ArchivedJob]) -> None:
        """Keep them; they have survived a power cut when this returns. `Unavailable` otherwise:
        then some of them may have been kept."""
        ...
