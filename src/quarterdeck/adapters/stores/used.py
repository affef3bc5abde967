"""What attempts have used, as stores count it: GPU milliseconds by team, owner and day."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from quarterdeck.core.jobs.events import Ended
from quarterdeck.core.jobs.evolve import evolve
from quarterdeck.core.ledger.usage import DAYS_MAX, Used, used_by

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.jobs.events import JobEvent
    from quarterdeck.core.jobs.job import Job

Place = tuple[str, str, int]


def count_used(job: Job | None, job_id: JobId, events: Sequence[JobEvent]) -> Counter[Place]:
    """What those of a job's attempts have used that end by these events."""
    used: Counter[Place] = Counter()
    if not any(isinstance(event, Ended) for event in events):
        return used
    for event in events:
        if isinstance(event, Ended) and job is not None:
            attempt = job.find_live(event.attempt)
            assert attempt is not None, (event, job.story)
            for one in used_by(job, attempt, event.at_ns):
                used[one.team, one.owner, one.day] += one.gpu_ms
        job = evolve(job, job_id, event)
    return used


def latest(used: Mapping[Place, int]) -> tuple[Used, ...]:
    """The last days on which any was used, in order."""
    oldest = max((day for _, _, day in used), default=0) - DAYS_MAX
    rows = (Used(*place, gpu_ms) for place, gpu_ms in sorted(used.items()) if place[2] > oldest)
    return tuple(rows)
