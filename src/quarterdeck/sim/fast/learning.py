"""What a fast run learns of run times from the jobs that have ended in it before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.core.scheduling.runtimes import Likeness, RunTimes, general_name, shape_of

if TYPE_CHECKING:
    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.scheduling.runtimes import RunTime
    from quarterdeck.sim.fast.attempts import JobRun
    from quarterdeck.sim.fast.workload import SimJob


def likeness_of(job: SimJob) -> Likeness:
    """What a job of a workload is known by."""
    return Likeness(job.user, general_name(job.name), shape_of(job.demand), job.team)


class Learning:
    """Run times of one run. What is expected of a job is settled when it comes."""

    def __init__(self) -> None:
        self._times = RunTimes()
        self._expected: dict[JobId, RunTime | None] = {}

    def expect(self, job_id: JobId, job: SimJob) -> RunTime | None:
        """How long the job should run, from what had ended when it was first asked for; None if
        that was nothing."""
        if job_id not in self._expected:
            self._expected[job_id] = self._times.find(likeness_of(job))
        return self._expected[job_id]

    def expected_s(self, job_id: JobId, job: SimJob) -> float | None:
        """The same in seconds; what the workload itself says of a job goes before it."""
        if job.estimate_s is not None:
            return job.estimate_s
        known = self.expect(job_id, job)
        return None if known is None else known.median_s

    def ended(self, job_id: JobId, one: JobRun) -> None:
        """A job is done: all the time that its attempts took counts."""
        self._expected.pop(job_id, None)
        self._times.add(likeness_of(one.job), one.busy_s)
