"""Gangs on a real Slurm, which gives all nodes of a job the same: they are placed so that it can,
go to another site, or are refused when they are submitted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.deck import Deck, until
from tests.e2e.slurm_site import NAME, add_command, list_sites, wait_connected
from tests.slurm.cluster import SlurmCluster, running_slurm
from tests.slurm.config import ClusterOptions

pytestmark = pytest.mark.needs_slurm

UNLIKE = """\
run: echo trained
resources: {gpu: 2}
roles:
  loader: {run: sleep 600, resources: {cpu: 4}}
"""
TWINS = """\
run: echo $QD_NNODES $QD_NODE $CUDA_VISIBLE_DEVICES
resources: {gpu: 2}
site: hpc
roles:
  loader: {run: "echo $QD_NODE $CUDA_VISIBLE_DEVICES; sleep 600", resources: {gpu: 2}}
"""


@contextmanager
def using(deck: Deck, cluster: SlurmCluster, folder: Path) -> Iterator[Deck]:
    added = deck.qd(*add_command(cluster, folder / "shared"))
    assert added.returncode == 0, added.stderr
    deck.up("--pretend", "dgx-a100:2")
    wait_connected(deck)
    yield deck


def submit(deck: Deck, folder: Path, text: str) -> tuple[int, str]:
    """The exit code, and the job's id or what was wrong."""
    (folder / "job.yaml").write_text(text)
    done = deck.qd("submit", str(folder / "job.yaml"), "-o", "name")
    return done.returncode, done.stdout.strip() or done.stderr


def said_by_two(deck: Deck, job_id: str) -> list[str]:
    """The log of each of two nodes."""
    return sorted(deck.qd("logs", "--rank", rank, job_id).stdout.strip() for rank in "01")


def nodes_of(deck: Deck, job_id: str) -> list[str]:
    return [one["node"] for one in deck.show(job_id)["attempts"][0]["replicas"]]


def test_nodes_of_a_gang_get_the_same_gpus_and_roles_that_cannot_are_told_so(
    deck: Deck, tmp_path: Path
) -> None:
    options = ClusterOptions(nodes=2, gpus=4, gres="indexed")
    with running_slurm(options) as cluster, using(deck, cluster, tmp_path):
        for node, gpu in zip(options.names, ("i0", "i3"), strict=True):
            held = cluster.submit("sleep 600", f"--gres=gpu:{gpu}:1", f"--nodelist={node}")
            cluster.wait_for_state(held, "RUNNING")
        until(lambda: list_sites(deck)[NAME]["gpus_free"] == 6)
        line = "echo $QD_NODE $CUDA_VISIBLE_DEVICES"
        gang = deck.run("--site", NAME, "--nodes", "2", "--gpus", "2", line)
        assert deck.qd("wait", gang, "--timeout", "60").returncode == 0, deck.show(gang)
        assert said_by_two(deck, gang) == ["n001 1,2", "n002 1,2"]
        assert len(deck.show(gang)["attempts"]) == 1

        code, twins = submit(deck, tmp_path, TWINS)
        assert code == 0, twins
        assert deck.qd("wait", twins, "--timeout", "60").returncode == 0, deck.show(twins)
        assert sorted(nodes_of(deck, twins)) == ["n001", "n002"]

        code, why = submit(deck, tmp_path, f"{UNLIKE}site: {NAME}\n")
        assert code == 3
        assert "can never fit here: its roles need different things, and site hpc" in why
        assert "hint: ask for the same in each role" in why
        code, job = submit(deck, tmp_path, UNLIKE)
        assert code == 0, job
        assert deck.qd("wait", job, "--timeout", "60").returncode == 0, deck.show(job)
        assert deck.show(job)["attempts"][0]["site"] == "local"


def test_a_gang_runs_on_nodes_whose_gpus_are_of_other_models(deck: Deck, tmp_path: Path) -> None:
    options = ClusterOptions(nodes=2, gpus=4, gres="mixed")
    with running_slurm(options) as cluster, using(deck, cluster, tmp_path):
        line = "echo $QD_NODE $CUDA_VISIBLE_DEVICES"
        gang = deck.run("--site", NAME, "--nodes", "2", "--gpus", "2", line)
        assert deck.qd("wait", gang, "--timeout", "60").returncode == 0, deck.show(gang)
        first, second = said_by_two(deck, gang)
        assert (first.split()[0], second.split()[0]) == ("n001", "n002")
        assert first.count(",") == second.count(",") == 1
