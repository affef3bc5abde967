"""Reads the event log as it grows, keeps its own books, and compares.

It shares `evolve` with the house, since that is what the log means, but not the board: who holds
what is reckoned here again from the events alone, and compared with what really lives at the site.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from quarterdeck.core.cluster.events import evolve_site
from quarterdeck.core.jobs.events import Ended, Placed, Submitted
from quarterdeck.core.jobs.evolve import evolve
from quarterdeck.core.jobs.states import AttemptState
from quarterdeck.ports.engine import AttemptRef
from quarterdeck.ports.store import JobRecord, SiteRecord
from quarterdeck.sim.checks import Check
from quarterdeck.sim.gates import GateBooks

if TYPE_CHECKING:
    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.cluster.demand import Grant
    from quarterdeck.core.cluster.hardware import Node, Site
    from quarterdeck.core.jobs.job import Attempt, Job
    from quarterdeck.ports.store import Store
    from quarterdeck.sim.checks import Checks
    from quarterdeck.sim.site import VirtualSite

PAGE = 2000


class Auditor:
    """The second pair of eyes. `store` is the one that never fails."""

    def __init__(self, store: Store, site: VirtualSite, checks: Checks) -> None:
        self._store = store
        self._site = site
        self._checks = checks
        self._cursor = 0
        self._nodes: dict[str, Node] = {}
        self._known: Site | None = None
        self._holders: dict[str, AttemptRef] = {}
        self._grants: dict[str, dict[AttemptRef, Grant]] = {}
        self._placed: Counter[JobId] = Counter()
        self.ended: dict[AttemptRef, Attempt] = {}
        self.by_name: dict[str, JobId] = {}
        self.jobs: dict[JobId, Job] = {}
        self.gates = GateBooks(self.jobs, checks)
        self.kinds: Counter[str] = Counter()

    def has_ended(self, ref: AttemptRef) -> bool:
        """Whether the log says that the attempt is over, also in events not yet read here."""
        self.catch_up()
        return ref in self.ended

    def catch_up(self) -> None:
        """Read what has been written since."""
        while records := self._store.list_records(self._cursor, limit=PAGE):
            for record in records:
                self._cursor = record.seq
                self.kinds[type(record.event).__name__] += 1
                if isinstance(record, SiteRecord):
                    self._known = evolve_site(self._known, record.event)
                    self._nodes = {node.name: node for node in self._known.nodes}
                else:
                    self._take(record)

    def compare_all(self) -> None:
        """Every stored job is what its log says, and what is held is what the books say."""
        self.catch_up()
        for job in self.jobs.values():
            self._checks.hold(
                Check.REPLAY,
                self._store.find_job(job.id) == job,
                lambda job=job: f"stored {self._store.find_job(job.id)}, replayed {job}",  # type: ignore[misc]
                job.id,
            )
        holders: dict[str, AttemptRef] = {}
        for job in self._store.load_active().jobs:
            for live in job.live_attempts:
                ref = AttemptRef(job.id, live.number)
                for device in (one for replica in live.replicas for one in replica.grant.devices):
                    self._checks.hold(
                        Check.HELD_ONCE,
                        holders.setdefault(device, ref) == ref,
                        lambda d=device, r=ref: f"{d} is held by {holders[d]} and {r}",  # type: ignore[misc]
                        job.id,
                    )
        same = holders == self._holders
        self._checks.hold(Check.REPLAY, same, lambda: f"{holders} is not {self._holders}")

    def _take(self, record: JobRecord) -> None:
        event = record.event
        before = self.jobs.get(record.job_id)
        self.jobs[record.job_id] = evolve(before, record.job_id, event)
        self.gates.take(record.job_id, event)
        if isinstance(event, Submitted):
            first = self.by_name.setdefault(event.spec.name, record.job_id)
            self._checks.hold(
                Check.ONE_PER_KEY,
                first == record.job_id,
                lambda: f"{event.spec.name} became {first} and {record.job_id}",
                record.job_id,
            )
        elif isinstance(event, Placed):
            self._take_placed(record.job_id, event)
        elif isinstance(event, Ended):
            live = before.find_live(event.attempt) if before is not None else None
            assert live is not None
            self._take_ended(record.job_id, live, event)

    def _take_placed(self, job_id: JobId, event: Placed) -> None:
        ref = AttemptRef(job_id, event.attempt)
        demand = self.jobs[job_id].spec.demand
        wanted = demand.resources
        self._placed[job_id] += 1
        self._checks.hold(
            Check.ATTEMPTS_COUNT,
            event.attempt == self._placed[job_id],
            lambda: f"attempt {event.attempt} is number {self._placed[job_id]} of {job_id}",
            job_id,
        )
        whole = len({grant.node for grant in event.grants}) == len(event.grants) == demand.nodes
        exact = all(
            (len(set(grant.devices)), grant.cpus, grant.memory_bytes)
            == (wanted.gpus, wanted.cpus, wanted.memory_bytes)
            for grant in event.grants
        )
        self._checks.hold(
            Check.GANG_WHOLE, whole and exact, lambda: f"{demand} got {event.grants}", job_id
        )
        for grant in event.grants:
            self._hold(ref, grant)

    def _hold(self, ref: AttemptRef, grant: Grant) -> None:
        node = self._nodes[grant.node]
        assert self._known is not None
        shut = {cordon.device for cordon in self._known.cordons_of(grant.node)}
        self._checks.hold(
            Check.CORDONED,
            None not in shut and shut.isdisjoint(grant.devices),
            lambda: f"{grant} was placed, and {shut} of {grant.node} is cordoned",
            ref.job_id,
        )
        here = {device.id for device in node.devices}
        for device in grant.devices:
            holder = self._holders.get(device)
            self._checks.hold(
                Check.HELD_ONCE,
                holder is None and device in here,
                lambda d=device, h=holder: f"{d} is granted to {ref} and held by {h}",  # type: ignore[misc]
                ref.job_id,
            )
            self._holders[device] = ref
        grants = self._grants.setdefault(grant.node, {})
        grants[ref] = grant
        cpus = sum(one.cpus for one in grants.values())
        memory_bytes = sum(one.memory_bytes for one in grants.values())
        self._checks.hold(
            Check.CAPACITY,
            cpus <= node.cpus and memory_bytes <= node.memory_bytes,
            lambda: f"{node.name}: {cpus} CPUs and {memory_bytes} bytes granted with {ref}",
            ref.job_id,
        )

    def _take_ended(self, job_id: JobId, live: Attempt, event: Ended) -> None:
        ref = AttemptRef(job_id, live.number)
        attempt = self._site.find_attempt(ref)
        self._checks.hold(
            Check.RELEASED_LATE,
            attempt is None or not attempt.lives,
            lambda: f"{ref.job_id}/{ref.attempt} has ended in the log, and lives",
            ref.job_id,
        )
        self.ended[ref] = replace(
            live,
            state=AttemptState.ENDED,
            reason=event.reason,
            message=event.message,
            exit_code=event.exit_code,
        )
        for device in [device for device, holder in self._holders.items() if holder == ref]:
            del self._holders[device]
        for grants in self._grants.values():
            grants.pop(ref, None)
