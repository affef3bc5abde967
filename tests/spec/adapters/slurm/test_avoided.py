"""Nodes that are kept out for a while through a fault of their own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from quarterdeck.adapters.engines.slurm import avoided
from quarterdeck.adapters.engines.slurm.avoided import Avoided
from quarterdeck.core.cluster.hardware import Node, NodeState
from quarterdeck.core.jobs.events import Sighting
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.states import ReplicaState
from quarterdeck.runner.skew import ClockSkewed, check_clock

NODES = (Node("n1", 4, 0), Node("n2", 4, 0, state=NodeState.DOWN, reason="it burns"))


def make_end(reason: Reason | None, message: str) -> Sighting:
    return Sighting(0, ReplicaState.EXITED, reason=reason, message=message)


def test_one_is_drained_with_its_reason_and_what_is_down_stays_so() -> None:
    kept = Avoided()
    assert kept.offer(NODES) is NODES
    kept.add("n1", "no Python")
    kept.add("n2", "no Python")
    first, second = kept.offer(NODES)
    assert (first.state, first.reason) == (NodeState.DRAINED, "no Python")
    assert second is NODES[1]


def test_it_is_tried_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(avoided, "monotonic", lambda: now[0])
    kept = Avoided()
    kept.add("n1", "no Python")
    now[0] = 599.0
    assert kept.reasons() == {"n1": "no Python"}
    now[0] = 600.0
    assert kept.offer(NODES) is NODES


def test_a_wrong_clock_is_known_by_the_runners_own_words(tmp_path: Path) -> None:
    beat = tmp_path / "beat"
    beat.touch()
    os.utime(beat, (0, 0))
    with pytest.raises(ClockSkewed) as caught:
        check_clock(str(beat), 30.0)
    kept = Avoided()
    for reason, message in (
        (Reason.SETUP_FAILED, "the work folder: disk quota exceeded"),
        (None, str(caught.value)),
    ):
        kept.judge(make_end(reason, message), "n1")
        assert kept.reasons() == {}
    kept.judge(make_end(Reason.SETUP_FAILED, str(caught.value)), "n1")
    assert kept.reasons()["n1"].startswith("its runner did not start: the clock of this node is ")
