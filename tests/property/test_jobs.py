"""Whatever is wished for and seen of a job, in any order and however often, it stays whole."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from quarterdeck.basics.errors import Conflict
from quarterdeck.core.cluster.demand import Grant
from quarterdeck.core.jobs import decide
from quarterdeck.core.jobs import events as ev
from quarterdeck.core.jobs.array import parse_array
from quarterdeck.core.jobs.evolve import evolve, replay
from quarterdeck.core.jobs.job import Job, RankExit
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.spec import BACKOFF_S_MAX, JobSpec, Retry
from quarterdeck.core.jobs.states import JobState, ReplicaState
from quarterdeck.core.limits import LIMITS
from quarterdeck.core.scheduling.queue import has_waiting, waiting_of
from quarterdeck.testing.builders import START_NS, a_job_id, a_job_spec

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
    st.none() | st.sampled_from((Reason.SETUP_FAILED, Reason.TIMED_OUT, Reason.OUT_OF_MEMORY)),
)
GONE = st.sampled_from(
    (
        ev.Sighting(0, ReplicaState.LOST),
        ev.Sighting(0, ReplicaState.EXITED),
        ev.Sighting(0, ReplicaState.EXITED, exits=(RankExit(0, 0),)),
        ev.Sighting(0, ReplicaState.EXITED, exits=(RankExit(0, 1),)),
        ev.Sighting(0, ReplicaState.STARTED, reason=Reason.TIMED_OUT),
        ev.Sighting(
            0, ReplicaState.EXITED, exits=(RankExit(0, 0, None, True),), reason=Reason.TIMED_OUT
        ),
    )
)


def ranked(sightings: list[ev.Sighting]) -> list[ev.Sighting]:
    return [replace(sight, node_rank=rank) for rank, sight in enumerate(sightings)]


NEEDS: Final = (a_job_id(7), a_job_id(8))
LIVE: Final = (JobState.STARTING, JobState.RUNNING, JobState.STOPPING)
Verb = Callable[[Job], list[ev.JobEvent]]
VERBS: Final[dict[str, Verb]] = {
    "cancel": lambda job: decide.cancel(job, "ada", START_NS),
    "requeue": lambda job: decide.requeue(job, "ada", START_NS),
    "hold": lambda job: decide.hold(job, "ada", START_NS),
    "release": lambda job: decide.release(job, "ada", START_NS),
    "note": lambda job: decide.note(job, "ada", "look", START_NS),
    "meet": lambda job: decide.meet_need(job, (*job.unmet, NEEDS[0])[0], START_NS),
    "give up": lambda job: (
        decide.give_up(job, Reason.NEEDS_FAILED, "no", START_NS) if job.unmet else []
    ),
}
ENDS: Final = tuple(
    ranked([ev.Sighting(0, ReplicaState.EXITED, exits=(RankExit(0, code),))] * 3) for code in (0, 1)
)
Step = tuple[str, int, list[ev.Sighting]]
PICK: Final = st.integers(0, 9)
STEPS: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("see"), PICK, st.lists(SIGHTINGS, max_size=4)),
    st.tuples(st.just("see"), PICK, st.lists(GONE, min_size=3, max_size=3).map(ranked)),
    st.tuples(st.sampled_from(("place", "place", "place")), PICK, st.just([])),
    st.tuples(st.sampled_from(("hold", "release", "meet")), st.just(0), st.just([])),
    st.tuples(st.just("see"), PICK, st.sampled_from(ENDS)),
    st.tuples(st.sampled_from(sorted(VERBS)), st.just(0), st.just([])),
)
RETRIED: Final = (
    Reason.NODE_FAILURE,
    Reason.USER_ERROR,
    Reason.SETUP_FAILED,
    Reason.TIMED_OUT,
)
SPECS = st.builds(
    lambda limit, on, backoff_s, needs, array: a_job_spec(
        retry=Retry(limit, on, backoff_s),
        needs=NEEDS[:needs],
        array=None if array is None else parse_array(array),
        time_limit_s=60.0,
    ),
    st.integers(0, 2),
    st.sampled_from(
        (RETRIED, RETRIED, (), *((reason,) for reason in RETRIED)),
    ),
    st.sampled_from((0.0, 5.0)),
    st.sampled_from((0, 0, 0, 2)),
    st.sampled_from((None, None, "0-3", "0-1", "2-8:3%2", "5")),
)


def decided(job: Job, step: Step, width: int) -> list[ev.JobEvent]:
    """`see` is of an attempt that lives, or perhaps of another; `place` is of what is ready."""
    verb, pick, sightings = step
    if verb == "see":
        live = [one.number for one in job.live_attempts]
        number = live[pick % len(live)] if live and pick < 8 else job.next_number - pick
        return decide.observe(job, number, sightings, START_NS)
    if verb == "place":
        ready = waiting_of(job).ready(START_NS + 10**12) if has_waiting(job) else ()
        if not ready:
            return []
        grants = tuple(Grant(f"n{rank}") for rank in range(width))
        return [decide.place(job, "local", grants, START_NS, ready[pick % len(ready)])]
    with suppress(Conflict):
        return VERBS[verb](job)
    return []


@settings(max_examples=400)
@given(
    SPECS,
    st.sampled_from((False, False, True)),
    st.integers(1, 3),
    st.lists(STEPS, min_size=12, max_size=40),
)
def test_no_history_breaks_a_job(
    spec: JobSpec, is_held: bool, width: int, steps: list[Step]
) -> None:
    history: list[ev.JobEvent] = [ev.Submitted(START_NS, "ada", spec, is_held)]
    job = evolve(None, a_job_id(1), history[0])
    placed: Step = ("place", 0, [])
    for step in (placed, *steps):
        events = decided(job, step, width)
        before = job
        for event in events:
            job = evolve(job, job.id, event)
        history += events
        check_whole(job)
        check_closing(before, job, events)
        if step[0] in ("cancel", "hold", "release", "note"):
            assert decided(job, step, width) == [], "twice is once"
        if step[0] == "see":
            number = next((one.attempt for one in events if isinstance(one, ev.Seen)), 0)
            assert decide.observe(job, number, step[2], START_NS) == [], "twice is once"
    assert replay(job.id, history) == job
    assert job.revision == len(history)


def check_whole(job: Job) -> None:
    numbers = [one.number for one in job.attempts]
    assert numbers == sorted(set(numbers))
    has_live = bool(job.live_attempts)
    assert has_live == (job.state in LIVE)
    for one in job.attempts:
        if one.holds_devices and any(r.state is ReplicaState.LOST for r in one.replicas):
            assert one.stop is not None
        if not one.holds_devices:
            assert all(replica.state.is_gone for replica in one.replicas)
    assert (job.ended_at_ns is not None) == job.state.is_final
    if job.unmet:
        assert job.attempts == ()
    if job.tasks is None:
        check_without_tasks(job)
    else:
        check_tasks(job)


def check_without_tasks(job: Job) -> None:
    assert [one.number for one in job.attempts] == list(range(1, len(job.attempts) + 1))
    assert all(not one.holds_devices for one in job.attempts[:-1])
    assert job.retries <= job.spec.retry.limit
    assert job.wait is None or job.state in (JobState.QUEUED, JobState.HELD) or job.state.is_final
    if job.wait is not None:
        assert 0 < job.wait.until_ns - job.wait.since_ns <= BACKOFF_S_MAX * 10**9
    if job.state is JobState.SUCCEEDED:
        last = job.attempts[-1]
        assert all(replica.exits for replica in last.replicas)
        assert (last.started_at_ns is not None, job.exit_code) == (True, 0)


def check_tasks(job: Job) -> None:
    tasks, array = job.tasks, job.spec.array
    assert tasks is not None
    assert array is not None
    count = len(array.indices)
    assert len(tasks.states) == len(tasks.attempts) == len(tasks.sites) == count
    assert job.state is tasks.state_of_all()
    assert sorted(one.task for one in job.live_attempts if one.task is not None) == sorted(
        array.indices[place] for place in tasks.positions(*LIVE)
    )
    assert tasks.live() == len(job.live_attempts) <= (array.parallel or count)
    for one in job.live_attempts:
        assert one.task is not None
        assert tasks.attempts[job.position(one.task)] == one.number
    assert len(job.attempts) - len(job.live_attempts) <= LIMITS.array_ends_kept_max
    assert tasks.made >= max(tasks.attempts)
    for place in range(count):
        assert tasks.retries_of(place) <= job.spec.retry.limit
        if tasks.state(place) in LIVE:
            assert tasks.wait_of(place) is None
    assert not (tasks.count(JobState.QUEUED) and tasks.count(JobState.HELD))


def check_closing(before: Job, after: Job, events: list[ev.JobEvent]) -> None:
    """Whoever reads only the events knows when the whole is over, and how."""
    told = None
    for event in events:
        if isinstance(event, ev.Ended):
            told = event.closes if event.task is not None else event.next_state
        elif isinstance(event, ev.Cancelled):
            told = event.next_state
    if after.state.is_final and not before.state.is_final:
        assert told is after.state
    elif told is not None and told.is_final:
        assert after.state is told
