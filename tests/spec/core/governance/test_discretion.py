"""What is told of a wait to somebody who may not know everybody else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.basics.ids import JobId
from quarterdeck.core.scheduling.discretion import conceal
from quarterdeck.core.scheduling.gates import behind, not_ready
from quarterdeck.core.scheduling.plan import Blocker, Verdict
from quarterdeck.core.scheduling.snapshot import Waiting
from quarterdeck.testing.builders import START_NS, a_demand, a_job_id

MINE, YOURS, THEIRS = a_job_id(1), a_job_id(2), a_job_id(3)


def waits(job_id: JobId, **more: object) -> Waiting:
    demand = a_demand(3, 7)
    return Waiting(job_id, demand, 0, START_NS, **more)  # type: ignore[arg-type]


def no_room(*held_by: JobId) -> Verdict:
    hint = f"it starts when enough of {', '.join(held_by)} has ended"
    return Verdict(MINE, Blocker.NO_CAPACITY, "no node is free for it now", hint, {}, held_by)


def text_of(verdict: Verdict) -> str:
    return f"{verdict.message} {verdict.hint} {' '.join(verdict.held_by)}"


@pytest.mark.parametrize(
    "verdict",
    [
        behind(waits(MINE), waits(YOURS)),
        not_ready(waits(MINE, unmet=(YOURS, THEIRS)), 0, START_NS),
        no_room(YOURS, THEIRS),
    ],
)
def test_without_anybody_hidden_a_verdict_stays_as_it_is(verdict: Verdict) -> None:
    assert conceal(verdict, frozenset()) is verdict


def test_who_is_before_it_is_neither_named_nor_measured() -> None:
    told = conceal(behind(waits(MINE), waits(YOURS)), {YOURS})
    assert YOURS not in text_of(told)
    assert "3" not in text_of(told)
    assert "7" not in text_of(told)
    assert (told.job_id, told.blocked_by, told.held_by) == (MINE, Blocker.BEHIND_OTHERS, ())


def test_needs_that_one_may_know_are_named_and_the_others_counted() -> None:
    whole = not_ready(waits(MINE, unmet=(YOURS, THEIRS)), 0, START_NS)
    told = conceal(whole, {THEIRS})
    assert told.message == f"it needs {YOURS}, a job of somebody else to succeed first"
    assert told.held_by == (YOURS,)
    both = conceal(whole, {YOURS, THEIRS})
    assert both.message == "it needs 2 jobs of others to succeed first"
    assert both.hint == ""


def test_who_holds_the_room_is_named_only_to_who_may_know() -> None:
    told = conceal(no_room(YOURS, THEIRS), {THEIRS})
    assert told.hint == f"it starts when enough of {YOURS}, a job of somebody else has ended"
    assert told.held_by == (YOURS,)


IDS = st.integers(2, 9).map(a_job_id)


@given(
    st.sampled_from((Blocker.BEHIND_OTHERS, Blocker.NEEDS, Blocker.NO_CAPACITY)),
    st.lists(IDS, min_size=1, max_size=5, unique=True),
    st.data(),
)
def test_no_hidden_name_is_left_anywhere(
    blocker: Blocker, ids: list[JobId], data: st.DataObject
) -> None:
    hidden = data.draw(st.sets(st.sampled_from(ids), min_size=1))
    if blocker is Blocker.BEHIND_OTHERS:
        verdict = behind(waits(MINE), waits(ids[0]))
        hidden = {ids[0]}
    elif blocker is Blocker.NEEDS:
        verdict = not_ready(waits(MINE, unmet=tuple(ids)), 0, START_NS)
    else:
        verdict = no_room(*ids)
    told = conceal(verdict, hidden)
    assert not any(job_id in text_of(told) for job_id in hidden)
    assert set(told.held_by) == set(verdict.held_by) - hidden
