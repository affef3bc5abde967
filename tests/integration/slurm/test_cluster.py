"""The cluster that other tests stand on: it comes up in seconds, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from time import monotonic

import pytest

from tests.slurm.cluster import SlurmCluster, running_slurm
from tests.slurm.config import ClusterOptions
from tests.slurm.processes import end_processes, find_processes

pytestmark = pytest.mark.needs_slurm

STUBBORN = (
    "trap '' TERM HUP INT; (trap '' TERM; env -i setsid sleep 600) & while :; do sleep 1; done"
)


def test_it_runs_a_job_and_leaves_no_process_and_no_folder_behind() -> None:
    began = monotonic()
    with running_slurm(ClusterOptions(nodes=4)) as cluster:
        took_s = monotonic() - began
        job = cluster.submit(STUBBORN, "--gres=gpu:2")
        cluster.wait_for_state(job, "RUNNING")
        cluster.wait_for(lambda: len(cluster.find_job_processes(job)) >= 3, "processes of the job")
        here = cluster.find_job_processes(job)
        folder = cluster.folder
    assert took_s < 30
    assert [pid for pid in here if _is_running(pid)] == []
    assert find_processes(str(folder)) == set()
    assert not folder.exists()


def test_a_job_sees_the_gpus_it_was_given(slurm: SlurmCluster, tmp_path: Path) -> None:
    said = tmp_path / "said"
    job = slurm.submit("echo $CUDA_VISIBLE_DEVICES", "--gres=gpu:h100:3", f"--output={said}")
    slurm.wait_for_state(job, "COMPLETED")
    assert said.read_text() == "0,1,2\n"


def test_with_a_type_for_each_index_a_job_may_choose(tmp_path: Path) -> None:
    with running_slurm(ClusterOptions(nodes=2, gres="indexed")) as cluster:
        said = tmp_path / "said"
        wish = "--gres=gpu:i3:1,gpu:i6:1"
        job = cluster.submit("echo $CUDA_VISIBLE_DEVICES", wish, f"--output={said}")
        cluster.wait_for_state(job, "COMPLETED")
        assert said.read_text() == "3,6\n"


@pytest.mark.needs_root
def test_other_people_have_jobs_there(slurm: SlurmCluster) -> None:
    job = slurm.submit("sleep 600", user=1)
    slurm.wait_for_state(job, "RUNNING")
    assert slurm.ask("squeue", "-h", "-o", "%U", "-j", str(job)).strip() == "1"


def test_jobs_go_on_while_the_controller_is_away() -> None:
    with running_slurm(ClusterOptions(nodes=1, slurmd_timeout_s=10)) as cluster:
        job = cluster.submit("sleep 600")
        cluster.wait_for_state(job, "RUNNING")
        cluster.stop_controller()
        assert not cluster.reaches_controller()
        cluster.start_controller()
        cluster.wait_for(cluster.reaches_controller, "controller")
        assert cluster.state_of(job) == "RUNNING"


def test_processes_live_on_when_only_slurm_is_lost() -> None:
    with running_slurm(ClusterOptions(nodes=1)) as cluster:
        job = cluster.submit("sleep 600")
        cluster.wait_for_state(job, "RUNNING")
        cluster.wait_for(lambda: cluster.find_job_processes(job), "processes of the job")
        cluster.kill_node("n001", jobs_too=False)
        left = cluster.find_job_processes(job)
        assert left
        cluster.start_node("n001")
        end_processes(lambda: cluster.find_job_processes(job))


@pytest.mark.slow
def test_a_node_that_is_lost_is_down_after_the_timeout() -> None:
    with running_slurm(ClusterOptions(nodes=2, slurmd_timeout_s=5)) as cluster:
        job = cluster.submit("sleep 600", "--nodelist=n001", "--no-requeue")
        cluster.wait_for_state(job, "RUNNING")
        cluster.kill_node("n001")
        assert cluster.wait_for_state(job, "NODE_FAIL") == "NODE_FAIL"


@pytest.mark.needs_hosts
def test_with_hosts_the_kernel_keeps_other_jobs_gpus_away(tmp_path: Path) -> None:
    with running_slurm(ClusterOptions(nodes=2, has_hosts=True)) as cluster:
        said = tmp_path / "said"
        look = f"for i in 0 1; do head -c1 {cluster.folder}/dev/gpu$i; done; hostname"
        job = cluster.submit(look, "--gres=gpu:1", "--nodelist=n002", f"--output={said}")
        cluster.wait_for_state(job, "COMPLETED")
        own, other, name = said.read_text().splitlines()
        assert own.endswith("No such device or address")
        assert other.endswith("Operation not permitted")
        assert name == "n002"
    assert list(Path("/sys/fs/cgroup").glob("*/slurm_*")) == []
    assert list(Path("/run/netns").glob("qdslurm-*")) == []


def test_what_a_killed_run_left_is_swept_by_the_next() -> None:
    code = (
        "from tests.slurm.cluster import running_slurm\n"
        "from tests.slurm.config import ClusterOptions\n"
        "with running_slurm(ClusterOptions(nodes=1)) as cluster:\n"
        "    print(cluster.folder, flush=True)\n"
        "    input()\n"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    with run:
        assert run.stdout
        folder = Path(run.stdout.readline().strip())
        run.kill()
    assert find_processes(f"SLURM_CONF={folder}/")
    with running_slurm(ClusterOptions(nodes=1)):
        assert find_processes(f"SLURM_CONF={folder}/") == set()
        assert not folder.exists()


def _is_running(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
