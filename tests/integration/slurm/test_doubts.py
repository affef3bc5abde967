"""What our Slurm engine does where Slurm, or the disk, does not say or do what it should."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from time import monotonic

import pytest

from quarterdeck.adapters.engines.slurm.settings import SlurmSettings
from quarterdeck.basics.errors import Unavailable
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.states import ReplicaState
from quarterdeck.ports.engine import AttemptRef
from quarterdeck.testing.conformance.engine import Behaviour
from tests.contract.slurm_ground import SlurmGround
from tests.integration.slurm.sights import OTHER_USER, are, ref, seen, tells_of
from tests.slurm.cluster import SlurmCluster, running_slurm
from tests.slurm.config import ClusterOptions

pytestmark = pytest.mark.needs_slurm

LASTING = Behaviour(lasts=True)
SECOND = SlurmSettings(patience_s=1.0, poll_s=0.2)


@pytest.fixture
def ground(slurm: SlurmCluster, tmp_path: Path) -> Iterator[SlurmGround]:
    made = SlurmGround(slurm, tmp_path)
    yield made
    made.close()


def start(ground: SlurmGround, number: int = 1) -> AttemptRef:
    of = ref(number)
    ground.engine.launch(ground.order(of, LASTING))
    ground.until(are(ground, of, ReplicaState.STARTED))
    return of


def jobs(ground: SlurmGround, *options: str) -> list[str]:
    ground.engine.observe()
    return ground.cluster.ask("squeue", "-h", "-o", "%A", *options).split()


def keep_busy(ground: SlurmGround) -> int:
    """Another one has all nodes, and the engine's look is from before that."""
    job = ground.cluster.submit("sleep 60", "--exclusive", "--nodes=6")
    ground.cluster.wait_for_state(job, "RUNNING")
    return job


def test_a_job_of_somebody_else_is_never_taken_for_ours(ground: SlurmGround) -> None:
    """Everybody may write any comment."""
    of = ref()
    other = ground.cluster.submit("sleep 60", f"--comment={ground.key(of)}", user=OTHER_USER)
    ground.break_down("down")
    ground.engine.launch(ground.order(of, LASTING))
    ground.mend()
    ground.until(are(ground, of, ReplicaState.STARTED))
    assert ground.read_ticket(of)["job"] != other
    ground.engine.stop(of, 0.0)
    ground.until(lambda: jobs(ground) == [str(other)])


def test_of_two_batch_jobs_for_an_attempt_the_one_that_runs_is_kept(ground: SlurmGround) -> None:
    ground.restart(SECOND)
    of = start(ground)
    (first,) = jobs(ground)
    second = ground.cluster.submit("sleep 60", "--hold", f"--comment={ground.key(of)}")
    ground.write_ticket(of, job=second)
    ground.restart()
    ground.until(lambda: jobs(ground) == [first])
    assert are(ground, of, ReplicaState.STARTED)()
    assert ground.read_ticket(of)["job"] == int(first)


def test_a_job_that_slurm_takes_late_is_waited_for_one_look_more(ground: SlurmGround) -> None:
    ground.restart(SlurmSettings(poll_s=1.5))
    ground.engine.observe()
    before = jobs(ground, "-t", "all", "--me")
    ground.break_down("late")
    of = ref()
    ground.engine.launch(ground.order(of, LASTING))
    ground.mend()
    ground.until(are(ground, of, ReplicaState.STARTED))
    assert len(set(jobs(ground, "-t", "all", "--me")) - set(before)) == 1


def test_an_attempt_that_was_given_up_and_forgotten_is_ended_when_its_node_is_back(
    ground: SlurmGround,
) -> None:
    ground.restart(SlurmSettings(poll_s=0.2, silence_s=2.0))
    of = start(ground)
    runner = ground.runner_pid(of)
    ground.break_down("down")
    os.kill(runner, signal.SIGSTOP)
    ground.until(are(ground, of, ReplicaState.LOST))
    ground.engine.forget([of])
    ground.restart()
    ground.mend()
    ground.until(lambda: jobs(ground) == [])
    ground.until(lambda: ground.count_living(of) == 0)


def test_one_that_ends_before_sbatch_has_answered_is_forgotten_after_it(
    ground: SlurmGround,
) -> None:
    ground.restart(SECOND)
    of = ref()
    ground.break_down("slow")
    ground.engine.launch(ground.order(of, Behaviour()))
    ground.until(are(ground, of, ReplicaState.EXITED))
    ground.engine.forget([of])
    assert are(ground, of, ReplicaState.EXITED)(), "its ticket has still to be written"
    ground.mend()

    def forget() -> bool:
        ground.engine.forget([of])
        return not seen(ground, of)

    ground.until(forget)
    assert ground.engine.problem == ""


def test_what_we_take_back_before_it_has_started_was_cancelled_by_us(ground: SlurmGround) -> None:
    other = keep_busy(ground)
    of = ref()
    ground.engine.launch(ground.order(of, LASTING))
    ground.until(lambda: len(jobs(ground)) == 2)
    ground.engine.stop(of, 5.0)
    ground.until(are(ground, of, ReplicaState.EXITED))
    assert seen(ground, of)[0].message == "it was stopped before it was started"
    assert jobs(ground) == [str(other)]


