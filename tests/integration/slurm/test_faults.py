"""What can go wrong between our plan and a real Slurm, and what is told of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest

from quarterdeck.adapters.engines.slurm import desk
from quarterdeck.adapters.engines.slurm.settings import SlurmSettings
from quarterdeck.core.cluster.hardware import Node, NodeState
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.states import ReplicaState
from quarterdeck.ports.engine import AttemptRef
from quarterdeck.testing.conformance.engine import Behaviour
from tests.contract.slurm_ground import SlurmGround
from tests.integration.slurm.sights import OTHER_USER, are, ref, seen, states, tells_of
from tests.slurm.cluster import SlurmCluster, running_slurm
from tests.slurm.config import ClusterOptions

pytestmark = pytest.mark.needs_slurm

LASTING = Behaviour(lasts=True)


@pytest.fixture
def ground(slurm: SlurmCluster, tmp_path: Path) -> Iterator[SlurmGround]:
    made = SlurmGround(slurm, tmp_path)
    yield made
    made.close()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[SlurmGround]:
    """A cluster whose daemons a test may end."""
    with running_slurm(ClusterOptions(nodes=2)) as cluster:
        made = SlurmGround(cluster, tmp_path)
        yield made
        made.close()


def start(ground: SlurmGround, number: int = 1, *, line: str = "", nodes: int = 1) -> AttemptRef:
    of = ref(number)
    ground.engine.launch(ground.order(of, LASTING, nodes=nodes, line=line))
    ground.until(are(ground, of, ReplicaState.STARTED))
    return of


def test_a_job_that_somebody_cancels_in_slurm_has_not_succeeded(ground: SlurmGround) -> None:
    of = start(ground, nodes=2)
    (job,) = ground.cluster.ask("squeue", "-h", "-o", "%A").split()
    ground.cluster.ask("scancel", job)
    ground.until(are(ground, of, ReplicaState.EXITED))
    assert {sight.reason for sight in seen(ground, of)} == {Reason.STOPPED_AT_SITE}
    assert "CANCELLED" in seen(ground, of)[0].message
    assert ground.count_living(of) == 0


def test_a_job_that_slurm_takes_the_nodes_of_was_preempted(
    slurm: SlurmCluster, tmp_path: Path
) -> None:
    ground = SlurmGround(slurm, tmp_path, SlurmSettings(partition="spot", poll_s=0.2))
    of = start(ground)
    node = ground.engine.list_nodes()[0].name
    slurm.submit("sleep 30", "--partition=main", f"--nodelist={node}", "--exclusive")
    ground.until(are(ground, of, ReplicaState.EXITED))
    assert [sight.reason for sight in seen(ground, of)] == [Reason.PREEMPTED]
    ground.close()


def test_the_controller_may_go_and_come_back(own: SlurmGround) -> None:
    of = start(own)
    own.cluster.wait_until_kept()
    own.cluster.kill_controller()
    waiting = own.order(ref(2), Behaviour())
    own.until(lambda: bool(own.engine.observe()) and bool(own.engine.problem))
    assert "slurmctld" in own.engine.problem
    own.engine.launch(waiting)
    assert states(own, of) == {ReplicaState.STARTED}
    own.cluster.start_controller()
    own.until(are(own, waiting.ref, ReplicaState.EXITED))
    assert own.engine.problem == ""
    assert states(own, of) == {ReplicaState.STARTED}
    assert own.count_starts(of) == own.count_starts(waiting.ref) == 1


def test_when_slurm_is_lost_on_a_node_what_it_ran_ends_by_itself(own: SlurmGround) -> None:
    """Slurm would notice after a minute, and let the processes live on."""
    of = start(own)
    own.cluster.kill_node(own.engine.list_nodes()[0].name, jobs_too=False)
    own.until(are(own, of, ReplicaState.LOST))
    assert seen(own, of)[0].reason is Reason.NODE_FAILURE
    own.until(lambda: own.count_living(of) == 0)


def test_a_runner_that_falls_silent_is_lost_and_what_it_does_later_is_refused(
    ground: SlurmGround,
) -> None:
    """As on a node that is cut off: it cannot be reached, and goes on."""
    ground.restart(SlurmSettings(poll_s=0.2, silence_s=2.0))
    folder = ground.paths.root.parent
    line = (
        f"while [ ! -e {folder}/again ]; do sleep 0.1; done; "
        "echo late > $QD_CHECKPOINT/model || echo refused >> $REFUSED; "
        "mkdir -p $QD_RESULTS && echo late > $QD_RESULTS/model || echo refused >> $REFUSED"
    )
    refused = folder / "refused"
    of = start(ground, line=line.replace("$REFUSED", str(refused)))
    runner = ground.runner_pid(of)
    ground.break_down("down")
    os.kill(runner, signal.SIGSTOP)
    try:
        ground.until(are(ground, of, ReplicaState.LOST))
        assert "said nothing" in seen(ground, of)[0].message
        (folder / "again").touch()
        ground.until(lambda: refused.exists() and refused.read_text() == "refused\n" * 2)
    finally:
        os.kill(runner, signal.SIGCONT)
        ground.mend()
    ground.until(lambda: ground.count_living(of) == 0)
    assert not list((ground.paths.root / "checkpoints").rglob("model"))
    assert not list((ground.paths.root / "results").rglob("model"))
    ground.restart()
    assert states(ground, of) == {ReplicaState.LOST}


def test_a_node_that_its_admin_drains_gets_nothing_new_and_keeps_what_runs(
    ground: SlurmGround,
) -> None:
    of = start(ground)
    node = ground.engine.list_nodes()[0].name
    update = ("scontrol", "update", f"NodeName={node}")
    ground.cluster.ask(*update, "State=DRAIN", "Reason=new fan")
    try:
        ground.until(lambda: _look(ground)[0].state is NodeState.DRAINED)
        assert "new fan" in ground.engine.list_nodes()[0].reason
        assert states(ground, of) == {ReplicaState.STARTED}
    finally:
        ground.cluster.ask(*update, "State=RESUME")
    ground.until(lambda: _look(ground)[0].state is NodeState.READY)


def test_what_others_run_is_busy_until_it_ends(ground: SlurmGround) -> None:
    of = start(ground)
    node = ground.engine.list_nodes()[0].name
    options = (f"--nodelist={node}", "--gres=gpu:4", "--cpus-per-task=16", "--mem=1000M")
    job = ground.cluster.submit("sleep 60", *options, "--time=5", user=OTHER_USER)
    ground.until(lambda: f"Slurm job {job}" in {one.name for one in _look(ground)[0].others})
    told = next(one for one in ground.engine.list_nodes()[0].others if str(job) in one.name)
    assert (len(told.devices), told.cpus, told.memory_bytes) == (4, 16, 1000 << 20)
    assert told.ends_at_ns is not None
    mine = {device for grant in ground.granted(of) for device in grant.devices}
    assert not mine & set(told.devices)


def test_a_reservation_for_others_is_kept_free(ground: SlurmGround) -> None:
    node = ground.engine.list_nodes()[1].name
    ground.cluster.ask(
        *("scontrol", "create", "reservation", "ReservationName=course", "StartTime=now+1hour"),
        *("Duration=60", f"Nodes={node}", "Users=nobody"),
    )
    try:
        ground.restart()
        (kept,) = ground.engine.list_nodes()[1].others
        assert (kept.name, kept.is_reservation) == ("Slurm reservation course", True)
        assert ground.engine.list_nodes()[0].others == ()
    finally:
        ground.cluster.ask("scontrol", "delete", "ReservationName=course")


@pytest.mark.needs_slurmdbd
def test_a_limit_of_the_account_is_waited_for_and_an_account_without_rights_is_told(
    tmp_path: Path,
) -> None:
    with running_slurm(ClusterOptions(nodes=2, has_accounting=True)) as cluster:
        ground = SlurmGround(cluster, tmp_path)
        modify = ("sacctmgr", "-i", "modify", "account", "lab", "set")
        cluster.ask(*modify, "maxsubmitjobs=0")
        ground.engine.launch(ground.order(ref(), Behaviour()))
        ground.until(ground.has_asked())
        assert states(ground, ref()) == {ReplicaState.PENDING}
        cluster.ask(*modify, "maxsubmitjobs=-1")
        ground.until(are(ground, ref(), ReplicaState.EXITED))
        assert ground.count_starts(ref()) == 1

        ground.restart(SlurmSettings(account="nobodys", poll_s=0.2))
        ground.engine.launch(ground.order(ref(2), Behaviour()))
        ground.until(tells_of(ground, "Invalid account"))
        assert states(ground, ref(2)) == {ReplicaState.PENDING}
        assert cluster.ask("squeue", "-h") == ""
        ground.close()


@pytest.mark.needs_slurmdbd
def test_a_limit_on_what_an_account_runs_is_waited_for_beyond_all_patience(tmp_path: Path) -> None:
    with running_slurm(ClusterOptions(nodes=2, has_accounting=True)) as cluster:
        ground = SlurmGround(cluster, tmp_path, SlurmSettings(patience_s=4.0, poll_s=0.2))
        cluster.ask("sacctmgr", "-i", "modify", "account", "lab", "set", "maxjobs=1")
        of = start(ground)
        ground.engine.launch(ground.order(ref(2), LASTING))
        cluster.wait_for(lambda: "Assoc" in cluster.ask("squeue", "-h", "-o", "%r"), "the limit")
        beyond_s = monotonic() + 5.0
        while monotonic() < beyond_s:
            ground.until(ground.has_asked())
        assert states(ground, ref(2)) == {ReplicaState.PENDING}
        ground.engine.stop(of, 0.0)
        ground.until(are(ground, ref(2), ReplicaState.STARTED))
        ground.close()


def test_what_slurm_refuses_the_whole_site_for_fails_no_job_and_is_told(
    slurm: SlurmCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground = SlurmGround(slurm, tmp_path, SlurmSettings(poll_s=0.2))
    slurm.ask("scontrol", "update", "PartitionName=main", "State=INACTIVE")
    try:
        ground.engine.launch(ground.order(ref(), Behaviour()))
        ground.until(ground.has_asked())
        assert states(ground, ref()) == {ReplicaState.PENDING}
        assert "partition not available" in ground.engine.problem
        assert "`sinfo -s` lists the partitions" in ground.engine.problem
        assert {node.state for node in ground.engine.list_nodes()} == {NodeState.READY}
        monkeypatch.setattr(desk, "AWAY_S", 0.0)
        for node in ground.engine.list_nodes():
            assert (node.state, node.reason) == (NodeState.DRAINED, ground.engine.problem)
        ground.restart()  # As the partition was looked at now, its nodes are told to be closed.
        for node in ground.engine.list_nodes():
            assert (node.state, node.reason) == (
                NodeState.DRAINED,
                "Slurm: partition main is inactive",
            )
    finally:
        slurm.ask("scontrol", "update", "PartitionName=main", "State=UP")
    ground.until(are(ground, ref(), ReplicaState.EXITED))
    assert ground.engine.problem == ""
    assert ground.count_starts(ref()) == 1
    ground.close()


def test_jobs_of_a_site_go_to_its_reservation_and_nowhere_else(
    slurm: SlurmCluster, tmp_path: Path
) -> None:
    ground = SlurmGround(slurm, tmp_path, SlurmSettings(reservation="ours", poll_s=0.2))
    assert {node.state for node in ground.engine.list_nodes()} == {NodeState.DRAINED}
    first, *others = (node.name for node in ground.engine.list_nodes())
    slurm.ask(
        *("scontrol", "create", "reservation", "ReservationName=ours", "StartTime=now"),
        *("Duration=60", f"Nodes={first}", "Users=root"),
    )
    try:
        ground.restart()
        found = {node.name: node.state for node in ground.engine.list_nodes()}
        assert found == {first: NodeState.READY, **dict.fromkeys(others, NodeState.DRAINED)}
        ground.engine.launch(ground.order(ref(), Behaviour()))
        ground.until(are(ground, ref(), ReplicaState.EXITED))
        assert ground.count_starts(ref()) == 1
        ground.close()
    finally:
        slurm.wait_for(lambda: not slurm.ask("squeue", "-h"), "the end of all jobs")
        slurm.ask("scontrol", "delete", "ReservationName=ours")


def test_a_node_without_the_runners_python_says_so(slurm: SlurmCluster, tmp_path: Path) -> None:
    ground = SlurmGround(slurm, tmp_path, SlurmSettings(python="/no/python9", poll_s=0.2))
    ground.engine.launch(ground.order(ref(), Behaviour()))
    ground.until(are(ground, ref(), ReplicaState.EXITED))
    (sight,) = seen(ground, ref())
    assert sight.reason is Reason.SETUP_FAILED
    assert "/no/python9" in sight.message
    used, *others = ground.engine.list_nodes()
    assert (used.state, used.reason) == (NodeState.DRAINED, sight.message)
    assert {node.state for node in others} == {NodeState.READY}
    ground.close()


def test_what_slurm_does_not_start_goes_back_into_the_queue(
    slurm: SlurmCluster, tmp_path: Path
) -> None:
    """The plan saw room; somebody else was quicker."""
    ground = SlurmGround(slurm, tmp_path, SlurmSettings(patience_s=1.0, poll_s=0.2))
    slurm.submit("sleep 60", "--exclusive", "--nodes=6")
    slurm.wait_for(lambda: slurm.ask("squeue", "-h", "-t", "R"), "a job that runs")
    ground.engine.launch(ground.order(ref(), LASTING))
    ground.until(are(ground, ref(), ReplicaState.EXITED))
    assert seen(ground, ref())[0].reason is Reason.PREEMPTED
    slurm.wait_for(lambda: len(slurm.ask("squeue", "-h").splitlines()) == 1, "one job")
    ground.close()


def test_a_job_without_a_limit_ends_before_its_partition_does(
    slurm: SlurmCluster, tmp_path: Path
) -> None:
    ground = SlurmGround(slurm, tmp_path, SlurmSettings(partition="short", poll_s=0.2))
    of = start(ground)
    order = ground.read_order(of)
    assert order["time_limit_s"] == 600 - 30 - 120
    assert "short" in slurm.ask("squeue", "-h", "-o", "%P %l")
    ground.close()


def test_nodes_are_reckoned_once_for_each_look_and_each_change_of_ours(ground: SlurmGround) -> None:
    """For a large cluster it takes a while, and they are asked for five times a second."""
    first = ground.engine.list_nodes()
    assert ground.engine.list_nodes() is first
    ground.engine.launch(ground.order(ref(), Behaviour()))
    second = ground.engine.list_nodes()
    assert second is not first
    assert ground.engine.list_nodes() is second
    ground.until(are(ground, ref(), ReplicaState.EXITED))
    ground.until(lambda: _look(ground) is not second)
    third = ground.engine.list_nodes()
    ground.engine.forget([ref()])
    assert ground.engine.list_nodes() is not third


def _look(ground: SlurmGround) -> tuple[Node, ...]:
    ground.engine.observe()
    return ground.engine.list_nodes()
