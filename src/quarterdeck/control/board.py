"""The state of the present in memory: unfinished jobs, sites, and what is free on each node.

The board is a projection of the event log and never ahead of it. It is brought up to date by
reading the log from where it stopped, so it sees its own process's commits and everybody else's by
the same way, and a crash loses nothing that a start does not read back.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.ids import JobId
from quarterdeck.control.held import held_by_kept, held_of, hold_of
from quarterdeck.control.learned import Learned
from quarterdeck.control.moved import MovedLately
from quarterdeck.control.siteboard import SiteBoard
from quarterdeck.core.cluster.events import NodesChanged, SiteReported, evolve_site
from quarterdeck.core.cluster.hardware import Site
from quarterdeck.core.jobs.events import (
    Ended,
    Noted,
    Placed,
    RoomCleared,
    Seen,
    Started,
    StopRequested,
    Submitted,
)
from quarterdeck.core.jobs.evolve import evolve
from quarterdeck.core.ledger.usage import UsageBook, used_by
from quarterdeck.core.scheduling.allowances import allowances_of, parties_of, quotas_of
from quarterdeck.core.scheduling.booked import Bookings
from quarterdeck.core.scheduling.budgets import MonthUse
from quarterdeck.core.scheduling.capacity import capacity_of
from quarterdeck.core.scheduling.chunks import Chunked
from quarterdeck.core.scheduling.counts import Counts
from quarterdeck.core.scheduling.forecast import Hold
from quarterdeck.core.scheduling.fragments import Recent
from quarterdeck.core.scheduling.queue import (
    count_waiting,
    has_waiting,
    running_of,
    waiting_of,
)
from quarterdeck.core.scheduling.runs import RunsBook
from quarterdeck.core.scheduling.snapshot import Snapshot, Waiting
from quarterdeck.ports.engine import AttemptRef
from quarterdeck.ports.store import JobRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from quarterdeck.core.calendar.occurrences import Occurrence
    from quarterdeck.core.cluster.demand import Grant
    from quarterdeck.core.cluster.room import Room
    from quarterdeck.core.governance.people import People
    from quarterdeck.core.jobs.job import Attempt, Job
    from quarterdeck.core.ledger.usage import Used
    from quarterdeck.core.scheduling.allowances import Allowance, Party, Quotas
    from quarterdeck.core.scheduling.booked import Held
    from quarterdeck.core.scheduling.capacity import Capacity
    from quarterdeck.core.scheduling.promised import Promised
    from quarterdeck.ports.locality import Locality
    from quarterdeck.ports.store import History, Record

PAGE: Final = 2000


class Board:
    """See the module. Every method may be called from any thread."""

    def __init__(self, store: History, locality: Locality | None = None) -> None:
        self._store = store
        self._locality = locality
        self._lock = threading.RLock()
        self._jobs: dict[JobId, Job] = {}
        self._queued: dict[JobId, Waiting] = {}
        self._needy: dict[JobId, Job] = {}
        self._running: Counts[Party] = Counts()
        self._attempts: RunsBook[AttemptRef] = RunsBook()
        self._quotas: tuple[People, Quotas] | None = None
        self._sites: dict[str, SiteBoard] = {}
        self._capacity = capacity_of(())
        self._are_nodes_new = True
        self._asked = Recent()
        self._moved = MovedLately()
        self.learned = Learned()
        self._used = UsageBook()
        self.used_before: tuple[Used, ...] = ()
        """What was used by attempts that had ended when it began."""
        self._cursor = self._loaded_at = 0
        self._stirs = 0
        self.promised: tuple[Promised, ...] = ()
        """What the last plan promised that was kept. It is not written down: a server that starts
        promises anew."""
        self._load()

    @property
    def cursor(self) -> int:
        """The place of the log that the board stands at."""
        return self._cursor

    @property
    def loaded_at(self) -> int:
        """The place of the log at which it began, with the jobs and sites of that moment."""
        return self._loaded_at

    @property
    def stirs(self) -> int:
        """Counts what may let a job start: a job that came, an attempt that ended, a site."""
        return self._stirs

    def catch_up(self) -> bool:
        """Read the log to its end; says whether there was anything new."""
        moved = False
        with self._lock:
            while records := self._store.list_records(self._cursor, limit=PAGE):
                for record in records:
                    self._apply(record)
                    self._cursor = record.seq
                moved = True
                if len(records) < PAGE:
                    break
        return moved

    def snapshot(self, now_ns: int, people: People | None = None) -> Snapshot:
        """What the scheduler looks at, as of the board's place in the log, with the limits of
        these people."""
        with self._lock:
            allowances: Mapping[Party, Allowance] = {}
            running = self._attempts.now()
            if people is not None:
                month = MonthUse(self._used.view(), lambda: running, now_ns)
                quotas = self._quotas_of(people)
                queued = self._queued.values()
                allowances = allowances_of(
                    quotas, self._running.now(), lambda: count_waiting(queued), month
                )
            return Snapshot(
                allowances=allowances,
                now_ns=now_ns,
                as_of=self._cursor,
                rooms=self._reckon(),
                waiting=tuple(self._list_waiting()),
                holders=Chunked(
                    chunk for site in self._sites.values() for chunk in site.holders.now().chunks
                ),
                asked=self._asked.asked(),
                running=running,
                used=self._used.view(),
                promised=self.promised,
                started_lately=self._moved.starts,
                moved_lately=self._moved.moves,
            )

    def booked_snapshot(
        self, now_ns: int, people: People | None, times: tuple[Occurrence, ...]
    ) -> Snapshot:
        """The same, with these times of the calendar and who holds which nodes meanwhile."""
        with self._lock:
            snapshot = self.snapshot(now_ns, people)
            if not times:
                return snapshot
            return replace(snapshot, bookings=Bookings(times, tuple(self.list_held(now_ns))))

    def list_held(self, now_ns: int) -> list[Held]:
        """Who holds something of which node, and until when at the latest."""
        with self._lock:
            held = [
                one
                for site in self._sites.values()
                for ref in site.wished_at
                for one in held_of(self._jobs[ref.job_id], ref.attempt, now_ns)
            ]
            return [*held, *held_by_kept(self._queued.values(), now_ns)]

    def find_job(self, job_id: JobId) -> Job | None:
        """An unfinished job, or None."""
        with self._lock:
            return self._jobs.get(job_id)

    def has_live(self, job_id: JobId, attempt: int) -> bool:
        """Whether this attempt holds devices now."""
        job = self.find_job(job_id)
        return job is not None and job.find_live(attempt) is not None

    def list_job_ids(self) -> list[JobId]:
        """All unfinished jobs, oldest first."""
        with self._lock:
            return list(self._jobs)

    def count_queued(self) -> int:
        """How many jobs wait."""
        with self._lock:
            return len(self._queued)

    def list_rooms(self) -> list[tuple[Room, list[JobId]]]:
        """Every node with what is free of it and who holds the rest."""
        with self._lock:
            return [
                (room, self._sites[room.site].jobs_on(room.node.name)) for room in self._reckon()
            ]

    def list_holds(self, site: str, node: str) -> list[tuple[JobId, Grant]]:
        """Who holds what of a node."""
        with self._lock:
            board = self._sites.get(site)
            held = board.held.get(node, {}) if board is not None else {}
            return [(ref.job_id, grant) for ref, grant in held.items()]

    def list_running(self) -> list[Hold]:
        """Every attempt that holds devices, and when its time limit ends it: the grace after it
        included. One that has not started yet has no such time."""
        with self._lock:
            return [
                hold_of(self._jobs[ref.job_id], ref)
                for site in self._sites.values()
                for ref in site.wished_at
            ]

    def list_live(self) -> list[tuple[Job, Attempt]]:
        """Every attempt that holds devices, with its job."""
        with self._lock:
            return [
                (job, attempt)
                for site in self._sites.values()
                for ref in site.wished_at
                if (job := self._jobs.get(ref.job_id)) is not None
                and (attempt := job.find_live(ref.attempt)) is not None
            ]

    def list_free(self) -> Capacity:
        """Every node with what is free of it."""
        with self._lock:
            return self._reckon()

    def list_needy(self) -> list[JobId]:
        """Unfinished jobs that need one which is not unfinished any more."""
        with self._lock:
            return [
                job.id
                for job in self._needy.values()
                if not all(need in self._jobs for need in job.unmet)
            ]

    def find_site(self, name: str) -> Site | None:
        """A site as last reported, or None before its first report."""
        with self._lock:
            site = self._sites.get(name)
            return site.site if site else None

    def find_nodes_as_of(self, name: str) -> int:
        """A place of the log that changes with what is known of a site's nodes; 0 for nothing."""
        with self._lock:
            site = self._sites.get(name)
            return site.nodes_as_of if site else 0

    def list_wishes(self, site: str, since: int) -> tuple[list[AttemptRef], list[AttemptRef], bool]:
        """Attempts of a site whose wish changed after a place of the log: live ones, gone ones,
        and whether these are all there are (because the board cannot tell since when)."""
        with self._lock:
            board = self._sites.get(site)
            if board is None:
                return [], [], True
            return board.list_wishes(since, self._cursor)

    def _load(self) -> None:
        active = self._store.load_active()
        self._cursor = self._loaded_at = active.head
        self.used_before = active.used
        self._used.add(active.used)
        for site in active.sites:
            self._site(site.name).set_nodes(site, active.head)
        for job in active.jobs:
            self._asked.add(job.spec.demand.resources)
            self._keep(job)
            for live in job.live_attempts:
                board = self._site(live.site)
                ref = AttemptRef(job.id, live.number)
                board.hold(ref, [replica.grant for replica in live.replicas])
                self._running.add(parties_of(job.spec.team, job.actor))
                board.wish(ref, active.head, is_gone=False)
                self._attempts.put(ref, running_of(job, live))

    def _site(self, name: str) -> SiteBoard:
        if name not in self._sites:
            self._sites[name] = SiteBoard(Site(name), floor=self._cursor)
        return self._sites[name]

    def _apply(self, record: Record) -> None:
        if not isinstance(record, JobRecord):
            board = self._site(record.event.site)
            after_it = evolve_site(board.site, record.event)
            if isinstance(record.event, SiteReported | NodesChanged):
                self._are_nodes_new |= board.set_nodes(after_it, record.seq)
            else:
                board.set_cordons(after_it, record.event.node)
            self._stirs += 1
            return
        before = self._jobs.get(record.job_id)
        if before is None and record.revision > 1:
            before = self._reopened(record)
        after = evolve(before, record.job_id, record.event)
        self._moved.note(record.event, before)
        assert after.revision == record.revision, (after.story, record)
        if not isinstance(record.event, Placed | Seen | Started | Noted):
            self._stirs += 1
        if isinstance(record.event, Submitted):
            self._asked.add(after.spec.demand.resources)
        if isinstance(record.event, Placed | Started | StopRequested | Ended):
            self._note_attempt(record.event, after)
        if isinstance(record.event, Placed | StopRequested | Ended):
            self._apply_to_site(record.event, before, after, record.seq)
        if isinstance(record.event, RoomCleared):
            for live in after.live_attempts:
                self._attempts.put(AttemptRef(after.id, live.number), running_of(after, live))
        if isinstance(record.event, Seen | Started | Noted) and not after.state.is_final:
            self._jobs[after.id] = after
        else:
            self._keep(after)

    def _note_attempt(self, event: Placed | Started | StopRequested | Ended, job: Job) -> None:
        ref = AttemptRef(job.id, event.attempt)
        live = job.find_live(event.attempt)
        if live is None:
            self._attempts.pop(ref)
        else:
            self._attempts.put(ref, running_of(job, live))

    def _reopened(self, record: JobRecord) -> Job | None:
        """A finished job that goes on: its past is read from the log, up to this event."""
        job: Job | None = None
        for past in self._store.list_records(0, limit=1_000_000, job_id=record.job_id):
            if past.seq < record.seq and isinstance(past, JobRecord):
                job = evolve(job, past.job_id, past.event)
        return job

    def _apply_to_site(
        self, event: Placed | StopRequested | Ended, before: Job | None, after: Job, seq: int
    ) -> None:
        job = before if isinstance(event, Ended) else after
        attempt = job.find_live(event.attempt) if job is not None else None
        assert attempt is not None, (event, after.story)
        board = self._site(attempt.site)
        ref = AttemptRef(after.id, attempt.number)
        grants = [replica.grant for replica in attempt.replicas]
        parties = parties_of(after.spec.team, after.actor)
        if isinstance(event, Placed):
            if self._locality is not None:
                nodes = [grant.node for grant in grants]
                self._locality.note_placed(after.spec, attempt.site, nodes)
            board.hold(ref, grants)
            self._running.add(parties)
        elif isinstance(event, Ended):
            board.release(ref, grants)
            self._running.add(parties, -1)
            self.learned.note(after, attempt, event.at_ns, event.reason)
            self._used.add(used_by(after, attempt, event.at_ns))
        board.wish(ref, seq, is_gone=isinstance(event, Ended))

    def _keep(self, job: Job) -> None:
        self._queued.pop(job.id, None)
        self._needy.pop(job.id, None)
        if job.state.is_final:
            self._jobs.pop(job.id, None)
            return
        self._jobs[job.id] = job
        if job.unmet:
            self._needy[job.id] = job
        if has_waiting(job):
            self._queued[job.id] = waiting_of(job)

    def _list_waiting(self) -> Iterator[Waiting]:
        """The queue, each with where its data lies."""
        if self._locality is None:
            yield from self._queued.values()
            return
        for job_id, waiting in self._queued.items():
            shares = self._locality.find_shares(self._jobs[job_id].spec)
            yield replace(waiting, data_at=tuple(sorted(shares.items()))) if shares else waiting

    def _quotas_of(self, people: People) -> Quotas:
        """Reckoned once for people who have not changed."""
        if self._quotas is None or self._quotas[0] is not people:
            self._quotas = (people, quotas_of(people))
        return self._quotas[1]

    def _reckon(self) -> Capacity:
        """What is free, of which only what has changed is reckoned anew."""
        changed = [room for site in self._sites.values() for room in site.refresh()]
        if self._are_nodes_new:
            rooms = (room for site in self._sites.values() for room in site.rooms.values())
            self._capacity = capacity_of(rooms)
            self._are_nodes_new = False
        elif changed:
            self._capacity = self._capacity.replaced(changed)
        return self._capacity
