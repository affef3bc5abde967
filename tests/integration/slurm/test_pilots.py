"""Pilots on a real Slurm: they come with the queue, go when they are idle, and are found again."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from quarterdeck.basics.errors import Invalid
from quarterdeck.core.cluster.demand import Grant
from quarterdeck.core.cluster.hardware import Node, NodeState
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.spec import JobSpec
from quarterdeck.core.jobs.states import ReplicaState
from quarterdeck.ports.engine import AttemptRef, LaunchOrder
from quarterdeck.testing.conformance.engine import Behaviour
from tests.contract.slurm_ground import PILOTS, PilotGround
from tests.integration.slurm.sights import OTHER_USER, are, ref, seen, tells_of
from tests.slurm.cluster import SlurmCluster, running_slurm
from tests.slurm.config import ClusterOptions

pytestmark = pytest.mark.needs_slurm

QUICK, LASTING = Behaviour(), Behaviour(lasts=True)


@pytest.fixture
def ground(slurm: SlurmCluster, tmp_path: Path) -> Iterator[PilotGround]:
    made = PilotGround(slurm, tmp_path)
    yield made
    made.close()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[PilotGround]:
    """A cluster whose daemons a test may end."""
    with running_slurm(ClusterOptions(nodes=2)) as cluster:
        made = PilotGround(cluster, tmp_path)
        yield made
        made.close()


def start(ground: PilotGround, number: int = 1, *, nodes: int = 1, line: str = "") -> AttemptRef:
    of = ref(number)
    ground.engine.launch(ground.order(of, LASTING, nodes=nodes, line=line))
    ground.until(are(ground, of, ReplicaState.STARTED))
    return of


def on(ground: PilotGround, number: int, *grants: Grant, **spec: object) -> AttemptRef:
    of = ref(number)
    line = spec.pop("line", "while :; do sleep 1000; done")
    made = replace(JobSpec(("sh", "-c", str(line))), **spec)  # type: ignore[arg-type]
    ground.engine.launch(LaunchOrder(of, made, grants))
    return of


def nodes_of(ground: PilotGround) -> dict[str, Node]:
    ground.engine.observe()
    return {node.name: node for node in ground.engine.list_nodes()}


def ready(ground: PilotGround) -> list[str]:
    return [node.name for node in nodes_of(ground).values() if node.state is NodeState.READY]


def logged(ground: PilotGround, of: AttemptRef, rank: int = 0) -> str:
    path = ground.paths.replica(of, rank) / "log"
    return path.read_text() if path.exists() else ""


def test_many_jobs_share_a_pilot_and_a_node_has_one(ground: PilotGround) -> None:
    for number in range(1, 9):
        on(ground, number, Grant("n002", (f"n002-gpu{number - 1}",)))
    for number in range(1, 9):
        ground.until(are(ground, ref(number), ReplicaState.STARTED))
    assert ground.pilots() == ["n002"]


def test_only_so_many_nodes_are_offered_as_may_be_held(ground: PilotGround) -> None:
    ground.restart(replace(PILOTS, nodes_max=2))
    assert ready(ground) == ["n001", "n002"]
    on(ground, 1, Grant("n002", ("n002-gpu0",)))
    assert ready(ground) == ["n001", "n002"]
    ground.until(are(ground, ref(1), ReplicaState.STARTED))
    assert ready(ground) == ["n001", "n002"]
    assert "nodes_max is 2" in nodes_of(ground)["n003"].reason


def test_a_node_of_which_others_have_a_part_is_wholly_theirs(ground: PilotGround) -> None:
    job = ground.cluster.submit("sleep 1000", "-w", "n003", "-n1", "-t", "10", user=OTHER_USER)
    ground.cluster.wait_for_state(job, "RUNNING")
    ground.until(lambda: bool(nodes_of(ground)["n003"].others))
    node = nodes_of(ground)["n003"]
    (other,) = node.others
    assert set(other.devices) == {device.id for device in node.devices}
    assert (other.cpus, other.memory_bytes) == (node.cpus, node.memory_bytes)
    assert other.ends_at_ns is not None
    ground.restart(replace(PILOTS, nodes_max=2))
    assert ready(ground) == ["n001", "n002", "n003"]  # Offered as it will be: full of others.


def test_an_idle_pilot_gives_its_node_back_and_one_with_work_does_not(ground: PilotGround) -> None:
    ground.restart(replace(PILOTS, idle_s=0.5))
    start(ground, 1)
    quick = on(ground, 2, Grant("n002", ("n002-gpu0",)), line="true")
    ground.until(are(ground, quick, ReplicaState.EXITED))
    ground.until(lambda: bool(ground.engine.observe()) and ground.pilots() == ["n001"])
    again = on(ground, 3, Grant("n002", ("n002-gpu0",)), line="true")
    ground.until(are(ground, again, ReplicaState.EXITED))
    assert seen(ground, again)[0].exits[0].code == 0
    assert are(ground, ref(1), ReplicaState.STARTED)()


def test_so_many_as_are_to_be_kept_are_held_without_work(ground: PilotGround) -> None:
    ground.restart(replace(PILOTS, nodes_min=2, idle_s=0.3))
    ground.until(lambda: bool(ground.engine.observe() == []) and len(ground.pilots()) == 2)
    of = on(ground, 1, Grant("n005", ("n005-gpu0",)), line="true")
    ground.until(are(ground, of, ReplicaState.EXITED))
    ground.until(lambda: bool(ground.engine.observe()) and len(ground.pilots()) == 2)


def test_what_is_stopped_before_its_pilot_begins_takes_the_pilot_back(ground: PilotGround) -> None:
    ground.cluster.submit("sleep 1000", "-w", "n001", "--exclusive")
    of = on(ground, 1, Grant("n001", ("n001-gpu0",)))
    ground.until(lambda: bool(ground.engine.observe()) and len(ground.pilots()) == 1)
    ground.engine.stop(of, 10.0)
    assert seen(ground, of)[0].state is ReplicaState.EXITED
    ground.until(lambda: bool(ground.engine.observe()) and ground.pilots() == [])
    assert nodes_of(ground)["n001"].state is NodeState.READY


def test_a_node_that_slurm_does_not_give_is_not_tried_again_at_once(ground: PilotGround) -> None:
    ground.restart(replace(PILOTS, slurm=replace(PILOTS.slurm, patience_s=3.0)))
    job = ground.cluster.submit("sleep 1000", "-w", "n001", "--exclusive")
    of = on(ground, 1, Grant("n001", ("n001-gpu0",)))
    ground.until(are(ground, of, ReplicaState.EXITED))
    (sight,) = seen(ground, of)
    assert (sight.reason, "did not give n001" in sight.message) == (Reason.PREEMPTED, True)
    ground.cluster.ask("scancel", str(job))
    ground.until(lambda: nodes_of(ground)["n001"].state is not NodeState.READY)
    assert "did not give n001" in nodes_of(ground)["n001"].reason
    ground.until(lambda: ground.pilots() == [] and "n001" in ready(ground))


def test_shares_run_on_the_gpu_that_they_are_of(ground: PilotGround) -> None:
    line = "echo $CUDA_VISIBLE_DEVICES; sleep 1000"
    for number in (1, 2):
        on(ground, number, Grant("n001", ("n001-gpu5/50%",)), line=line)
    for number in (1, 2):
        ground.until(are(ground, ref(number), ReplicaState.STARTED))
        ground.until(partial(_has_logged, ground, ref(number), "5\n"))


def test_slices_and_what_is_longer_than_a_pilot_are_refused(ground: PilotGround) -> None:
    ground.restart(replace(PILOTS, hold_s=600.0))
    with pytest.raises(Invalid, match="slice"):
        on(ground, 1, Grant("n001", ("n001-gpu5/1g.5gb@0",)))
    with pytest.raises(Invalid, match="8m"):
        on(ground, 1, Grant("n001", ("n001-gpu5",)), time_limit_s=480.0)
    assert ground.pilots() == []


def test_the_end_of_a_pilot_is_told_and_spares_who_has_no_limit_until_it_is_near(
    ground: PilotGround,
) -> None:
    ground.restart(replace(PILOTS, hold_s=3600.0))
    start(ground)
    ground.until(lambda: bool(nodes_of(ground)["n001"].others))
    (end,) = nodes_of(ground)["n001"].others
    assert end.is_reservation
    assert end.spares_unlimited
    assert end.ends_at_ns is not None
    assert (end.ends_at_ns - end.starts_at_ns) / 1e9 == 120.0
    assert not nodes_of(ground)["n002"].others


def test_before_its_pilot_ends_a_job_is_warned_and_goes_back_into_the_queue(
    ground: PilotGround,
) -> None:
    ground.restart(replace(PILOTS, hold_s=40.0))
    line = "trap 'echo warned; exit 3' TERM; echo up; while :; do sleep 0.1; done"
    of = on(ground, 1, Grant("n001", ("n001-gpu0",)), line=line, stopping=_grace(25.0))
    ground.until(are(ground, of, ReplicaState.EXITED))
    (sight,) = seen(ground, of)
    assert (sight.reason, sight.exits[0].code) == (Reason.PREEMPTED, 3)
    assert "the time of its pilot on n001 was over" in sight.message
    assert "warned" in logged(ground, of)


def test_a_pilot_that_somebody_cancels_warns_its_jobs(ground: PilotGround) -> None:
    line = "trap 'echo warned; exit 0' TERM; echo up; while :; do sleep 0.1; done"
    of = start(ground, line=line)
    other = on(ground, 2, Grant("n002", ("n002-gpu0",)))
    ground.until(are(ground, other, ReplicaState.STARTED))
    ground.until(lambda: logged(ground, of) == "up\n")
    job = ground.cluster.ask("squeue", "-h", "-w", "n001", "-o", "%A").strip()
    ground.cluster.ask("scancel", job)
    ground.until(are(ground, of, ReplicaState.EXITED))
    (sight,) = seen(ground, of)
    assert sight.reason is Reason.STOPPED_AT_SITE
    assert "pilot on n001 was cancelled in Slurm" in sight.message
    assert "warned" in logged(ground, of)
    assert are(ground, other, ReplicaState.STARTED)()


def test_a_pilot_whose_node_slurm_takes_was_preempted(slurm: SlurmCluster, tmp_path: Path) -> None:
    spot = replace(PILOTS, slurm=replace(PILOTS.slurm, partition="spot"))
    ground = PilotGround(slurm, tmp_path, spot)
    try:
        of = start(ground)
        slurm.submit("sleep 1000", "-p", "main", "-w", "n001", "--exclusive")
        ground.until(are(ground, of, ReplicaState.EXITED))
        (sight,) = seen(ground, of)
        assert sight.reason is Reason.PREEMPTED, sight
        assert ground.count_living(of) == 0
    finally:
        ground.close()


def test_a_pilot_that_cannot_start_says_why(ground: PilotGround) -> None:
    ground.restart(replace(PILOTS, slurm=replace(PILOTS.slurm, python="/no/python3")))
    of = on(ground, 1, Grant("n001", ("n001-gpu0",)))
    ground.until(are(ground, of, ReplicaState.EXITED))
    (sight,) = seen(ground, of)
    assert sight.reason is Reason.SETUP_FAILED
    assert "/no/python3" in sight.message
    assert "n001" not in ready(ground)


def test_what_slurm_refuses_the_whole_site_for_fails_no_job_and_is_told(
    ground: PilotGround,
) -> None:
    slurm = replace(PILOTS.slurm, reservation="none", patience_s=1.0)
    ground.restart(replace(PILOTS, slurm=slurm))
    of = on(ground, 1, Grant("n001", ("n001-gpu0",)))
    ground.until(tells_of(ground, "reservation"))
    assert {sight.state for sight in seen(ground, of)} == {ReplicaState.PENDING}
    ground.until(are(ground, of, ReplicaState.EXITED))
    (sight,) = seen(ground, of)
    assert sight.reason is Reason.PREEMPTED, "so it goes back into the queue"
    assert "Slurm takes no jobs of this site" in sight.message


def test_a_pilot_that_falls_silent_is_lost_and_its_jobs_are_kept_out(ground: PilotGround) -> None:
    of = start(ground)
    ground.restart(replace(PILOTS, slurm=replace(PILOTS.slurm, silence_s=12.0)))
    pilot = _pilot_pid(ground)
    runner = ground.runner_pid(of)
    for pid in (pilot, runner):
        os.kill(pid, signal.SIGSTOP)
    try:
        ground.until(are(ground, of, ReplicaState.LOST))
        assert seen(ground, of)[0].reason is Reason.NODE_FAILURE
        assert not (ground.paths.replica(of, 0) / "door").is_dir()
        ground.until(lambda: nodes_of(ground)["n001"].state is not NodeState.READY)
    finally:
        for pid in (pilot, runner):
            with suppress(ProcessLookupError):  # Slurm has woken it to end it.
                os.kill(pid, signal.SIGCONT)
    ground.until(lambda: ground.count_living(of) == 0)


def test_on_a_lost_node_all_is_lost_and_the_rest_of_a_gang_lives(own: PilotGround) -> None:
    of = start(own, nodes=2)
    own.cluster.kill_node("n002")
    own.engine.close()
    own.restart(replace(PILOTS, slurm=replace(PILOTS.slurm, silence_s=12.0)))
    own.until(lambda: ReplicaState.LOST in {sight.state for sight in seen(own, of)})
    assert [sight.state for sight in seen(own, of)] == [ReplicaState.STARTED, ReplicaState.LOST]
    own.cluster.start_node("n002")


def test_a_new_engine_finds_its_pilots_and_makes_no_second_one(ground: PilotGround) -> None:
    of = start(ground, nodes=2)
    before = ground.cluster.ask("squeue", "-h", "-o", "%A")
    ground.restart()
    other = on(ground, 2, Grant("n002", ("n002-gpu7",)))
    ground.until(are(ground, other, ReplicaState.STARTED))
    assert ground.cluster.ask("squeue", "-h", "-o", "%A") == before
    assert are(ground, of, ReplicaState.STARTED)()


def test_a_pilot_whose_making_nobody_saw_is_found_by_its_comment(ground: PilotGround) -> None:
    ground.break_down("deaf")
    of = on(ground, 1, Grant("n001", ("n001-gpu0",)))
    ground.mend()
    ground.restart()
    ground.until(are(ground, of, ReplicaState.STARTED))
    assert ground.pilots() == ["n001"]
    assert ground.count_living(of) > 0


def test_a_pilot_that_nobody_knows_is_cancelled(ground: PilotGround) -> None:
    start(ground)
    known = ground.cluster.ask("squeue", "-h", "-O", "Comment:100").strip()
    comment = known.replace("n001:1", "n004:7")
    assert comment != known
    ground.cluster.submit("sleep 1000", "-w", "n004", f"--comment={comment}")
    ground.until(lambda: bool(ground.engine.observe()) and _count_jobs(ground) == 1)
    assert ground.pilots() == ["n001"]


def _has_logged(ground: PilotGround, of: AttemptRef, text: str) -> bool:
    return logged(ground, of) == text


def _count_jobs(ground: PilotGround) -> int:
    return len(ground.cluster.ask("squeue", "-h", "-o", "%A").split())


def _pilot_pid(ground: PilotGround) -> int:
    lives = ground.paths.root / "pilots" / "n001" / "1" / "lives.json"
    return int(json.loads(lives.read_text())["pid"])


def _grace(grace_s: float) -> object:
    return replace(JobSpec(("true",)).stopping, grace_s=grace_s)
