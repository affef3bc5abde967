"""Jobs on nodes with networks and devices of their own: addresses, and GPUs that are not theirs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.deck import Deck, until
from tests.e2e.slurm_site import add_command, wait_connected
from tests.slurm.cluster import SlurmCluster, running_slurm
from tests.slurm.config import ClusterOptions, address_of

pytestmark = [pytest.mark.needs_slurm, pytest.mark.needs_hosts]

TRY_DEVICES = """\
import errno, os, time
for index in range(8):
    try:
        os.close(os.open(f"{folder}/gpu{{index}}", os.O_RDWR))
        print(index, "opened")
    except OSError as error:
        print(index, errno.errorcode[error.errno])
print("visible", os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module", params=["plain", "indexed"])
def cluster(request: pytest.FixtureRequest) -> Iterator[SlurmCluster]:
    with running_slurm(ClusterOptions(nodes=2, gres=request.param, has_hosts=True)) as made:
        yield made


@pytest.fixture(scope="module")
def deck(cluster: SlurmCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deck]:
    """A server whose only nodes are those of the Slurm."""
    folder = tmp_path_factory.mktemp("deck")
    made = Deck(folder / "home")
    added = made.qd(*add_command(cluster, folder / "shared"))
    assert added.returncode == 0, added.stderr
    made.up("--no-local")
    wait_connected(made)
    yield made
    made.end()


@pytest.fixture(autouse=True)
def _empty(cluster: SlurmCluster) -> Iterator[None]:
    yield
    cluster.cancel_all()


def granted(deck: Deck, job_id: str) -> list[tuple[str, list[int]]]:
    """By the plan: each node with the numbers of its GPUs."""
    placement: list[dict[str, Any]] = deck.show(job_id)["attempts"][0]["placement"]
    return [
        (part["node"], [int(gpu.removeprefix(f"{part['node']}-gpu")) for gpu in part["gpus"]])
        for part in placement
    ]


def test_each_node_of_a_job_has_its_own_address(deck: Deck, cluster: SlurmCluster) -> None:
    job_id = deck.run("--nodes", "2", "echo $(hostname) $MASTER_ADDR; cat $QD_HOSTFILE")
    assert deck.qd("wait", job_id, "--timeout", "60").returncode == 0
    addresses = [address_of(cluster.options, number) for number in range(2)]
    assert len(set(addresses)) == 2
    logs = [deck.qd("logs", job_id, "--rank", rank).stdout.splitlines() for rank in "01"]
    names = cluster.options.names
    assert [log[0] for log in logs] == [f"{name} {addresses[0]}" for name in names]
    assert [line.split()[0] for line in logs[0][1:]] == list(names)


@pytest.mark.needs_torch
def test_torchrun_trains_on_two_nodes_that_reach_each_other_by_address(
    deck: Deck, cluster: SlurmCluster, root: Path, tmp_path: Path
) -> None:
    if cluster.options.gres != "plain":
        pytest.skip("once is enough: it asks for no GPU")
    example = root / "examples" / "torchrun"
    done = deck.qd("submit", str(example / "job.yaml"), "-o", "name")
    job_id = done.stdout.strip()
    assert deck.qd("wait", job_id, within_s=120).returncode == 0, deck.show(job_id)
    assert [node for node, _ in granted(deck, job_id)] == ["n001", "n002"]
    assert deck.qd("results", job_id, "-o", str(tmp_path / "out")).returncode == 0
    command = [sys.executable, str(example / "check.py"), str(tmp_path / "out")]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0


def test_the_kernel_refuses_a_job_what_it_was_not_granted(
    deck: Deck, cluster: SlurmCluster, tmp_path: Path
) -> None:
    """Behind the devices is no driver: one that may be opened says ENXIO."""
    script = tmp_path / "try.py"
    script.write_text(TRY_DEVICES.format(folder=cluster.folder / "dev"))
    mine = {}
    for gpus in ("1", "3", "2"):
        job_id = deck.run("--gpus", gpus, f"python3 {script}")
        told = until(partial(_told_by, deck, job_id), within_s=60)
        mine[job_id] = [int(index) for index, word in told[:8] if word == "ENXIO"]
        assert {word for _, word in told[:8]} == {"ENXIO", "EPERM"}
        assert len(mine[job_id]) == int(gpus)
        # The kernel shows it these only, so they are counted from 0.
        assert told[8] == ("visible", ",".join(map(str, range(int(gpus)))))
    if cluster.options.gres == "indexed":
        assert mine == {job_id: granted(deck, job_id)[0][1] for job_id in mine}
    nodes = {job_id: granted(deck, job_id)[0][0] for job_id in mine}
    held = [(nodes[job_id], index) for job_id, some in mine.items() for index in some]
    assert len(set(held)) == len(held) == 6


def _told_by(deck: Deck, job_id: str) -> list[tuple[str, ...]]:
    lines = deck.qd("logs", job_id).stdout.splitlines()
    return [tuple(line.split()) for line in lines] if len(lines) == 9 else []
