"""Every verb of Slurm's command line, on a real Slurm."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from time import time

import pytest

from quarterdeck.adapters.engines.slurm.commands import SlurmCommands
from quarterdeck.adapters.engines.slurm.failures import Cause, SlurmRefused
from quarterdeck.adapters.engines.slurm.records import Gres, SlurmJob
from quarterdeck.adapters.engines.slurm.requests import BatchRequest
from quarterdeck.basics.errors import Invalid, Unavailable
from tests.slurm.cluster import SlurmCluster, running_slurm
from tests.slurm.config import ClusterOptions

pytestmark = pytest.mark.needs_slurm

SLEEP = BatchRequest("#!/bin/sh\nsleep 600\n", output="/dev/null", folder="/")


def commands_of(cluster: SlurmCluster, *, timeout_s: float = 30.0) -> SlurmCommands:
    return SlurmCommands(config=cluster.config, programs=cluster.programs, timeout_s=timeout_s)


@pytest.fixture
def commands(slurm: SlurmCluster) -> SlurmCommands:
    return commands_of(slurm)


def find_job(commands: SlurmCommands, job_id: int) -> SlurmJob:
    listing = commands.list_jobs()
    assert listing.skipped == 0
    (job,) = (job for job in listing.items if job.id == job_id)
    return job


def test_a_submitted_job_is_listed_as_it_was_asked_for(
    slurm: SlurmCluster, commands: SlurmCommands
) -> None:
    before = int(time())
    request = replace(
        SLEEP,
        name="qd j-1, x|y",
        comment="qd:a=1;b=2 c",
        partition="short",
        nodes=("n003", "n004"),
        tasks_per_node=1,
        cpus_per_task=4,
        memory_bytes=(1 << 30) + 1,
        gres="gpu:h100:2",
        time_limit_s=61,
    )
    job_id = commands.submit(request)
    slurm.wait_for_state(job_id, "RUNNING")
    job = find_job(commands, job_id)
    assert (job.name, job.comment) == (request.name, request.comment)
    assert (job.state, job.reason, job.partition) == ("RUNNING", "", "short")
    assert job.nodes == ("n003", "n004")
    assert job.asked_gres == (Gres("gpu", "h100", 2),)
    assert (job.cpus, job.memory_bytes, job.time_limit_s) == (8, 1025 * 2 << 20, 120)
    assert job.started_s is not None
    assert before <= job.started_s <= time()
    assert job.ended_s == job.started_s + 120
    assert (job.array_id, job.array_task, job.restarts) == (0, "", 0)
    assert not job.has_ended


def test_the_devices_that_are_taken_are_told_by_node(
    slurm: SlurmCluster, commands: SlurmCommands
) -> None:
    first = commands.submit(replace(SLEEP, nodes=("n001",), gres="gpu:h100:3"))
    slurm.wait_for_state(first, "RUNNING")
    second = commands.submit(replace(SLEEP, nodes=("n001", "n002"), gres="gpu:2"))
    slurm.wait_for_state(second, "RUNNING")
    used = {node.name: node.gres_used for node in commands.list_nodes().items}
    assert used["n001"] == (Gres("gpu", "h100", 5, (0, 1, 2, 3, 4)),)
    assert used["n002"] == (Gres("gpu", "h100", 2, (0, 1)),)
    assert used["n003"] == (Gres("gpu", "h100", 0),)


def test_what_somebody_calls_a_job_does_not_hide_or_invent_another(
    slurm: SlurmCluster, commands: SlurmCommands
) -> None:
    name = "a\nb|c~d\x1f 999999~0~x"
    job_id = slurm.submit("sleep 600", f"--job-name={name}", "--comment=(x), y")
    job = find_job(commands, job_id)
    assert (job.name, job.comment) == (name, "(x), y")
    assert 999999 not in {job.id for job in commands.list_jobs().items}


def test_an_array_that_waits_is_one_line(slurm: SlurmCluster, commands: SlurmCommands) -> None:
    first = slurm.submit("sleep 600", "--array=0-5%1")
    slurm.wait_for_state(first, "RUNNING\nPENDING", "PENDING\nRUNNING")
    tasks = {j.array_task: j.state for j in commands.list_jobs().items if j.array_id == first}
    assert tasks == {"0": "RUNNING", "1-5%1": "PENDING"}


def test_how_a_job_ended_is_told(slurm: SlurmCluster, commands: SlurmCommands) -> None:
    failed = commands.submit(replace(SLEEP, script="#!/bin/sh\nexit 3\n"))
    killed = commands.submit(replace(SLEEP, script="#!/bin/sh\nkill -9 $$\n"))
    for job_id in (failed, killed):
        slurm.wait_for_state(job_id, "FAILED")
    job = find_job(commands, failed)
    assert (job.exit_code, job.exit_signal, job.reason) == (3, 0, "NonZeroExitCode")
    assert job.has_ended
    job = find_job(commands, killed)
    assert (job.exit_code, job.exit_signal) == (0, 9)


def test_cancelled_is_gone_and_cancelling_again_is_no_error(
    slurm: SlurmCluster, commands: SlurmCommands
) -> None:
    ids = [commands.submit(SLEEP) for _ in range(3)]
    slurm.wait_for_state(ids[0], "RUNNING")
    commands.cancel([*ids, 900_001])
    for job_id in ids:
        assert slurm.wait_for_state(job_id, "CANCELLED")
    commands.cancel(ids)
    commands.cancel([])


def test_a_job_gets_the_least_of_our_environment_and_no_login_is_asked_for_more(
    slurm: SlurmCluster, commands: SlurmCommands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SBATCH_PARTITION", "nowhere")
    monkeypatch.setenv("QD_SECRET", "told")
    said = tmp_path / "said"
    job_id = commands_of(slurm).submit(replace(SLEEP, script="#!/bin/sh\nenv\n", output=str(said)))
    slurm.wait_for_state(job_id, "COMPLETED")
    names = {line.partition("=")[0] for line in said.read_text().splitlines()}
    assert "SLURM_JOB_ID" in names
    others = {name for name in names if not name.startswith("SLURM")}
    assert others <= {"PATH", "HOME", "USER", "LOGNAME", "PWD", "TMPDIR", "ENVIRONMENT", "HOSTNAME"}
    assert "SLURM_TIME_FORMAT" not in names


def test_nodes_are_told_with_what_they_have(slurm: SlurmCluster, commands: SlurmCommands) -> None:
    slurm.ask("scontrol", "update", "nodename=n006", "state=drain", "reason=bad disk State=IDLE")
    try:
        listing = commands.list_nodes()
    finally:
        slurm.ask("scontrol", "update", "nodename=n006", "state=resume")
    assert listing.skipped == 0
    nodes = {node.name: node for node in listing.items}
    assert tuple(nodes) == slurm.options.names
    node = nodes["n001"]
    assert (node.cpus, node.memory_bytes) == (64, 500_000 << 20)
    assert node.gres == (Gres("gpu", "h100", 8),)
    assert (node.address, node.features) == ("127.0.0.1", ("h100", "rack0"))
    assert node.partitions == ("main", "short", "spot")
    assert (node.state, node.flags, node.may_run) == ("IDLE", frozenset(), True)
    assert node.booted_s is not None
    assert node.version.count(".") == 2
    drained = nodes["n006"]
    assert (drained.state, drained.may_run) == ("IDLE", False)
    assert drained.flags == {"DRAIN"}
    assert drained.reason.startswith("bad disk")


def test_partitions_reservations_topology_and_settings(
    slurm: SlurmCluster, commands: SlurmCommands
) -> None:
    assert commands.list_reservations().items == ()
    slurm.ask(
        *("scontrol", "create", "reservation", "reservationname=service", "starttime=now+3600"),
        *("duration=10", "nodes=n005,n006", "users=root", "flags=maint"),
    )
    try:
        (reservation,) = commands.list_reservations().items
    finally:
        slurm.ask("scontrol", "delete", "reservation=service")
    assert (reservation.name, reservation.nodes) == ("service", ("n005", "n006"))
    assert (reservation.users, reservation.state) == (("root",), "INACTIVE")
    assert "MAINT" in reservation.flags
    assert reservation.starts_s is not None
    assert reservation.ends_s == reservation.starts_s + 600

    partitions = {partition.name: partition for partition in commands.list_partitions().items}
    assert partitions["main"].is_default
    assert partitions["main"].time_limit_s is None
    assert partitions["short"].time_limit_s == 600
    assert partitions["short"].nodes == slurm.options.names

    switches = {switch.name: switch for switch in commands.show_topology().items}
    assert switches["rack1"].nodes == ("n003", "n004")
    assert switches["unit0"].switches == ("rack0", "rack1")
    assert switches["spine"].level == 2

    config = commands.show_config()
    assert (config["ClusterName"], config["MinJobAge"]) == ("practice", "300 sec")
    assert commands.version().major >= 20


@pytest.mark.parametrize(
    ("wish", "cause"),
    [
        ({"partition": "nowhere"}, Cause.PARTITION),
        ({"nodes": ("n001", "n999")}, Cause.NODES),
        ({"gres": "gpu:9"}, Cause.NEVER_FITS),
        ({"gres": "gpu:a100:1"}, Cause.NEVER_FITS),
        ({"gres": "tpu:1"}, Cause.GRES),
        ({"memory_bytes": 1 << 50}, Cause.NEVER_FITS),
        ({"cpus_per_task": 100, "nodes": ("n001",)}, Cause.NEVER_FITS),
        ({"constraint": "nothing"}, Cause.NEVER_FITS),
        ({"reservation": "nobodys"}, Cause.RESERVATION),
    ],
)
def test_slurm_says_no_and_we_know_why(
    commands: SlurmCommands, wish: dict[str, object], cause: Cause
) -> None:
    with pytest.raises(SlurmRefused) as refused:
        commands.submit(replace(SLEEP, **wish))  # type: ignore[arg-type]
    assert refused.value.cause is cause
    assert refused.value.hint


def test_values_that_slurm_must_not_see_do_not_reach_it(commands: SlurmCommands) -> None:
    with pytest.raises(Invalid, match="partition"):
        commands.submit(replace(SLEEP, partition="main --uid=0"))


def test_without_accounting_the_ended_are_not_known(commands: SlurmCommands) -> None:
    with pytest.raises(SlurmRefused) as refused:
        commands.ended_jobs([1])
    assert refused.value.cause is Cause.NO_ACCOUNTING


def test_a_full_cluster_and_one_that_is_away_are_the_worlds_turn() -> None:
    with running_slurm(ClusterOptions(nodes=1, max_job_count=4)) as cluster:
        commands = commands_of(cluster, timeout_s=3)
        for _ in range(3):
            commands.submit(replace(SLEEP, is_held=True))
        with pytest.raises(Unavailable, match="temporarily unable") as full:
            commands.submit(replace(SLEEP, is_held=True))
        assert "MaxJobCount" in full.value.hint
        cluster.stop_controller()
        with pytest.raises(Unavailable, match=r"slurm controller|did not answer"):
            commands.list_jobs()


def test_no_programs_and_no_configuration_are_told(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"there is no .*slurm\.conf"):
        SlurmCommands(config=tmp_path / "slurm.conf").list_nodes()
    with pytest.raises(Unavailable, match="there is no squeue"):
        SlurmCommands(programs=tmp_path).list_jobs()
