"""A desk where everything has its second."""

from __future__ import annotations

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.jobs.job import Job
from quarterdeck.core.jobs.spec import JobSpec
from quarterdeck.sim.replay.workload import Told, tell_workload
from quarterdeck.testing.builders import START_NS, a_demand, a_dgx, a_job_spec
from tests.spec.control.desk import Desk, a_desk

BIG = a_job_spec(demand=a_demand(1, 8))
SMALL = a_job_spec(demand=a_demand(1, 1))


class Clocked:
    """A desk where everything has its second; `at` moves the clock there."""

    def __init__(self, *nodes: str) -> None:
        self.desk: Desk = a_desk(*(a_dgx(name) for name in nodes or ("a",)))

    def at(self, second: float) -> None:
        self.desk.clock.at_ns = START_NS + int(second * NS_PER_S)

    def submit(self, second: float, spec: JobSpec = BIG) -> Job:
        self.at(second - 1)  # the desk submits a second later
        return self.desk.submit(spec)

    def place(self, second: float) -> None:
        self.at(second)
        self.desk.scheduler.turn()

    def end(self, second: float, job: Job, code: int = 0) -> None:
        self.desk.start(job)
        self.at(second)
        self.desk.end(job, code)

    def tell(self, begin: float = 0, end: float = 1000) -> Told:
        span_ns = (START_NS + int(begin * NS_PER_S), START_NS + int(end * NS_PER_S))
        return tell_workload(self.desk.store, span_ns)
