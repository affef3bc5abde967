"""Find what retention lets go, and let it go a little at a time.

Level-triggered: a sweep looks at what there is and deletes what the rules say; what a crash or a
full disk kept it from is found again by the next one. Nothing of an unfinished job is touched.

Why no file of a work folder can vanish under a submit. Each blob has a time of last use. Whoever is
going to count on a blob asks `missing`, which in one step finds it and sets that time to now; the
sweep deletes a blob in one step only if that time is older than the rule. So either the deletion
came first, and `missing` names it: the client uploads it again. Or `missing` came first, and the
blob stays for the rule's whole span, of which an hour is the least that settings allow. A submit
asks for the manifest and all its files (`use_snapshot`), and so does every sweep for every
unfinished job before it deletes anything: a job that waits for a month keeps its work folder.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.errors import Stale, Unavailable
from quarterdeck.basics.ids import JobId
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.control.snapshots import use_snapshot
from quarterdeck.core.retention.rules import Doomed, Kind, Rule, Stored, choose
from quarterdeck.ports.keeping import ArchivedJob, Deletion
from quarterdeck.ports.store import JobRecord

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quarterdeck.control.plane import ControlPlane
    from quarterdeck.core.jobs.job import Job
    from quarterdeck.core.retention.rules import Retention
    from quarterdeck.ports.keeping import Archive, SiteStock

TURN_ITEMS_MAX: Final = 100
"""So much is deleted in one turn; whoever waits for the processor or the disk gets it then."""
JOBS_MAX: Final = 5000
"""So many jobs are looked at in one sweep; the next one goes on."""
EVENTS_MAX: Final = 1_000_000
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep deleted, and whether it came to the end of what there was."""

    gone: tuple[Doomed, ...]
    is_complete: bool


