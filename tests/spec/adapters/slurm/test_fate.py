"""What an ended batch job means for replicas that did not say how they ended."""

from __future__ import annotations

import pytest

from quarterdeck.adapters.engines.slurm.fate import fate_of
from quarterdeck.adapters.engines.slurm.records import ENDED_STATES
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.states import ReplicaState

TOLD = {
    "CANCELLED": Reason.STOPPED_AT_SITE,
    "PREEMPTED": Reason.PREEMPTED,
    "TIMEOUT": Reason.TIMED_OUT,
    "DEADLINE": Reason.TIMED_OUT,
    "OUT_OF_MEMORY": Reason.OUT_OF_MEMORY,
}


@pytest.mark.parametrize("state", sorted(ENDED_STATES | {""}))
@pytest.mark.parametrize("was_taken_up", [True, False])
def test_every_end_has_a_reason_and_names_slurms_word(state: str, was_taken_up: bool) -> None:
    fate = fate_of(state, "", "", was_taken_up=was_taken_up)
    assert fate.state.is_gone
    assert (state or "knows nothing of it any more") in fate.message
    if state in TOLD:
        assert (fate.state, fate.reason) == (ReplicaState.EXITED, TOLD[state])
        assert fate.explains
    elif state in ("COMPLETED", "FAILED") and not was_taken_up:
        assert (fate.state, fate.reason) == (ReplicaState.EXITED, Reason.SETUP_FAILED)
        assert not fate.explains
    else:
        assert (fate.state, fate.reason) == (ReplicaState.LOST, Reason.NODE_FAILURE)


def test_a_lost_node_explains_why_a_runner_was_told_to_end() -> None:
    for state in ("NODE_FAIL", "BOOT_FAIL"):
        fate = fate_of(state, "", "", was_taken_up=True)
        assert fate.explains
        assert "a node of it was lost" in fate.message
    assert not fate_of("COMPLETED", "", "", was_taken_up=True).explains
    assert not fate_of("", "", "", was_taken_up=True).explains


def test_slurms_reason_and_the_scripts_last_line_are_told() -> None:
    fate = fate_of("FAILED", "NonZeroExitCode", "sh: no python9", was_taken_up=False)
    assert fate.message == (
        "its runner did not start (Slurm: FAILED (NonZeroExitCode)): sh: no python9"
    )
    assert "(None)" not in fate_of("TIMEOUT", "None", "", was_taken_up=True).message
    assert "it said nothing" in fate_of("FAILED", "", "", was_taken_up=False).message
