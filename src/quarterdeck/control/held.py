"""Which nodes an attempt holds for whom, and until when at the latest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.scheduling.booked import Held
from quarterdeck.core.scheduling.forecast import Hold
from quarterdeck.core.scheduling.queue import keeps_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from quarterdeck.core.jobs.job import Job
    from quarterdeck.core.scheduling.snapshot import Waiting
    from quarterdeck.ports.engine import AttemptRef


def held_of(job: Job, number: int, now_ns: int) -> Iterator[Held]:
    """Of each of its nodes once. One that has not started yet is taken to start now, and one that
    is being stopped to have all the time still that it was given for that."""
    attempt = job.find_live(number)
    assert attempt is not None, (number, job.story)
    spec, ends_at_ns = job.spec, None
    if spec.time_limit_s is not None:
        started_at_ns = now_ns if attempt.started_at_ns is None else attempt.started_at_ns
        most_s = spec.time_limit_s + spec.stopping.grace_s
        ends_at_ns = started_at_ns + int(most_s * NS_PER_S)
    if attempt.stop is not None:
        over_ns = now_ns + int(attempt.stop.grace_s * NS_PER_S)
        ends_at_ns = over_ns if ends_at_ns is None else min(ends_at_ns, over_ns)
    keeps = keeps_of(job, attempt)
    for node in dict.fromkeys(replica.grant.node for replica in attempt.replicas):
        until_ns = _again_until_ns(job, now_ns) if node in keeps else ends_at_ns
        yield Held(attempt.site, node, spec.team, job.actor, attempt.placed_at_ns, until_ns)


def held_by_kept(queue: Iterable[Waiting], now_ns: int) -> Iterator[Held]:
    """What is kept for those that gave up some of their nodes and start again now."""
    for one in queue:
        if one.kept is not None:
            ends_at_ns = None if one.runs_s is None else now_ns + int(one.runs_s * NS_PER_S)
            for node in dict.fromkeys(grant.node for grant in one.kept.grants):
                yield Held(one.kept.site, node, one.team, one.owner, now_ns, ends_at_ns)


def _again_until_ns(job: Job, now_ns: int) -> int | None:
    """When the next attempt of a job is over, if the present one takes all its time to stop."""
    if job.spec.time_limit_s is None:
        return None
    return now_ns + int((job.spec.time_limit_s + 2 * job.spec.stopping.grace_s) * NS_PER_S)


def hold_of(job: Job, ref: AttemptRef) -> Hold:
    """What an attempt holds, and when its time limit ends it: the grace after it included."""
    attempt = job.find_live(ref.attempt)
    assert attempt is not None, (ref, job.story)
    limit_s, ends_at_ns = job.spec.time_limit_s, None
    if limit_s is not None and attempt.started_at_ns is not None:
        most_s = limit_s + job.spec.stopping.grace_s
        ends_at_ns = attempt.started_at_ns + int(most_s * NS_PER_S)
    grants = tuple(replica.grant for replica in attempt.replicas)
    return Hold(job.id, attempt.site, grants, ends_at_ns)
