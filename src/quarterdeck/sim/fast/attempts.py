"""A job on its way through a fast run: its attempts so far, and the one that runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from quarterdeck.sim.fast.progress import Progress
from quarterdeck.sim.fast.story import Cut, Ran, Span

if TYPE_CHECKING:
    from quarterdeck.core.cluster.demand import Grant
    from quarterdeck.sim.fast.workload import SimJob


@dataclass(slots=True)
class JobRun:
    """`busy_s` is how long earlier attempts ran; `began_s`, `grants` and `overhead_s` are of the
    one that runs now, and while none does there are no grants. It `is_owed` where its team's
    guarantee covered it when it started."""

    job: SimJob
    progress: Progress
    began_s: float = 0.0
    grants: tuple[Grant, ...] = ()
    overhead_s: float = 0.0
    busy_s: float = 0.0
    spans: list[Span] = field(default_factory=list)
    is_owed: bool = False

    @classmethod
    def of(cls, job: SimJob) -> JobRun:
        """One that has not run yet."""
        return cls(job, Progress(job.checkpoint_s))

    @property
    def end_s(self) -> float:
        """When the attempt that runs now ends, if nothing cuts it short."""
        left_s = self.overhead_s + self.job.duration_s - self.progress.done_s
        return self.began_s + (
            left_s if self.job.limit_s is None else min(left_s, self.job.limit_s)
        )

    def served_gpu_s(self, now_s: float) -> float:
        """GPU time that all its attempts had until now."""
        return self.job.gpus * (self.busy_s + (now_s - self.began_s if self.grants else 0.0))

    def start(self, now_s: float, grants: tuple[Grant, ...], restart_s: float) -> None:
        """Another attempt; after the first it spends so much on starting again."""
        self.began_s, self.grants = now_s, grants
        self.overhead_s = restart_s if self.spans else 0.0
        self.progress.lost_s += self.overhead_s

    def stop(self, now_s: float, cut: Cut) -> tuple[Grant, ...]:
        """The attempt has ended; says what it held."""
        ran_s, held = now_s - self.began_s, self.grants
        self.spans.append(Span(self.began_s, now_s, held, cut))
        self.busy_s += ran_s
        self.grants = ()
        if cut is not Cut.DONE:
            self.progress.cut(max(0.0, ran_s - self.overhead_s))
        return held

    def ran(self) -> Ran:
        """The job as it is told in a story."""
        return Ran(self.job, tuple(self.spans), self.progress.lost_s)
