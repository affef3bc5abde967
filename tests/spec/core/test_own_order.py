"""Which jobs may change places in the queue, and what is said of those that may not."""

from __future__ import annotations

from typing import Any

import pytest

from quarterdeck.basics.errors import Conflict, Invalid
from quarterdeck.basics.ids import JobId
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.cluster.room import Room
from quarterdeck.core.jobs import events as ev
from quarterdeck.core.jobs.array import parse_array
from quarterdeck.core.jobs.evolve import evolve, replay
from quarterdeck.core.jobs.job import Job
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.spec import Priority, Retry
from quarterdeck.core.jobs.states import IllegalStep, JobState
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.own_order import reorder
from quarterdeck.core.scheduling.queue import waiting_of
from quarterdeck.core.scheduling.snapshot import Order, Policy, Snapshot
from quarterdeck.testing.builders import (
    START_NS,
    a_demand,
    a_dgx,
    a_job_id,
    a_job_spec,
    a_placed,
    a_run,
    a_submitted,
)

NOW_NS = START_NS + 3600 * NS_PER_S
FIRST_COME = Policy()
ARRAY = parse_array("0-3%1")


def a_job(number: int, *events: ev.JobEvent, owner: str = "ada", **spec: Any) -> Job:
    came = a_submitted(a_job_spec(**spec), actor=owner, at_ns=START_NS + number * NS_PER_S)
    job = replay(a_job_id(number), [came, *events])
    assert job is not None
    return job


def seen(jobs: list[Job]) -> Snapshot:
    rooms = (Room.empty("local", a_dgx()),)
    return Snapshot(NOW_NS, 1, rooms, tuple(waiting_of(job) for job in jobs if job.is_queued))


def events_of(jobs: list[Job]) -> dict[JobId, ev.Reordered]:
    return reorder(jobs, seen(jobs), FIRST_COME, "ada")


def after(jobs: list[Job], policy: Policy = FIRST_COME, *, is_reset: bool = False) -> list[Job]:
    """The same jobs, ordered so."""
    events = reorder(jobs, seen(jobs), policy, "ada", is_reset=is_reset)
    return [evolve(job, job.id, events[job.id]) if job.id in events else job for job in jobs]


def first_to_start(*jobs: Job, policy: Policy = FIRST_COME) -> str:
    """Of jobs that each need the one node that there is."""
    plan = make_plan(seen([*jobs]), policy)
    (placement,) = plan.placements
    return placement.job_id


def test_the_first_one_named_starts_first() -> None:
    one, two, three = (a_job(number, demand=a_demand(1, 8)) for number in (1, 2, 3))
    assert first_to_start(one, two, three) == one.id
    assert first_to_start(*after([three, one, two])) == three.id


@pytest.mark.parametrize("order", sorted({*Order} - {Order.LEAST_SERVED}))
def test_it_does_so_under_every_order_that_a_server_follows(order: Order) -> None:
    policy = Policy(order=order)
    one, two = a_job(1, demand=a_demand(1, 1)), a_job(2, demand=a_demand(1, 8))
    stranger = a_job(3, owner="bob", team="other", demand=a_demand(1, 8))
    assert first_to_start(one, two, stranger, policy=policy) != two.id
    assert first_to_start(*after([two, one], policy), stranger, policy=policy) == two.id


def test_what_is_in_its_place_already_has_no_event() -> None:
    one, two, three = (a_job(number) for number in (1, 2, 3))
    assert events_of([one, two, three]) == {}
    assert list(events_of([two, one, three])) == [two.id, one.id]


def test_an_order_said_twice_is_said_once() -> None:
    jobs = after([a_job(3), a_job(1), a_job(2)])
    assert events_of(jobs) == {}


def test_a_reset_gives_everybody_their_own_place_back() -> None:
    jobs = after([a_job(3), a_job(1), a_job(2)])
    assert all(job.queue_place is not None for job in jobs)
    back = after(jobs, is_reset=True)
    assert [job.queue_place for job in back] == [None] * 3


def test_of_a_place_that_was_used_a_reset_makes_no_new_one() -> None:
    three, one, two = after([a_job(3), a_job(1), a_job(2)])
    assert [job.id for job in (one, two)] == [a_job_id(1), a_job_id(2)]
    first, second = after([two, one], is_reset=True)
    assert {job.id: waiting_of(job).place.job_id for job in (first, second)} == {
        a_job_id(1): a_job_id(2),
        a_job_id(2): a_job_id(3),
    }
    assert waiting_of(three).place.job_id == a_job_id(1)


