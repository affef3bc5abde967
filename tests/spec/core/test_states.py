"""The three tables: what is in them can happen, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import pytest

from quarterdeck.core.jobs.states import (
    ATTEMPT_STEPS,
    FINAL_STATES,
    JOB_STEPS,
    REPLICA_STEPS,
    AttemptSignal,
    AttemptState,
    IllegalStep,
    JobSignal,
    JobState,
    ReplicaSignal,
    ReplicaState,
    take_step,
)

Table = Mapping[Any, Mapping[Any, Any]]
TABLES: list[tuple[Table, type[StrEnum], type[StrEnum], StrEnum]] = [
    (JOB_STEPS, JobState, JobSignal, JobState.QUEUED),
    (ATTEMPT_STEPS, AttemptState, AttemptSignal, AttemptState.GRANTED),
    (REPLICA_STEPS, ReplicaState, ReplicaSignal, ReplicaState.PENDING),
]
PAIRS = [
    pytest.param(table, state, signal, id=f"{states.__name__}-{state}-{signal}")
    for table, states, signals, _ in TABLES
    for state in states
    for signal in signals
]
EACH = pytest.mark.parametrize(
    ("table", "states", "signals", "first"), TABLES, ids=["job", "attempt", "replica"]
)
STORY = ("it was submitted", "it was placed")


@pytest.mark.parametrize(("table", "state", "signal"), PAIRS)
def test_a_step_leads_where_the_table_says_or_raises_with_the_story(
    table: Table, state: StrEnum, signal: StrEnum
) -> None:
    target = table[state].get(signal)
    if target is not None:
        assert take_step(table, state, signal, STORY) is target
        return
    with pytest.raises(IllegalStep) as bug:
        take_step(table, state, signal, STORY)
    assert (bug.value.state, bug.value.signal, bug.value.story) == (state, signal, STORY)
    assert all(move in str(bug.value) for move in (*STORY, repr(str(state)), repr(str(signal))))


@EACH
def test_every_state_has_its_row(
    table: Table, states: type[StrEnum], signals: type[StrEnum], first: StrEnum
) -> None:
    assert set(table) == set(states)


@EACH
def test_every_signal_is_of_use(
    table: Table, states: type[StrEnum], signals: type[StrEnum], first: StrEnum
) -> None:
    assert {signal for row in table.values() for signal in row} == set(signals)


@EACH
def test_every_state_can_be_reached(
    table: Table, states: type[StrEnum], signals: type[StrEnum], first: StrEnum
) -> None:
    reached, border = {first}, {first}
    while border:
        border = {target for state in border for target in table[state].values()} - reached
        reached |= border
    assert reached == set(states)


def test_from_every_job_state_there_is_a_way_to_an_end() -> None:
    ending = set(FINAL_STATES)
    while more := {s for s in JobState if ending & set(JOB_STEPS[s].values())} - ending:
        ending |= more
    assert ending == set(JobState)


def test_only_a_requeue_leads_out_of_a_final_state() -> None:
    assert {state for state in JobState if state.is_final} == FINAL_STATES
    for state in FINAL_STATES:
        assert dict(JOB_STEPS[state]) == {JobSignal.REQUEUE: JobState.QUEUED}


def test_a_job_only_succeeds_from_running_or_when_only_what_served_it_was_stopped() -> None:
    can = [state for state in JobState if JobSignal.SUCCEED in JOB_STEPS[state]]
    assert can == [JobState.RUNNING, JobState.STOPPING]


def test_an_ended_attempt_and_a_gone_replica_stay_so() -> None:
    assert ATTEMPT_STEPS[AttemptState.ENDED] == {}
    gone = {ReplicaState.EXITED, ReplicaState.LOST}
    assert {state for state in ReplicaState if state.is_gone} == gone
    assert {state for state in ReplicaState if not REPLICA_STEPS[state]} == gone


def test_a_bug_without_a_story_says_so() -> None:
    assert "(nothing yet)" in str(IllegalStep("queued", "start", ()))
