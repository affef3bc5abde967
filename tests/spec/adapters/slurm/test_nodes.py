"""Slurm's nodes as ours, and what others have of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quarterdeck.adapters.engines.slurm.nodes import Held, make_nodes
from quarterdeck.adapters.engines.slurm.pilot_nodes import make_pilot_nodes
from quarterdeck.adapters.engines.slurm.records import Gres, SlurmJob, SlurmReservation
from quarterdeck.adapters.engines.slurm.settings import PilotSettings, SlurmSettings
from quarterdeck.core.cluster.demand import Grant
from quarterdeck.core.cluster.hardware import Foreign, GangTerms, Node, NodeState
from tests.spec.adapters.slurm.makers import GIB, KEPT, indexed, look_at, make_job, make_node

NS = 10**9
GRANT = Grant("n1", ("n1-gpu0", "n1-gpu1"), 4, GIB)
MINE = Held(GRANT, 16, 2 * GIB, "j1", 5)


def node_of(*args: object, held: tuple[Held, ...] = (), **changes: object) -> Node:
    """`reservations`: those of others; `inside`: the one that jobs of ours go to."""
    looked = {name: changes.pop(name, ()) for name in ("jobs", "reservations")}
    looked["state"] = changes.pop("partition", "UP")
    settings = SlurmSettings(reservation=str(changes.pop("inside", "")))
    look = look_at(make_node(**changes), **looked)  # type: ignore[arg-type]
    (node,) = make_nodes(look, settings, {"n1": held}, 1000)
    return node


@pytest.mark.parametrize(
    ("state", "flags", "expected"),
    [
        ("IDLE", (), NodeState.READY),
        ("MIXED", ("PLANNED",), NodeState.READY),
        ("ALLOCATED", (), NodeState.READY),
        ("IDLE", ("DRAIN",), NodeState.DRAINED),
        ("MIXED", ("DRAIN",), NodeState.DRAINED),
        ("DOWN", ("DRAIN",), NodeState.DOWN),
        ("IDLE", ("DRAIN", "NOT_RESPONDING"), NodeState.DOWN),
        ("IDLE", ("NOT_RESPONDING",), NodeState.DOWN),
        ("DOWN", (), NodeState.DOWN),
        ("UNKNOWN", (), NodeState.DOWN),
    ],
)
def test_states(state: str, flags: tuple[str, ...], expected: NodeState) -> None:
    node = node_of(state=state, flags=frozenset(flags), reason="new fan")
    assert node.state is expected
    if expected is NodeState.READY:
        assert node.reason == ""
    else:
        assert state.lower() in node.reason
        assert "(new fan)" in node.reason


@pytest.mark.parametrize("state", ["DOWN", "INACTIVE", "DRAIN"])
def test_in_a_partition_that_is_closed_nothing_new_starts(state: str) -> None:
    node = node_of(partition=state)
    assert node.state is NodeState.DRAINED
    assert node.reason == f"Slurm: partition main is {state.lower()}"
    assert node_of(partition=state, state="DOWN").state is NodeState.DOWN


OURS = replace(KEPT, name="ours", starts_s=500, ends_s=3000)


@pytest.mark.parametrize(
    ("kept", "reason"),
    [
        ((OURS,), ""),
        ((replace(OURS, ends_s=None),), ""),
        ((), "Slurm: there is no reservation ours now"),
        ((replace(OURS, ends_s=1000),), "Slurm: there is no reservation ours now"),
        ((replace(OURS, starts_s=2000),), "Slurm: reservation ours has not begun"),
        ((replace(OURS, nodes=("n2",)),), "Slurm: it is not in reservation ours"),
    ],
)
def test_of_our_reservation_only_its_nodes_are_offered_while_it_lasts(
    kept: tuple[SlurmReservation, ...], reason: str
) -> None:
    node = node_of(inside="ours", reservations=kept)
    assert node.state is (NodeState.DRAINED if reason else NodeState.READY)
    assert node.reason == reason
    assert reason or node.others == ()


def test_what_others_run_there_is_theirs_until_it_ends() -> None:
    job = make_job(cpus=8, tres={"gres/gpu": 2, "mem": GIB}, ended_s=50)
    used = (Gres("gpu", "h100", 2, (5, 6)),)
    node = node_of(jobs=(job,), gres_used=used, cpus_used=8, memory_used_bytes=GIB)
    assert node.others == (Foreign("Slurm job 7", ("n1-gpu5", "n1-gpu6"), 8, GIB, 50 * NS),)


def test_ours_is_not_counted_again() -> None:
    used = (Gres("gpu", "h100", 2, (0, 1)),)
    mine = make_job(id=5, cpus=16, tres={"gres/gpu": 2, "mem": 2 * GIB}, ended_s=9)
    seen = {"jobs": (mine,), "gres_used": used, "cpus_used": 16, "memory_used_bytes": 2 * GIB}
    node = node_of(held=(MINE,), **seen)
    (surplus,) = node.others
    assert surplus.devices == ()
    assert (surplus.cpus, surplus.memory_bytes, surplus.ends_at_ns) == (12, GIB, 9 * NS)
    assert "j1" in surplus.name


@pytest.mark.parametrize(
    "mine", [(), (make_job(id=5, state="PENDING"),), (make_job(id=5, state="COMPLETED"),)]
)
def test_what_others_hold_is_theirs_before_slurm_starts_ours(mine: tuple[SlurmJob, ...]) -> None:
    """What Slurm says is taken has nothing of ours in it yet, or no more."""
    used = (Gres("gpu", "h100", 4, (0, 1, 2, 3)),)
    held = (Held(Grant("n1", tuple(f"n1-gpu{n}" for n in range(4, 8)), 32, GIB), 32, GIB, "j1", 5),)
    seen = {"gres_used": used, "cpus_used": 32, "memory_used_bytes": GIB}
    node = node_of(held=held, jobs=mine, **seen)
    (foreign,) = (one for one in node.others if one.name == "Slurm")
    assert foreign.devices == ("n1-gpu0", "n1-gpu1", "n1-gpu2", "n1-gpu3")
    assert (foreign.cpus, foreign.memory_bytes) == (32, GIB)


def test_surplus_is_only_what_slurm_still_runs() -> None:
    assert node_of(held=(MINE,)).others == ()
    assert node_of(held=(MINE,), jobs=(make_job(id=5, state="COMPLETED"),)).others == ()
    assert node_of(held=(MINE._replace(job=None),)).others == ()


def test_others_never_get_a_device_of_ours_where_slurm_gives_any() -> None:
    """Slurm's indices are not those of the plan: it says 0, and that is one of others here."""
    used = (Gres("gpu", "h100", 4, (0, 1, 2, 3)),)
    jobs = (make_job(tres={"gres/gpu": 2}), make_job(id=5))
    node = node_of(held=(MINE,), jobs=jobs, gres_used=used)
    (foreign,) = (one for one in node.others if one.name == "Slurm job 7")
    assert foreign.devices == ("n1-gpu2", "n1-gpu3")


