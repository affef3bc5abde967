"""What a run was like for its jobs: how long they waited, and how long until they were done."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import mean
from typing import TYPE_CHECKING

from benchmarks.figures import percentile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.baselines.queueing import Course, Gang
    from quarterdeck.sim.fast.story import Story


@dataclass(frozen=True, slots=True)
class Waits:
    """In seconds: the mean completion, the mean queue (until the first start) and its 99th
    percentile. `cuts` is how many attempts had to make room for others."""

    completion_s: float
    queue_s: float
    queue_p99_s: float
    completions_s: tuple[float, ...]
    cuts: int = 0


def waits_of_course(gangs: Sequence[Gang], course: Course) -> Waits:
    """Of a run by a rule of others."""
    queues = [start - gang.submit_s for start, gang in zip(course.start_s, gangs, strict=True)]
    completions = [end - gang.submit_s for end, gang in zip(course.end_s, gangs, strict=True)]
    return _waits_of(queues, completions)


def waits_of_story(story: Story) -> Waits:
    """Of a run of ours; every job must have run."""
    assert not story.never, story.never[0]
    cuts = sum(len(one.spans) - 1 for one in story.ran)
    completions = [one.end_s - one.job.submit_s for one in story.ran]
    return _waits_of([one.wait_s for one in story.ran], completions, cuts)


def _waits_of(queues: Sequence[float], completions: Sequence[float], cuts: int = 0) -> Waits:
    return Waits(
        mean(completions), mean(queues), percentile(queues, 0.99), tuple(sorted(completions)), cuts
    )
