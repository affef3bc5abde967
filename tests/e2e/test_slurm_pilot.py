"""A person's jobs under pilots on a real Slurm: packed on few nodes, which are given back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.deck import Deck, kill_and_wait, until
from tests.e2e.slurm_site import NAME, add_command, list_sites, squeue, wait_connected
from tests.slurm.cluster import SlurmCluster

pytestmark = pytest.mark.needs_slurm

JOBS = 30


@pytest.fixture
def site(deck: Deck, slurm: SlurmCluster, tmp_path: Path) -> Iterator[Deck]:
    """A server that may hold two nodes of the cluster."""
    limits = ("--nodes-max", "2", "--idle", "2s", "--engine", "slurm-pilot")
    added = deck.qd(*add_command(slurm, tmp_path / "shared", *limits))
    assert added.returncode == 0, added.stderr
    deck.up("--pretend", "dgx-a100:1")
    wait_connected(deck)
    yield deck
    for pid in deck.server_pids():
        kill_and_wait(pid)
    slurm.cancel_all()


def batch(deck: Deck, line: str, count: int, *options: str) -> list[str]:
    return [deck.run("--site", NAME, "--gpus", "1", *options, line) for _ in range(count)]


def jobs(deck: Deck, ids: list[str]) -> list[dict[str, Any]]:
    return [deck.show(job_id) for job_id in ids]


def test_many_small_jobs_are_packed_and_the_nodes_are_given_back(
    site: Deck, slurm: SlurmCluster, tmp_path: Path
) -> None:
    assert list_sites(site)[NAME]["engine"] == "slurm-pilot"
    starts, go_on = tmp_path / "starts", tmp_path / "go-on"
    line = (
        f"echo x >> {starts}; until [ -e {go_on} ]; do sleep 0.1; done; echo $CUDA_VISIBLE_DEVICES"
    )
    ids = batch(site, line, JOBS)
    until(lambda: starts.exists() and len(starts.read_text()) == 2 * 16)
    assert len(squeue(slurm)) == 2
    site.kill_server()
    go_on.touch()
    before = squeue(slurm)
    site.up_again()
    until(lambda: {job["state"] for job in jobs(site, ids)} == {"succeeded"}, within_s=90)
    assert len(starts.read_text()) == 2 * JOBS
    found = jobs(site, ids)
    assert [len(job["attempts"]) for job in found] == [1] * JOBS
    assert len({job["attempts"][0]["replicas"][0]["node"] for job in found}) == 2
    assert all(site.qd("logs", job).stdout.strip() in set("01234567") for job in ids[:5])
    assert set(squeue(slurm)) <= set(before)
    until(lambda: squeue(slurm) == [])
    again = batch(site, "true", 1)
    until(lambda: jobs(site, again)[0]["state"] == "succeeded")


def test_a_gang_of_more_nodes_than_pilots_may_hold_is_refused_with_that_limit(site: Deck) -> None:
    asked = ("--workdir", "none", "--site", NAME, "--nodes", "3", "--gpus", "8", "true")
    done = site.qd("run", "--detach", *asked)
    assert done.returncode == 125
    assert "3 nodes wanted, and site hpc holds at most 2 at a time (nodes_max)" in done.stderr
    assert "ask for at most 2 nodes, or let nodes_max of site hpc be raised" in done.stderr


def test_a_gang_runs_over_two_pilots(site: Deck, slurm: SlurmCluster) -> None:
    gang = site.run("--site", NAME, "--nodes", "2", "--gpus", "8", "echo $WORLD_SIZE $RANK")
    until(lambda: jobs(site, [gang])[0]["state"] == "succeeded")
    assert site.qd("logs", gang).stdout.strip() in ("2 0", "[0] 2 0\n[1] 2 1")
    assert len(squeue(slurm)) <= 2
