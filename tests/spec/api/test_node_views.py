"""What the wire tells of a node: where it stands, and what each of its GPUs does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quarterdeck.api.node_views import node_detail, node_view
from quarterdeck.core.cluster.demand import Grant
from quarterdeck.core.cluster.hardware import (
    Cordon,
    Device,
    Foreign,
    Location,
    Node,
    NodeState,
)
from quarterdeck.core.cluster.room import room_of

NODE = Node(
    "n1",
    64,
    2**40,
    tuple(Device(f"GPU-{n}", "A100", 2**36) for n in range(5)),
    location=Location("r2", "su1", "p1"),
)
GRANTS = (
    Grant("n1", ("GPU-1",), 1, 1),
    Grant("n1", ("GPU-2/1g.10gb@0",), 1, 1),
    Grant("n1", ("GPU-4/25%",), 1, 1),
)


def _cordon(device: str | None) -> Cordon:
    return Cordon("n1", device, "dust", "ada", 0)


def test_each_gpu_says_whether_it_is_free_held_sliced_or_cordoned() -> None:
    view = node_view(room_of("local", NODE, GRANTS, (_cordon("GPU-3"),)), [])
    assert view.gpu_states == ["free", "held", "sliced", "cordoned", "sliced"]
    assert (view.rack, view.unit, view.pod) == ("r2", "su1", "p1")


@pytest.mark.parametrize("is_down", [True, False])
def test_on_a_node_that_takes_no_work_no_gpu_is_free_and_what_is_held_stays_held(
    is_down: bool,
) -> None:
    node = replace(NODE, state=NodeState.DOWN) if is_down else NODE
    cordons = () if is_down else (_cordon(None),)
    view = node_view(room_of("local", node, GRANTS, cordons), [])
    assert view.gpu_states == ["cordoned", "held", "sliced", "cordoned", "sliced"]


def test_what_others_hold_and_reserve_is_told_and_counts_as_not_free() -> None:
    others = (
        Foreign("Slurm job 7", ("GPU-0", "GPU-1"), 70, 2**41, 10**9),
        Foreign("Slurm reservation r", starts_at_ns=10**9),
    )
    node = replace(NODE, state=NodeState.DRAINED, reason="bad fan", others=others)
    detail = node_detail(room_of("local", node, GRANTS), [], set())
    assert detail.gpu_states == ["others", "others", "sliced", "cordoned", "sliced"]
    assert (detail.state, detail.reason) == ("drained", "bad fan")
    assert [one.others for one in detail.devices[:3]] == [["Slurm job 7"], ["Slurm job 7"], []]
    # What is held twice over is no less than nothing.
    assert (detail.cpus_free, detail.memory_free_bytes) == (0, 0)
    job, reservation = detail.others
    assert (job.name, job.gpus, job.cpus, job.starts_at) == ("Slurm job 7", 2, 70, None)
    assert job.ends_at == "1970-01-01T00:00:01.000000Z"
    assert (reservation.gpus, reservation.ends_at) == (0, None)
    assert reservation.starts_at == "1970-01-01T00:00:01.000000Z"
