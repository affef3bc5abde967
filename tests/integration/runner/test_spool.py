"""Orders as the engine writes them, and facts as the engine reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from quarterdeck.adapters.gauges.pretend import parse_pretend
from quarterdeck.adapters.spool.orders import make_order
from quarterdeck.adapters.spool.paths import SitePaths
from quarterdeck.adapters.spool.replica import Spool
from quarterdeck.basics.ids import JobId, format_id
from quarterdeck.core.cluster.demand import Demand, Grant, Resources
from quarterdeck.core.jobs.array import parse_array
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.spec import JobSpec
from quarterdeck.core.jobs.states import ReplicaState
from quarterdeck.ports.engine import AttemptRef, LaunchOrder

REF = AttemptRef(JobId(format_id("j", 1)), 203)
EXIT = {"rank": 0, "code": None, "signal": 15, "stopped": True}


def read(folder: Path, *facts: dict[str, Any], rest: str = "") -> Spool:
    lines = "".join(json.dumps({"at_ns": 5, **fact}) + "\n" for fact in facts)
    (folder / "status.jsonl").write_text(lines + rest)
    spool = Spool(folder, 0)
    spool.read()
    return spool


def test_a_limit_that_has_passed_shows_while_the_command_still_runs(tmp_path: Path) -> None:
    started, stopping = {"kind": "started"}, {"kind": "stopping", "reason": "timed_out"}
    sight = read(tmp_path, started, stopping).sighting
    assert (sight.state, sight.reason) == (ReplicaState.STARTED, Reason.TIMED_OUT)
    ended = {"kind": "exited", "ranks": [EXIT], "reason": "timed_out", "message": "it ran"}
    sight = read(tmp_path, started, stopping, ended).sighting
    assert (sight.state, sight.reason) == (ReplicaState.EXITED, Reason.TIMED_OUT)


@pytest.mark.parametrize(
    ("word", "reason"),
    [("out_of_memory", Reason.OUT_OF_MEMORY), ("completed", None), ("stopped", None)],
)
def test_an_exit_has_its_reason_and_its_message(
    tmp_path: Path, word: str, reason: Reason | None
) -> None:
    fact = {"kind": "exited", "ranks": [EXIT], "reason": word, "message": "64MiB"}
    sight = read(tmp_path, {"kind": "started"}, fact).sighting
    assert (sight.reason, sight.message) == (reason, "64MiB")


def test_half_a_fact_is_not_believed(tmp_path: Path) -> None:
    sight = read(tmp_path, {"kind": "started"}, rest='{"kind": "exi').sighting
    assert sight.state is ReplicaState.STARTED


def test_an_order_holds_what_the_job_asked_for(tmp_path: Path) -> None:
    spec = JobSpec(
        ("train",),
        demand=Demand(1, Resources(cpus=4, memory_bytes=2**30)),
        checkpoint_path="ckpt",
        time_limit_s=60.0,
        array=parse_array("10-19"),
    )
    (node,) = parse_pretend("cpu:1")
    order = LaunchOrder(REF, spec, (Grant(node.name),), task=17)
    content = make_order(order, 0, node, "h", SitePaths(tmp_path))
    assert content["limits"] == {"memory_bytes": 2**30, "cpus": 4}
    assert content["task"] == {"index": 17, "count": 10}
    assert (content["time_limit_s"], content["checkpoint_path"]) == (60.0, "ckpt")
    assert content["checkpoint_dir"].endswith(f"checkpoints/{REF.job_id}/task-17")
    assert content["log"]["size_bytes_max"] == 2**30
