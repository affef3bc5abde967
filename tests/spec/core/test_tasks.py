"""The columns of an array's tasks, and the text that says which tasks there are."""

from __future__ import annotations

import pytest

from quarterdeck.basics.errors import Invalid
from quarterdeck.core.jobs.array import parse_array
from quarterdeck.core.jobs.states import JobState
from quarterdeck.core.jobs.tasks import Tasks, Wait
from quarterdeck.core.limits import LIMITS

S = JobState


@pytest.mark.parametrize("state", JobState)
def test_every_state_has_a_letter_and_comes_back(state: JobState) -> None:
    tasks = Tasks.new(3, S.QUEUED).with_state(1, state)
    assert [tasks.state(place) for place in range(3)] == [S.QUEUED, state, S.QUEUED]
    assert list(tasks.positions(state)).count(1) == 1
    assert Tasks.new(2, state).counts() == {state: 2}


@pytest.mark.parametrize(
    ("states", "whole"),
    [
        ((S.RUNNING, S.STARTING, S.STOPPING, S.QUEUED, S.FAILED), S.RUNNING),
        ((S.STARTING, S.STOPPING, S.QUEUED, S.HELD), S.STARTING),
        ((S.STOPPING, S.QUEUED, S.CANCELLED), S.STOPPING),
        ((S.QUEUED, S.HELD, S.FAILED), S.QUEUED),
        ((S.HELD, S.FAILED, S.SUCCEEDED), S.HELD),
        ((S.SUCCEEDED, S.FAILED, S.CANCELLED), S.CANCELLED),
        ((S.SUCCEEDED, S.FAILED), S.FAILED),
        ((S.SUCCEEDED, S.SUCCEEDED), S.SUCCEEDED),
    ],
)
def test_the_state_of_the_whole(states: tuple[JobState, ...], whole: JobState) -> None:
    for order in (states, states[::-1]):
        tasks = Tasks.new(len(order), S.QUEUED)
        for place, state in enumerate(order):
            tasks = tasks.with_state(place, state)
        assert tasks.state_of_all() is whole


def test_an_attempt_is_known_by_its_task_and_counts_for_the_whole() -> None:
    tasks = Tasks.new(3, S.QUEUED).with_attempt(2, 1, "a").with_attempt(0, 2, "b")
    assert (tasks.attempts, tasks.sites, tasks.made) == ((2, 0, 1), ("b", "", "a"), 2)


def test_a_retry_is_counted_and_its_wait_ends_with_the_next_attempt() -> None:
    wait = Wait(5, 9)
    tasks = Tasks.new(2, S.QUEUED).with_retry(1, wait)
    assert (tasks.retries_of(0), tasks.retries_of(1)) == (0, 1)
    assert (tasks.wait_of(0), tasks.wait_of(1)) == (None, wait)
    again = tasks.with_attempt(1, 4, "a")
    assert (again.wait_of(1), again.waits, again.retries_of(1)) == (None, None, 1)
    assert tasks.with_retry(1, None).wait_of(1) is None


def test_only_what_holds_devices_lives() -> None:
    tasks = Tasks.new(0, S.QUEUED)
    every = Tasks.new(len(JobState), S.QUEUED)
    for place, state in enumerate(JobState):
        every = every.with_state(place, state)
    assert (tasks.live(), every.live()) == (0, 3)


@pytest.mark.parametrize(
    ("now_ns", "is_over"),
    [(100, False), (199, False), (200, True), (99, True), (100 - 3600 * 10**9, True)],
)
def test_a_wait_ends_at_its_time_or_with_a_clock_that_was_put_back(
    now_ns: int, is_over: bool
) -> None:
    assert Wait(100, 200).is_over(now_ns) is is_over


@pytest.mark.parametrize(
    ("text", "indices", "parallel"),
    [
        ("0-3", (0, 1, 2, 3), None),
        ("7", (7,), None),
        ("0-9:5", (0, 5), None),
        ("0-10:5", (0, 5, 10), None),
        ("3,1,7-9", (3, 1, 7, 8, 9), None),
        (" 1 , 2 %1", (1, 2), 1),
        ("0-99%10", tuple(range(100)), 10),
    ],
)
def test_what_an_arrays_text_means(
    text: str, indices: tuple[int, ...], parallel: int | None
) -> None:
    array = parse_array(text)
    assert (array.indices, array.parallel) == (indices, parallel)
    assert array.positions == {index: place for place, index in enumerate(indices)}


@pytest.mark.parametrize(
    "text",
    ["", "%", "a", "1-", "-1", "3-1", "1-3:0", "1,1", "0-4,3", "0-3%0", "0-3%", "0-3%x", "1,,2"],
)
def test_a_text_that_is_no_array_is_refused_by_name(text: str) -> None:
    with pytest.raises(Invalid) as refusal:
        parse_array(text, field="jobs.1.array")
    assert (refusal.value.field, bool(refusal.value.hint)) == ("jobs.1.array", True)


@pytest.mark.parametrize("text", ["0-{}", "0-999999999", "0-{}:1,7"])
def test_too_many_tasks_are_refused_without_counting_them_one_by_one(text: str) -> None:
    with pytest.raises(Invalid, match="more than"):
        parse_array(text.format(LIMITS.array_tasks_max))
    assert len(parse_array(f"1-{LIMITS.array_tasks_max}").indices) == LIMITS.array_tasks_max