def test_single_ones_of_others_are_just_these() -> None:
    gres, used = indexed(0, 1, 2, 3), (*indexed(0, 2, count=0), *indexed(1, 3))
    held = (Held(Grant("n1", ("n1-gpu3",), 1, 0), 1, 0, "j1", 5),)
    jobs = (make_job(tres={"gres/gpu": 1}), make_job(id=5))
    node = node_of(held=held, gres=gres, gres_used=used, jobs=jobs)
    assert [one.devices for one in node.others] == [("n1-gpu1",)]


def test_a_number_may_be_missing_among_single_ones() -> None:
    node = node_of(
        gres=indexed(0, 2, 3), gres_used=indexed(2), jobs=(make_job(tres={"gres/gpu": 1}),)
    )
    assert [device.id for device in node.devices] == ["n1-gpu0", "n1-gpu1", "n1-gpu2"]
    assert [one.devices for one in node.others] == [("n1-gpu1",)]


def test_a_job_on_two_nodes_has_half_of_its_sum_on_each_and_never_more_than_is_taken() -> None:
    job = make_job(nodes=("n1", "n2"), cpus=9, tres={"gres/gpu": 4, "mem": 2 * GIB})
    used = (Gres("gpu", "h100", 1, (7,)),)
    node = node_of(jobs=(job,), cpus_used=3, memory_used_bytes=4 * GIB, gres_used=used)
    first, rest = node.others
    assert (first.devices, first.cpus, first.memory_bytes) == (("n1-gpu7",), 3, GIB)
    assert (rest.name, rest.cpus, rest.memory_bytes) == ("Slurm", 0, 3 * GIB)


def test_without_accounting_of_gpus_what_it_asked_for_counts() -> None:
    job = make_job(asked_gres=(Gres("gpu", "", 3),))
    node = node_of(jobs=(job,), gres_used=(Gres("gpu", "h100", 3),))
    assert len(node.others[0].devices) == 3


@pytest.mark.parametrize("state", ["PENDING", "COMPLETED"])
def test_who_does_not_run_holds_nothing(state: str) -> None:
    assert node_of(jobs=(make_job(state=state, cpus=4),)).others == ()


def test_a_reservation_of_others_keeps_the_node_from_its_start_on() -> None:
    (kept,) = node_of(reservations=(KEPT,)).others
    assert kept.is_reservation
    assert (kept.name, kept.starts_at_ns, kept.ends_at_ns) == (
        "Slurm reservation course", 2000 * NS, 3000 * NS,
    )  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"flags": frozenset({"MAINT", "IGNORE_JOBS"})},
        {"starts_s": 10, "ends_s": 1000},
        {"starts_s": None},
        {"nodes": ("n9",)},
    ],
)
def test_a_reservation_that_keeps_nothing_from_us(changes: dict[str, object]) -> None:
    assert node_of(reservations=(replace(KEPT, **changes),)).others == ()  # type: ignore[arg-type]


def test_where_a_node_is_reached() -> None:
    assert node_of().address == "10.0.0.1"
    assert node_of(address="").address == "n1"


def test_slurm_gives_whole_gpus_only() -> None:
    assert node_of().whole_gpus_only


@pytest.mark.parametrize(
    ("kinds", "has_same_gpus"),
    [
        ((indexed(0, 1), indexed(0, 1)), True),
        ((indexed(0, 1), ()), True),
        ((indexed(0, 1), (Gres("gpu", "h100", 2),)), False),
    ],
)
def test_slurm_gives_the_nodes_of_a_gang_the_same(
    kinds: tuple[tuple[Gres, ...], ...], has_same_gpus: bool
) -> None:
    look = look_at(*(make_node(name=f"n{n}", gres=gres) for n, gres in enumerate(kinds)))
    for node in make_nodes(look, SlurmSettings(), {}, 1000):
        assert node.gang_terms == GangTerms(is_alike=True, has_same_gpus=has_same_gpus)


def test_pilots_say_how_many_nodes_they_hold_at_a_time_and_set_no_other_terms() -> None:
    (node,) = make_pilot_nodes(look_at(make_node()), PilotSettings(SlurmSettings(), 3), {}, {}, 0.0)
    assert node.gang_terms == GangTerms(nodes_max=3)
    assert not node.whole_gpus_only
