"""The truth: jobs, sites and the log of everything that happened to them.

Every change of state and its event commit in one transaction, and what `transact` returned has
survived a power cut. Transactions run one after the other; `work` may see what earlier ones wrote,
must be quick, must do no I/O of its own, and is either kept whole or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

from quarterdeck.basics.ids import JobId
from quarterdeck.core.cluster.events import SiteEvent, SiteReported
from quarterdeck.core.cluster.hardware import Site
from quarterdeck.core.jobs.events import JobEvent
from quarterdeck.core.jobs.job import Job
from quarterdeck.core.jobs.states import JobState
from quarterdeck.core.ledger.usage import Used

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

T = TypeVar("T")
Whose = Literal["team", "owner"]


@dataclass(frozen=True, slots=True)
class JobRecord:
    """One entry of the log about a job: its event number `revision`, at place `seq` of the log."""

    seq: int
    job_id: JobId
    revision: int
    event: JobEvent


@dataclass(frozen=True, slots=True)
class SiteRecord:
    """One entry of the log about a site."""

    seq: int
    event: SiteEvent


Record = JobRecord | SiteRecord


@dataclass(frozen=True, slots=True)
class KeptReply:
    """What a request with an idempotency key was answered, and a digest of what it asked."""

    key: str
    request_digest: str
    job_ids: tuple[JobId, ...]
    at_ns: int


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs to list: newest first, those submitted before the job `before` (a cursor).

    `teams` are the only ones whose jobs are wanted; None is every team.
    """

    states: tuple[JobState, ...] = ()
    name: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    teams: tuple[str, ...] | None = None
    owner: str | None = None
    before: JobId | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Active:
    """All that a control plane goes on with: unfinished jobs, sites, the log's head, and what was
    `used` in the last days that any was, by attempts that have ended until then."""

    head: int
    jobs: tuple[Job, ...]
    sites: tuple[Site, ...] = field(default=())
    used: tuple[Used, ...] = field(default=())


class Transaction(Protocol):
    """One unit of work."""

    def find_job(self, job_id: JobId) -> Job | None:
        """The job as earlier transactions left it, or None."""
        ...

    def count_waiting(self, whose: Whose, name: str) -> int:
        """How many tasks of a team or an owner wait to be started, held ones too, as earlier
        transactions and this one leave it."""
        ...

    def find_taken(self, job_ids: Sequence[JobId]) -> set[JobId]:
        """Those of the ids that some job already has: one question for many."""
        ...

    def append(self, before: Job | None, events: Sequence[JobEvent], after: Job) -> None:
        """Write the events and the job they lead to; `Stale` unless the store still holds
        `before` (None: no such job yet). What an attempt has used that ends is counted with it."""
        ...

    def find_site(self, name: str) -> Site | None:
        """The site as earlier transactions left it, or None before its first report."""
        ...

    def append_site(self, event: SiteEvent) -> None:
        """Write what is new of a site; the site then is what `evolve_site` makes of it."""
        ...

    def has_capacity_news(self, after: int) -> bool:
        """Whether a `Placed` or anything about a site was written after that place of the log:
        what a plan made there must not overlook. Earlier transactions of the same commit count."""
        ...

    def find_reply(self, key: str) -> KeptReply | None:
        """The reply kept under an idempotency key."""
        ...

    def keep_reply(self, reply: KeptReply) -> None:
        """Keep a reply under its key; a key is written once."""
        ...

    def drop_replies(self, before_ns: int) -> int:
        """Forget replies older than that; says how many."""
        ...

    def drop_jobs(self, jobs: Sequence[Job]) -> None:
        """Forget finished jobs that `list_finished` named, with all their events. `Stale` unless
        the store still holds each of them as given. Places of the log are never given again."""
        ...

    def fold_reports(self, old: Sequence[SiteRecord], folded: SiteReported) -> None:
        """Put one report in the place of all of these, which `list_reports` named, at the place of
        the last of them. It says of the site's nodes what they say together, so the site and all
        that comes after stay as they are. Twice is once."""
        ...


class History(Protocol):
    """The reading half of a store, as far as the present is told again from it."""

    def load_active(self) -> Active:
        """See `Store`."""
        ...

    def list_records(
        self, after: int, *, limit: int = 1000, job_id: JobId | None = None
    ) -> list[Record]:
        """See `Store`."""
        ...


class Store(Protocol):
    """Where the truth is kept. Reads see everything committed before they began."""

    def transact(self, work: Callable[[Transaction], T]) -> T:
        """Run the work, make it durable, return what it returned.

        What `work` raises is raised here, with nothing written. `Unavailable` when the store
        could not be reached or could not keep it.
        """
        ...

    def find_job(self, job_id: JobId) -> Job | None:
        """The job, or None."""
        ...

    def list_jobs(self, wanted: JobFilter) -> list[Job]:
        """One page of jobs, newest first."""
        ...

    def count_jobs(self) -> dict[JobState, int]:
        """How many jobs are in each state (states without any may be absent)."""
        ...

    def count_waiting(self, whose: Whose, name: str) -> int:
        """How many tasks of a team or an owner wait to be started, held ones too."""
        ...

    def load_active(self) -> Active:
        """All unfinished jobs, all sites, and what was used in the last `DAYS_MAX` days by team,
        owner and day, as of one instant of the log. What was used stays when jobs are dropped."""
        ...

    def list_records(
        self, after: int, *, limit: int = 1000, job_id: JobId | None = None
    ) -> list[Record]:
        """Log entries with `seq` greater than `after`, in order, perhaps of one job only."""
        ...

    def list_reports(self, site: str, before_ns: int, *, limit: int) -> list[SiteRecord]:
        """The oldest entries that say what a site's nodes are, in order, as far as they are older
        than that."""
        ...

    def list_finished(self, before_ns: int, *, limit: int) -> list[Job]:
        """Finished jobs whose last event is older than that, in the order of submission. Without
        the job of the log's last entry: that entry says where the log goes on."""
        ...

    def head(self) -> int:
        """The last `seq` of the log; 0 when it is empty."""
        ...

    def replace_jobs(self, jobs: Iterator[Job], sites: Iterator[Site]) -> None:
        """Put these in place of every job and site that the store holds: for `restore`, which
        has rebuilt them from the log. The log itself is not touched."""
        ...

    def close(self) -> None:
        """Finish what was accepted, then let go of everything. Closing twice is closing once."""
        ...