def test_what_comes_later_comes_after_those_that_were_ordered() -> None:
    three, one = after([a_job(3, demand=a_demand(1, 8)), a_job(1, demand=a_demand(1, 8))])
    assert first_to_start(a_job(4, demand=a_demand(1, 8)), one, three) == three.id
    assert first_to_start(a_job(4, demand=a_demand(1, 8)), one) == one.id


def test_it_keeps_its_place_when_it_is_requeued_preempted_or_held_and_released() -> None:
    two, _ = after([a_job(2, demand=a_demand(1, 8)), a_job(1, demand=a_demand(1, 8))])
    kept = two.queue_place
    assert kept is not None
    endings: list[list[ev.JobEvent]] = [
        [*a_run(code=1), ev.Requeued(NOW_NS, "ada")],
        [
            a_placed(),
            ev.StopRequested(NOW_NS, 1, Reason.PREEMPTED, 1.0),
            ev.Ended(NOW_NS, 1, JobState.QUEUED, Reason.PREEMPTED),
        ],
        [ev.Held(NOW_NS, "ada"), ev.Released(NOW_NS, "ada")],
    ]
    for events in endings:
        job: Job = two
        for event in events:
            job = evolve(job, job.id, event)
        assert (job.state, job.queue_place) == (JobState.QUEUED, kept)


def test_an_array_is_one_job_and_its_tasks_come_together() -> None:
    array = a_job(3, array=parse_array("0-3"), demand=a_demand(1, 2))
    one, two = (a_job(number, demand=a_demand(1, 2)) for number in (1, 2))
    plan = make_plan(seen(after([array, one, two])), FIRST_COME)
    assert [one.task for one in plan.placements] == [0, 1, 2, 3]


UNLIKE: dict[str, tuple[list[Job], str]] = {
    "of two people": ([a_job(1), a_job(2, owner="bob")], "has the owner bob, and j.*1 has ada"),
    "of two teams": ([a_job(1), a_job(2, team="red")], "has the team red"),
    "of two priorities": ([a_job(1), a_job(2, priority=Priority.HIGH)], "has the priority high"),
    "one named twice": ([a_job(1), a_job(2), a_job(1)], "j000000001 is named twice"),
    "one alone": ([a_job(1)], "two jobs or more, and there is 1"),
    "none": ([], "two jobs or more, and there is 0"),
}


@pytest.mark.parametrize(("jobs", "told"), UNLIKE.values(), ids=UNLIKE)
def test_places_are_changed_only_where_they_are_worth_the_same(jobs: list[Job], told: str) -> None:
    with pytest.raises(Invalid, match=told) as refusal:
        events_of(jobs)
    assert refusal.value.field == "jobs"
    assert refusal.value.hint


ELSEWHERE: dict[str, tuple[Job, str]] = {
    "runs": (a_job(2, *a_run()[:3]), "is running"),
    "has ended": (a_job(2, *a_run()), "is succeeded"),
    "is held": (a_job(2, ev.Held(NOW_NS, "ada")), "is held"),
    "needs another": (a_job(2, needs=(a_job_id(7),)), "waits for j000000007"),
    "waits for its retry": (
        a_job(
            2,
            a_placed(),
            ev.Ended(NOW_NS, 1, JobState.QUEUED, Reason.USER_ERROR, is_retry=True, backoff_s=60.0),
            retry=Retry(2),
        ),
        "waits until its next attempt may start",
    ),
    "is at its own limit": (
        a_job(2, ev.Placed(NOW_NS, 1, "local", a_placed().grants, task=0), array=ARRAY),
        "waits until one of its tasks has ended",
    ),
}


@pytest.mark.parametrize(("job", "told"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_only_who_waits_for_its_turn_has_a_place_to_give(job: Job, told: str) -> None:
    with pytest.raises(Conflict, match=f"job {job.id} {told}") as refusal:
        events_of([a_job(1), job])
    assert refusal.value.hint


def test_the_event_fits_only_what_is_in_the_queue() -> None:
    event = events_of([a_job(2), a_job(1)])[a_job_id(2)]
    with pytest.raises(IllegalStep):
        evolve(a_job(2, *a_run()), a_job_id(2), event)
