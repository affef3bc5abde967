"""What a job's attempts did at the virtual site: how much of it is done, and the spans of a story.

Times are seconds of the workload, whose second 0 is `zero_ns` of the timeline.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.sim.fast.progress import Progress
from quarterdeck.sim.fast.story import Cut, Ran, Span
from quarterdeck.sim.timeline import EPOCH_NS

if TYPE_CHECKING:
    from quarterdeck.sim.fast.workload import SimJob
    from quarterdeck.sim.replicas import VirtualAttempt


@dataclass(slots=True)
class JobAttempts:
    """A job with its attempts so far; `cuts` are when and why the world cut one short, by its
    number."""

    job: SimJob
    zero_ns: int
    attempts: list[VirtualAttempt] = field(default_factory=list)
    cuts: dict[int, tuple[float, Cut]] = field(default_factory=dict)

    def left_s(self) -> float:
        """How long the next attempt runs, if it is let: without what is in checkpoints."""
        return self.job.duration_s - self._progress().done_s

    def ran(self) -> Ran:
        """The job as it is told in a story."""
        spans = tuple(span for one in self.attempts if (span := self._span(one)) is not None)
        return Ran(self.job, spans, self._progress().lost_s)

    def _progress(self) -> Progress:
        progress = Progress(self.job.checkpoint_s)
        for one in self.attempts:
            span = self._span(one)
            if span is None or span.cut is Cut.DONE:
                continue
            ran_s = self.cuts[one.ref.attempt][0] - span.start_s
            progress.cut(max(0.0, min(ran_s, self.job.duration_s - progress.done_s)))
        return progress

    def _span(self, one: VirtualAttempt) -> Span | None:
        """From its first command's start to its last one's end; None when no command started."""
        starts = [at for replica in one.replicas if (at := replica.started_at_ns) is not None]
        ends = [at for replica in one.replicas if (at := replica.ended_at_ns) is not None]
        if not starts:
            return None
        cut_at_s, cut = self.cuts.get(one.ref.attempt, (0.0, Cut.DONE))
        end_s = max([self._time_s(at) for at in ends], default=0.0)
        return Span(self._time_s(min(starts)), max(end_s, cut_at_s), tuple(one.order.grants), cut)

    def _time_s(self, clock_ns: int) -> float:
        return (clock_ns - EPOCH_NS - self.zero_ns) / NS_PER_S
