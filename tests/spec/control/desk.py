"""A control plane where a test sets the time, reports for the site, and may come between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from quarterdeck.adapters.blobs.memory import MemoryBlobs
from quarterdeck.adapters.stores.memory import MemoryStore
from quarterdeck.basics.ids import JobId
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.control.board import Board
from quarterdeck.control.dispatch import dispatch
from quarterdeck.control.plane import ControlPlane
from quarterdeck.control.reconcile import reconcile
from quarterdeck.control.schedule import Scheduler
from quarterdeck.control.submit import submit
from quarterdeck.core.cluster.hardware import Node
from quarterdeck.core.jobs.events import Sighting
from quarterdeck.core.jobs.job import Job, RankExit
from quarterdeck.core.jobs.spec import JobSpec
from quarterdeck.core.jobs.states import ReplicaState
from quarterdeck.ports.engine import AttemptRef, Observation
from quarterdeck.ports.site import Desired, Report
from quarterdeck.ports.store import Transaction
from quarterdeck.testing.builders import SITE, START_NS, a_dgx, a_job_id, a_job_spec

T = TypeVar("T")


class HandClock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.at_ns = START_NS

    def now_ns(self) -> int:
        return self.at_ns

    def pass_s(self, span_s: float) -> None:
        self.at_ns += int(span_s * NS_PER_S)


class CountedIds:
    """Ids in a row; `given` may be set back, so that one comes twice."""

    def __init__(self) -> None:
        self.given = 0

    def new_job_id(self) -> JobId:
        self.given += 1
        return a_job_id(self.given)


class MeddledStore(MemoryStore):
    """A store where somebody else may come first: `first` is done once, before the next work."""

    def __init__(self) -> None:
        super().__init__()
        self.first: Callable[[], object] | None = None

    def transact(self, work: Callable[[Transaction], T]) -> T:
        first, self.first = self.first, None
        if first is not None:
            first()
        return super().transact(work)


@dataclass
class Desk:
    """A plane on a store in memory, with the verbs that most tests need before their own."""

    store: MeddledStore = field(default_factory=MeddledStore)
    clock: HandClock = field(default_factory=HandClock)
    ids: CountedIds = field(default_factory=CountedIds)
    blobs: MemoryBlobs = field(default_factory=MemoryBlobs)

    def __post_init__(self) -> None:
        self.rings = 0
        self.plane = ControlPlane(self.store, self.clock, self.ids, self.blobs, Board(self.store))
        self.plane.changed.subscribe(self._count)
        self.scheduler = Scheduler(self.plane)

    def _count(self) -> None:
        self.rings += 1

    def submit(self, spec: JobSpec | None = None) -> Job:
        self.clock.pass_s(1)
        return submit(self.plane, spec or a_job_spec(), "ada").job

    def report(self, *nodes: Node, site: str = SITE) -> int:
        return reconcile(self.plane, Report(site, 0, nodes=nodes))

    def see(self, job: Job, *sightings: Sighting, attempt: int | None = None) -> Job:
        """The site reports these of the job's latest attempt; the job after that."""
        number = len(self.job(job.id).attempts) if attempt is None else attempt
        seen = Observation(AttemptRef(job.id, number), sightings)
        reconcile(self.plane, Report(SITE, 0, (seen,)))
        return self.job(job.id)

    def start(self, job: Job) -> Job:
        return self.see(job, *(started(rank) for rank in range(job.spec.demand.nodes)))

    def end(self, job: Job, code: int = 0) -> Job:
        return self.see(job, *(exited(rank, code) for rank in range(job.spec.demand.nodes)))

    def run(self, spec: JobSpec | None = None, code: int = 0) -> Job:
        """Submit a job that fits, and take it to its end."""
        job = self.submit(spec)
        assert self.scheduler.turn() == 1
        self.start(job)
        return self.end(job, code)

    def job(self, job_id: JobId) -> Job:
        job = self.store.find_job(job_id)
        assert job is not None
        return job

    def desired(self, since: int = 0, site: str = SITE) -> Desired:
        return dispatch(self.plane, site, since)


def started(rank: int = 0) -> Sighting:
    return Sighting(rank, ReplicaState.STARTED, started_at_ns=START_NS)


def exited(rank: int = 0, code: int = 0) -> Sighting:
    return Sighting(rank, ReplicaState.EXITED, START_NS, START_NS, (RankExit(rank, code),))


def lost(rank: int = 0) -> Sighting:
    return Sighting(rank, ReplicaState.LOST)


def a_desk(*nodes: Node) -> Desk:
    """A desk whose site has reported these nodes, or one of eight GPUs."""
    desk = Desk()
    desk.report(*(nodes or (a_dgx(),)))
    return desk