def test_an_end_that_cannot_be_written_yet_stays_what_it_was(
    ground: SlurmGround, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ground.restart(SECOND)
    keep_busy(ground)
    of = ref()
    ground.engine.launch(ground.order(of, LASTING))
    replica = ground.paths.replica(of, 0)
    replica.rename(replica.with_name("away"))
    replica.symlink_to(tmp_path)  # which nobody follows
    ground.until(
        lambda: (
            bool(jobs(ground))
            and are(ground, of, ReplicaState.PENDING)()
            and f"the end of {of.job_id}/1 cannot be written yet" in caplog.text
        )
    )
    ground.until(ground.has_asked())
    assert are(ground, of, ReplicaState.PENDING)()
    assert len(jobs(ground)) == 2  # Slurm is told only what is written.
    replica.unlink()
    replica.with_name("away").rename(replica)
    ground.until(are(ground, of, ReplicaState.EXITED))
    assert seen(ground, of)[0].reason is Reason.PREEMPTED
    ground.until(lambda: len(jobs(ground)) == 1)


def test_an_engine_that_begins_while_slurm_is_down_hears_and_stops(tmp_path: Path) -> None:
    with running_slurm(ClusterOptions(nodes=2)) as cluster:
        ground = SlurmGround(cluster, tmp_path)
        of = start(ground)
        cluster.wait_until_kept()
        cluster.kill_controller()
        ground.restart()
        assert "slurmctld" in ground.engine.problem
        assert not ground.engine.abilities.exact_devices
        assert are(ground, of, ReplicaState.STARTED)()
        with pytest.raises(Unavailable, match="not answered yet"):
            ground.engine.list_nodes()
        ground.engine.stop(of, 5.0)
        ground.until(are(ground, of, ReplicaState.EXITED))
        assert ground.count_living(of) == 0
        cluster.start_controller()
        ground.until(lambda: bool(ground.engine.observe()) and not ground.engine.problem)
        assert len(ground.engine.list_nodes()) == 2
        ground.close()


def test_slurm_is_not_asked_again_for_each_job_while_it_is_known_to_be_away(
    ground: SlurmGround,
) -> None:
    """Each question may wait for half a minute."""
    ground.restart(SlurmSettings(poll_s=0.2))
    ground.break_down("down")
    ground.engine.launch(ground.order(ref(1), Behaviour()))
    ground.until(lambda: tells_of(ground, "squeue")() or tells_of(ground, "scontrol")())
    for number in (2, 3):
        ground.engine.launch(ground.order(ref(number), Behaviour()))
    ground.until(ground.has_asked())
    # The first one may have been asked for before the first look that failed.
    assert ground.count_submitted() <= 1
    ground.mend()
    for number in (1, 2, 3):
        ground.until(are(ground, ref(number), ReplicaState.EXITED))
        assert ground.count_starts(ref(number)) == 1


def test_a_ticket_that_names_the_job_of_somebody_else_costs_nobody_that_job(
    ground: SlurmGround,
) -> None:
    of, other = start(ground), ground.cluster.submit("sleep 60")
    (own,) = (job for job in jobs(ground) if job != str(other))
    ground.write_ticket(of, job=other)
    ground.restart()
    ground.until(ground.has_asked())
    assert are(ground, of, ReplicaState.STARTED)()
    assert ground.read_ticket(of)["job"] == int(own)
    ground.write_ticket(of, job=other)
    ground.restart()
    ground.engine.stop(of, 0.0)
    ground.until(are(ground, of, ReplicaState.EXITED))
    ground.until(lambda: jobs(ground) == [str(other)])


@pytest.mark.parametrize("name", ["slurm.json", "0/order.json"])
def test_of_an_attempt_whose_files_are_garbage_nothing_goes_on(
    ground: SlurmGround, name: str
) -> None:
    bad, good = start(ground, 1), start(ground, 2)
    (ground.paths.attempt(bad) / name).write_text("[")
    ground.restart()
    (sight,) = seen(ground, bad)
    assert sight.state is ReplicaState.LOST
    assert f"its {Path(name).name} is no JSON" in sight.message
    ground.until(lambda: ground.count_living(bad) == 0)
    ground.until(lambda: len(jobs(ground)) == 1)
    assert are(ground, good, ReplicaState.STARTED)()
    assert ground.count_living(good) > 0


def test_a_gpu_that_is_gone_loses_the_attempt_that_was_to_have_it(ground: SlurmGround) -> None:
    order = ground.order(ref(), LASTING)
    (grant,) = order.grants
    ground.engine.launch(replace(order, grants=(replace(grant, devices=(f"{grant.node}-gpu99",)),)))
    (sight,) = seen(ground, ref())
    assert (sight.state, sight.reason) == (ReplicaState.LOST, Reason.NODE_FAILURE)
    assert f"no GPU {grant.node}-gpu99" in sight.message


def test_what_slurm_suspends_is_not_lost_as_it_cannot_beat(ground: SlurmGround) -> None:
    ground.restart(SlurmSettings(poll_s=0.2, silence_s=11.0))
    of = start(ground)
    (job,) = jobs(ground)
    ground.cluster.ask("scontrol", "suspend", job)
    until = monotonic() + 25.0
    ground.until(lambda: not are(ground, of, ReplicaState.STARTED)() or monotonic() > until)
    assert jobs(ground, "-t", "SUSPENDED") == [job]
    ground.cluster.ask("scontrol", "resume", job)
    until = monotonic() + 6.0
    ground.until(lambda: monotonic() > until)
    assert are(ground, of, ReplicaState.STARTED)()