class Sweeper:
    """Retention over one control plane and its sites' stocks. Any thread may ask; one sweeps."""

    def __init__(
        self,
        plane: ControlPlane,
        stocks: Mapping[str, SiteStock],
        archive: Archive,
        retention: Retention,
    ) -> None:
        self._plane = plane
        self._stocks = stocks
        self._archive = archive
        self._retention = retention
        self._lock = threading.Lock()
        self._pending: deque[tuple[str, Doomed]] = deque()

    def plan(self) -> list[Doomed]:
        """What would be deleted now, oldest first within each kind."""
        with self._lock:
            return [doomed for _, doomed in self._plan()]

    def turn(self) -> bool:
        """Go on with the sweep that is under way, or begin one; says whether there is more."""
        with self._lock:
            if not self._pending:
                self._pending.extend(self._plan())
            return not self._take(TURN_ITEMS_MAX).is_complete

    def sweep(self, items_max: int) -> Swept:
        """Delete what the rules let go now, up to so many items."""
        with self._lock:
            self._pending = deque(self._plan())
            return self._take(items_max)

    def mark(self) -> None:
        """Set the time of last use of every unfinished job's work folder. One that is gone already
        is no reason to stop: nothing is deleted by not deleting."""
        self._plane.board.catch_up()
        used = {
            job.spec.snapshot
            for job in map(self._plane.board.find_job, self._plane.board.list_job_ids())
            if job is not None
        }
        for digest in used - {None}:
            assert digest is not None
            use_snapshot(self._plane, digest)

    def _plan(self) -> list[tuple[str, Doomed]]:
        self.mark()
        now_ns = self._plane.clock.now_ns()
        found: list[tuple[str, Doomed]] = []
        for site, stock in self._stocks.items():
            found += [(site, doomed) for doomed in self._choose_stored(stock, now_ns)]
        found += [("", doomed) for doomed in self._choose_snapshots()]
        found += [("", doomed) for doomed in self._choose_jobs(now_ns)]
        return found

    def _choose_stored(self, stock: SiteStock, now_ns: int) -> list[Doomed]:
        by_kind: dict[Kind, list[Stored]] = {kind: [] for kind in Kind}
        for one in stock.list_stored():
            by_kind[one.kind].append(one)
        rules = self._retention
        succeeded, others = rules.checkpoints_succeeded, rules.checkpoints
        of_all = by_kind[Kind.CHECKPOINTS]
        doomed = []
        for kind, rule in ((Kind.LOGS, rules.logs), (Kind.RESULTS, rules.results)):
            doomed += choose(by_kind[kind], rule, now_ns, self._unused_since)
        doomed += choose(of_all, succeeded, now_ns, self._unused_since_success)
        gone = {one.stored.name for one in doomed if one.stored.kind is Kind.CHECKPOINTS}
        rest = [one for one in of_all if one.name not in gone]
        doomed += choose(rest, others, now_ns, self._unused_since)
        left = Rule(rules.logs.keep_s)
        return doomed + choose(by_kind[Kind.LEFTOVERS], left, now_ns, self._gone_since)

    def _choose_snapshots(self) -> list[Doomed]:
        keep_s = self._retention.snapshots.keep_s
        if keep_s is None:
            return []
        unused = self._plane.blobs.list_unused(keep_s)
        stored = [Stored(Kind.SNAPSHOTS, one.digest, one.size_bytes, one.used_ns) for one in unused]
        # The blobs have judged by their own clock, the one that they stamp with.
        rule = Rule(keep_s=keep_s)
        return choose(stored, rule, now_ns=2**62, unused_since=lambda one: one.touched_ns)

    def _choose_jobs(self, now_ns: int) -> list[Doomed]:
        rule = self._retention.jobs
        if rule.keep_s is None:
            return []
        board = self._plane.board
        unfinished = map(board.find_job, board.list_job_ids())
        needed = {need for job in unfinished if job is not None for need in job.spec.needs}
        before_ns = now_ns - int(rule.keep_s * NS_PER_S)
        finished = self._plane.store.list_finished(before_ns, limit=JOBS_MAX)
        stored = [
            Stored(Kind.JOBS, job.id, 0, job.ended_at_ns or 0, job.id)
            for job in finished
            if job.id not in needed
        ]
        return choose(stored, rule, now_ns, self._unused_since)

    def _unused_since(self, stored: Stored) -> int | None:
        """When the job ended; what belongs to no job any more is as old as its files."""
        job = self._plane.store.find_job(JobId(stored.job_id))
        if job is None:
            return stored.touched_ns
        return job.ended_at_ns if job.state.is_final else None

    def _unused_since_success(self, stored: Stored) -> int | None:
        job = self._plane.store.find_job(JobId(stored.job_id))
        return job.ended_at_ns if job is not None and job.state == "succeeded" else None

    def _gone_since(self, stored: Stored) -> int | None:
        is_known = self._plane.store.find_job(JobId(stored.job_id)) is not None
        return None if is_known else stored.touched_ns

    def _take(self, items_max: int) -> Swept:
        gone: list[Doomed] = []
        jobs: list[Doomed] = []
        for _ in range(min(items_max, len(self._pending))):
            site, doomed = self._pending.popleft()
            if doomed.stored.kind is Kind.JOBS:
                jobs.append(doomed)
            elif self._drop(site, doomed):
                gone.append(doomed)
        for start in range(0, len(jobs), TURN_ITEMS_MAX):
            gone += self._drop_jobs(jobs[start : start + TURN_ITEMS_MAX])
        return Swept(tuple(gone), not self._pending)

    def _drop(self, site: str, doomed: Doomed) -> bool:
        stored = doomed.stored
        if stored.kind is Kind.SNAPSHOTS:
            keep_s = self._retention.snapshots.keep_s
            return keep_s is not None and self._plane.blobs.drop_unused(stored.name, keep_s)
        deletion = Deletion(self._plane.clock.now_ns(), doomed.rule)

        def is_unused() -> bool:
            if stored.kind is Kind.LEFTOVERS:
                return self._gone_since(stored) is not None
            return self._unused_since(stored) is not None

        return is_unused() and self._stocks[site].drop(stored, deletion, is_unused)

    def _drop_jobs(self, doomed: Sequence[Doomed]) -> list[Doomed]:
        """Into the archive, then out of the store. A job that went on meanwhile stays, and the
        others of its batch wait for the next sweep: at worst they are in the archive twice."""
        store = self._plane.store
        found = [store.find_job(JobId(one.stored.job_id)) for one in doomed]
        jobs = [job for job in found if job is not None and job.state.is_final]
        if not jobs:
            return []
        try:
            self._archive.append([ArchivedJob(job, self._list_records(job)) for job in jobs])
            store.transact(lambda tx: tx.drop_jobs(jobs))
        except (Stale, Unavailable) as error:
            log.info("%d finished jobs stay in the store for now: %s", len(jobs), error)
            return []
        for job in jobs:
            for stock in self._stocks.values():
                stock.drop_job(job.id)
        dropped = {job.id for job in jobs}
        return [one for one in doomed if one.stored.job_id in dropped]

    def _list_records(self, job: Job) -> tuple[JobRecord, ...]:
        records = self._plane.store.list_records(0, limit=EVENTS_MAX, job_id=job.id)
        return tuple(record for record in records if isinstance(record, JobRecord))
