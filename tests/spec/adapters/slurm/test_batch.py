"""A launch order as a batch job."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from quarterdeck.adapters.engines.slurm.batch import Places, make_batch, time_limit_s
from quarterdeck.adapters.engines.slurm.nodes import make_nodes
from quarterdeck.adapters.engines.slurm.records import Gres
from quarterdeck.adapters.engines.slurm.requests import BatchRequest, list_options
from quarterdeck.adapters.engines.slurm.settings import SlurmSettings
from quarterdeck.basics.errors import Invalid
from quarterdeck.basics.ids import JobId
from quarterdeck.core.cluster.demand import Grant
from quarterdeck.core.jobs.spec import JobSpec, Stopping
from quarterdeck.ports.engine import AttemptRef, LaunchOrder
from tests.spec.adapters.slurm.makers import GIB, indexed, look_at, make_node

REF = AttemptRef(JobId("j1"), 3)
NODES = (make_node(), make_node(name="n2"))
PLACES = Places(Path("/shared/a b/j1/3"), Path("/shared/run/r.pyz"))


def order_of(*grants: Grant, **spec: Any) -> LaunchOrder:
    return LaunchOrder(REF, JobSpec(("true",), **spec), grants or (Grant("n1", (), 1, GIB),))


def batch_of(
    order: LaunchOrder, settings: SlurmSettings | None = None, *, limit_s: int | None = None
) -> BatchRequest:
    settings = settings or SlurmSettings()
    look = look_at(*NODES, limit_s=limit_s)
    nodes = {node.name: node for node in make_nodes(look, settings, {}, 0)}
    return make_batch(order, "qd:h:j1:3", nodes, look, settings, PLACES)


def gpus(node: str, *indices: int, cpus: int = 1, memory_bytes: int = 0) -> Grant:
    return Grant(node, tuple(f"{node}-gpu{index}" for index in indices), cpus, memory_bytes)


def test_it_goes_to_the_nodes_of_the_plan_under_a_comment_that_finds_it_again() -> None:
    asked = batch_of(order_of(gpus("n1", 0, 1), gpus("n2", 4, 5)))
    assert (asked.nodes, asked.gres, asked.tasks_per_node) == (("n1", "n2"), "gpu:h100:2", 1)
    assert asked.comment == "qd:h:j1:3"
    assert (asked.output, asked.folder) == ("/shared/a b/j1/3/slurm.out", "/")
    assert list_options(asked)


def test_it_uses_what_the_site_says() -> None:
    settings = SlurmSettings("gpu", "lab", "high", "mine", "/opt/python 3", "/opt/bin:/bin")
    asked = batch_of(order_of(), settings)
    told = (asked.partition, asked.account, asked.qos, asked.reservation)
    assert told == ("gpu", "lab", "high", "mine")
    lines = asked.script.splitlines()
    assert lines[1].startswith("PATH=/opt/bin:/bin; ")
    words = shlex.split(lines[-1])
    assert words[:2] == ["exec", "/opt/python 3"]
    assert words[-4:] == ["node", "/shared/a b/j1/3", "--name", "$SLURMD_NODENAME"]


def test_one_node_needs_no_step_and_several_have_one_task_each() -> None:
    assert "srun" not in batch_of(order_of()).script
    line = batch_of(order_of(gpus("n1", 0), gpus("n2", 0))).script.splitlines()[-1]
    words = shlex.split(line)
    assert words[:4] == ["exec", "srun", "--nodes=2", "--ntasks=2"]
    assert shlex.split(words[-1])[-1] == "$SLURMD_NODENAME"


@pytest.mark.parametrize(
    ("grant", "cpus", "memory_bytes"),
    [
        (Grant("n1", (), 4, 2 * GIB), 4, 2 * GIB),
        (Grant("n1", (), 0, GIB), 1, GIB),
        (gpus("n1", 0, 1), 16, int(512 * GIB * 0.9 / 4)),
        (gpus("n1", *range(8)), 64, int(512 * GIB * 0.9)),
        (gpus("n1", 0, cpus=40, memory_bytes=GIB), 40, GIB),
        (Grant("n1", (), 32, 0), 32, int(512 * GIB * 0.9 / 2)),
    ],
)
def test_who_says_nothing_of_cpus_or_memory_gets_a_share(
    grant: Grant, cpus: int, memory_bytes: int
) -> None:
    asked = batch_of(order_of(grant))
    assert (asked.cpus_per_task, asked.memory_bytes) == (cpus, memory_bytes)


@pytest.mark.parametrize(
    ("grants", "told"),
    [
        ((Grant("n1", ("n1-gpu0/50%",), 1, 0),), "Slurm gives whole ones"),
        ((gpus("n1", 0), gpus("n1", 1)), "two of its replicas are on one node"),
        ((gpus("n1", 0), gpus("n2", 0, 1)), "its nodes need gpu:h100:1 and gpu:h100:2"),
    ],
)
def test_what_slurm_cannot_run_is_refused(grants: tuple[Grant, ...], told: str) -> None:
    with pytest.raises(Invalid) as caught:
        batch_of(order_of(*grants))
    assert told in caught.value.message
    assert caught.value.code == "not_available"
    assert caught.value.hint


def test_unlike_single_gpus_on_two_nodes_are_refused() -> None:
    look = look_at(*(make_node(name=name, gres=indexed(0, 1)) for name in ("n1", "n2")))
    nodes = {node.name: node for node in make_nodes(look, SlurmSettings(), {}, 0)}
    order = order_of(gpus("n1", 0), gpus("n2", 1))
    with pytest.raises(Invalid, match="gpu:i0:1 and gpu:i1:1"):
        make_batch(order, "k", nodes, look, SlurmSettings(), PLACES)


@pytest.mark.parametrize(
    ("kinds", "granted", "gres"),
    [
        (("h100", "a100"), ((0, 1), (2, 3)), "gpu:2"),
        ((None, "a100"), ((0, 1, 2, 3), (0, 1, 2, 3)), "gpu:4"),
        ((None, None), ((0, 1), (0, 1)), "gpu:i0:1,gpu:i1:1"),
        ((None, "a100"), ((0, 1), (0, 1)), None),
        (("h100", "a100"), ((0,), (0, 1)), None),
    ],
)
def test_gpus_of_other_types_are_asked_for_by_their_number(
    kinds: tuple[str | None, ...], granted: tuple[tuple[int, ...], ...], gres: str | None
) -> None:
    """Unless a node has others beside these, and Slurm might give those. None: one by one."""
    made = [indexed(0, 1, 2, 3) if kind is None else (Gres("gpu", kind, 4),) for kind in kinds]
    look = look_at(*(make_node(name=f"n{n + 1}", gres=one) for n, one in enumerate(made)))
    nodes = {node.name: node for node in make_nodes(look, SlurmSettings(), {}, 0)}
    order = order_of(*(gpus(f"n{n + 1}", *places) for n, places in enumerate(granted)))
    if gres is None:
        with pytest.raises(Invalid, match="its nodes need"):
            make_batch(order, "k", nodes, look, SlurmSettings(), PLACES)
    else:
        assert make_batch(order, "k", nodes, look, SlurmSettings(), PLACES).gres == gres


@pytest.mark.parametrize(
    ("own_s", "longest_s", "grace_s", "limit_s"),
    [
        (None, None, 30, None),
        (60, None, 30, 60),
        (60, 600, 30, 60),
        (None, 600, 30, 450),
        (500, 600, 30, 450),
        (600, 600, 30, 450),
    ],
)
def test_our_end_comes_before_slurms(
    own_s: float | None, longest_s: int | None, grace_s: float, limit_s: float | None
) -> None:
    order = order_of(time_limit_s=own_s, stopping=Stopping(grace_s=grace_s))
    assert time_limit_s(order, longest_s) == limit_s
    asked = batch_of(order, limit_s=longest_s)
    if limit_s is None:
        assert (asked.time_limit_s, asked.warning) == (None, None)
    else:
        assert asked.time_limit_s == limit_s + grace_s + 120
        assert asked.warning == ("TERM", int(grace_s + 60))
        assert longest_s is None or asked.time_limit_s <= longest_s


@pytest.mark.parametrize(
    ("own_s", "longest_s", "grace_s", "field"),
    [(601, 600, 30, "time_limit"), (None, 600, 480, "checkpoint.grace")],
)
def test_a_partition_that_is_too_short_is_told(
    own_s: float | None, longest_s: int, grace_s: float, field: str
) -> None:
    with pytest.raises(Invalid) as caught:
        time_limit_s(order_of(time_limit_s=own_s, stopping=Stopping(grace_s=grace_s)), longest_s)
    assert caught.value.field == field
    assert caught.value.hint
