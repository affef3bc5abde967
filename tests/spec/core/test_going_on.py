"""A job that gives up some of its nodes, step by step: what it keeps, and what becomes of that."""

from __future__ import annotations

import pytest

from quarterdeck.adapters.stores.sql.codec import decode_record, encode
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.control.held import held_by_kept, held_of
from quarterdeck.core.cluster.demand import Demand, Grant, Resources
from quarterdeck.core.jobs import decide
from quarterdeck.core.jobs import events as ev
from quarterdeck.core.jobs.clearance import Clearance
from quarterdeck.core.jobs.job import Job, RankExit
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.spec import Stopping
from quarterdeck.core.jobs.states import JobState, ReplicaState
from quarterdeck.core.scheduling.queue import running_of, waiting_of
from quarterdeck.core.scheduling.snapshot import Kept
from quarterdeck.ports.store import JobRecord
from quarterdeck.testing.builders import START_NS, a_job, a_job_id, a_job_spec, a_placed
from tests.spec.core.test_decide import kinds, take

AT = START_NS + 100 * NS_PER_S
GRANTS = tuple(Grant(f"n{rank}", (f"GPU-{rank}",)) for rank in range(3))
ELASTIC = a_job_spec(
    demand=Demand(1, Resources(1), nodes_max=3),
    min_runtime_s=600.0,
    time_limit_s=1000.0,
    stopping=Stopping(grace_s=20.0),
)


def a_gang() -> Job:
    return a_job(1, a_placed(1, *GRANTS), spec=ELASTIC)


def give_up(job: Job, *keeps: str, why: str = "it gives up nodes") -> list[ev.JobEvent]:
    return decide.preempt(job, 1, why, AT, keeps)


def stopped(job: Job) -> Job:
    gone = [
        ev.Sighting(rank, ReplicaState.EXITED, exits=(RankExit(rank, signal=15, stopped=True),))
        for rank in range(3)
    ]
    return take(job, decide.observe(job, 1, gone, AT))


def test_it_stops_with_its_grace_and_waits_for_just_what_it_kept() -> None:
    events = give_up(a_gang(), "n0", "n2")
    assert kinds(events) == [ev.RoomCleared, ev.StopRequested]
    job = take(a_gang(), events)
    assert (job.state, job.reason, job.message) == (
        JobState.STOPPING, Reason.PREEMPTED, "it gives up nodes",
    )  # fmt: skip
    running = running_of(job, job.live_attempts[0])
    assert ([one.node for one in running.leaves], running.ends_at_ns) == (["n1"], None)
    job = stopped(job)
    assert (job.state, job.retries) == (JobState.QUEUED, 0)
    waiting = waiting_of(job)
    assert waiting.kept == Kept("local", (GRANTS[0], GRANTS[2]), 3)
    assert waiting.clearance is None


def test_where_it_goes_on_its_least_time_has_been_served() -> None:
    job = stopped(take(a_gang(), give_up(a_gang(), "n0", "n2")))
    there = take(job, [decide.place(job, "local", (GRANTS[0], GRANTS[2]), AT)])
    assert (there.clearance, there.attempts[-1].goes_on) == (None, True)
    assert running_of(there, there.live_attempts[0]).min_runtime_s == 0
    elsewhere = take(job, [decide.place(job, "local", GRANTS, AT)])
    assert (elsewhere.clearance, elsewhere.attempts[-1].goes_on) == (None, False)
    assert running_of(elsewhere, elsewhere.live_attempts[0]).min_runtime_s == 600


def test_while_it_stops_it_may_have_to_give_up_more_and_is_not_stopped_twice() -> None:
    job = take(a_gang(), give_up(a_gang(), "n0", "n2"))
    assert give_up(job, "n0", "n1", "n2") == give_up(job, "n0", "n2") == []
    events = give_up(job, "n2", why="two of three")
    assert kinds(events) == [ev.RoomCleared]
    job = take(job, events)
    assert (job.message, stopped(job).message) == ("two of three", "two of three")
    assert waiting_of(stopped(job)).kept == Kept("local", (GRANTS[2],), 3)
    job = take(job, give_up(job, why="all of them"))
    assert (job.clearance, waiting_of(stopped(job)).kept) == (None, None)
    assert give_up(job, "n0") == []


@pytest.mark.parametrize("held", [False, True])
def test_who_is_cancelled_or_held_keeps_nothing(held: bool) -> None:
    job = take(a_gang(), give_up(a_gang(), "n0", "n2"))
    if held:
        job = stopped(job)
        job = take(job, decide.hold(job, "ada", AT))
        assert waiting_of(take(job, decide.release(job, "ada", AT))).kept is None
    else:
        job = take(job, decide.cancel(job, "ada", AT))
        assert running_of(job, job.live_attempts[0]).leaves == GRANTS
        assert stopped(job).clearance is None


def test_what_is_drained_while_it_runs_or_goes_for_others_is_not_kept() -> None:
    drained = take(a_gang(), decide.evict(a_gang(), "n1", "root", "", AT))
    assert give_up(drained, "n0") == []
    cleared = take(a_gang(), [ev.RoomCleared(AT, Clearance("local", ("n0",), 1))])
    whole = take(cleared, give_up(cleared))
    assert running_of(whole, whole.live_attempts[0]).keeps == ()


def test_the_calendar_sees_that_what_is_kept_is_held_for_another_run() -> None:
    """A stop takes 20 s at most, and then another run may take its 1000 s and 20 s more."""
    job = take(a_gang(), give_up(a_gang(), "n0", "n2"))
    ends = {one.node: one.ends_at_ns for one in held_of(job, 1, AT)}
    assert ends == {
        "n0": AT + 1040 * NS_PER_S, "n1": AT + 20 * NS_PER_S, "n2": AT + 1040 * NS_PER_S,
    }  # fmt: skip
    held = held_by_kept([waiting_of(stopped(job))], AT)
    assert {one.node: one.ends_at_ns for one in held} == dict.fromkeys(
        ("n0", "n2"), AT + 1020 * NS_PER_S
    )


def test_room_that_an_older_server_wrote_down_is_read() -> None:
    """It knew nothing of nodes that are kept."""
    text = '{"at_ns": 5, "clearance": {"site": "local", "nodes": ["n1"], "cells": 1}}'
    old = decode_record(7, "RoomCleared", a_job_id(1), 2, text)
    assert old == JobRecord(7, a_job_id(1), 2, ev.RoomCleared(5, Clearance("local", ("n1",), 1)))
    new = ev.RoomCleared(5, Clearance("local", ("n1",), is_kept=True), "why")
    assert decode_record(7, "RoomCleared", a_job_id(1), 2, encode(new)).event == new
