"""Whatever is wished for and seen of a job, in any order and however often, it stays whole."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from quarterdeck.basics.errors import Conflict
from quarterdeck.core.cluster.demand import Grant
from quarterdeck.core.jobs import decide
from quarterdeck.core.jobs import events as ev
from quarterdeck.core.jobs.evolve import evolve, replay
from quarterdeck.core.jobs.job import Job, RankExit
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.spec import JobSpec, Retry
from quarterdeck.core.jobs.states import JobState, ReplicaState
from quarterdeck.testing.builders import START_NS, a_job, a_job_spec, a_submitted

TIMES = st.none() | st.just(START_NS)
SIGHTINGS = st.builds(
    ev.Sighting,
    st.integers(-1, 3),
    st.sampled_from(ReplicaState),
    TIMES,
    TIMES,
    st.lists(
        st.builds(
            RankExit,
            st.integers(0, 2),
            st.none() | st.integers(0, 2),
            st.none() | st.just(15),
            st.booleans(),
        ),
        max_size=2,
    ).map(tuple),
    st.none() | st.just(Reason.SETUP_FAILED),
)
GONE = st.sampled_from(
    (
        ev.Sighting(0, ReplicaState.LOST),
        ev.Sighting(0, ReplicaState.EXITED),
        ev.Sighting(0, ReplicaState.EXITED, exits=(RankExit(0, 0),)),
        ev.Sighting(0, ReplicaState.EXITED, exits=(RankExit(0, 1),)),
    )
)


def ranked(sightings: list[ev.Sighting]) -> list[ev.Sighting]:
    return [replace(sight, node_rank=rank) for rank, sight in enumerate(sightings)]


Step = tuple[str, int, list[ev.Sighting]]
STEPS: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("see"), st.sampled_from((0, 0, 0, 1, 2)), st.lists(SIGHTINGS, max_size=4)),
    st.tuples(st.just("see"), st.just(0), st.lists(GONE, min_size=3, max_size=3).map(ranked)),
    st.tuples(st.sampled_from(("place", "place", "cancel", "requeue")), st.just(0), st.just([])),
)
SPECS = st.builds(
    lambda limit, on: a_job_spec(retry=Retry(limit, tuple(on))),
    st.integers(0, 2),
    st.sets(st.sampled_from((Reason.NODE_FAILURE, Reason.USER_ERROR, Reason.SETUP_FAILED))),
)


def decided(job: Job, step: Step, width: int) -> list[ev.JobEvent]:
    """`see` is of an attempt so many before the latest."""
    verb, before, sightings = step
    if verb == "see":
        return decide.observe(job, len(job.attempts) - before, sightings, START_NS)
    if verb == "place":
        if job.state is not JobState.QUEUED:
            return []
        grants = tuple(Grant(f"n{rank}") for rank in range(width))
        return [decide.place(job, "local", grants, START_NS)]
    with suppress(Conflict):
        return (decide.cancel if verb == "cancel" else decide.requeue)(job, "ada", START_NS)
    return []


@settings(max_examples=250)
@given(SPECS, st.integers(1, 3), st.lists(STEPS, min_size=4, max_size=25))
def test_no_history_breaks_a_job(spec: JobSpec, width: int, steps: list[Step]) -> None:
    job = a_job(1, spec=spec)
    history: list[ev.JobEvent] = [a_submitted(spec)]
    placed: Step = ("place", 0, [])
    for step in (placed, *steps):
        events = decided(job, step, width)
        for event in events:
            job = evolve(job, job.id, event)
        history += events
        check_whole(job)
        if step[0] == "see":
            assert decided(job, step, width) == [], "twice is once"
    assert replay(job.id, history) == job
    assert job.revision == len(history)


def check_whole(job: Job) -> None:
    assert [one.number for one in job.attempts] == list(range(1, len(job.attempts) + 1))
    assert all(not one.holds_devices for one in job.attempts[:-1])
    has_live = bool(job.live_attempts)
    assert has_live == (job.state in (JobState.STARTING, JobState.RUNNING, JobState.STOPPING))
    assert job.retries <= job.spec.retry.limit
    if job.live_attempts and any(
        one.state is ReplicaState.LOST for one in job.attempts[-1].replicas
    ):
        assert job.live_attempts[0].stop is not None
    if job.attempts and not has_live:
        assert all(replica.state.is_gone for replica in job.attempts[-1].replicas)
    if job.state is JobState.SUCCEEDED:
        last = job.attempts[-1]
        assert all(replica.exits for replica in last.replicas)
        assert (last.started_at_ns is not None, job.exit_code) == (True, 0)
