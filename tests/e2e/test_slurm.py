"""A person's jobs on a real Slurm: the same as on one machine, through crashes and faults."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.deck import Deck, until
from tests.e2e.slurm_site import (
    NAME,
    Gate,
    add_command,
    list_sites,
    squeue,
    wait_connected,
)
from tests.slurm.cluster import SlurmCluster, running_slurm
from tests.slurm.config import ClusterOptions

pytestmark = pytest.mark.needs_slurm

PRETEND = ("--pretend", "dgx-a100:2")
MAY_DIFFER = {
    "id", "site", "node", "gpus", "nics", "grounds", "allreduce_gbytes_s", "pretend",
    # The job file travels with the work folder, and says which site.
    "snapshot",
    "submitted_at", "placed_at", "started_at", "ended_at",
}  # fmt: skip
"""What a record says of a job's name, its place and its times."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[SlurmCluster]:
    """Its controller is stopped by a test, so it is no other file's."""
    with running_slurm(ClusterOptions(nodes=2)) as made:
        yield made


@pytest.fixture(scope="module")
def gate(cluster: SlurmCluster, tmp_path_factory: pytest.TempPathFactory) -> Gate:
    return Gate(tmp_path_factory.mktemp("gate"), cluster)


@pytest.fixture(scope="module")
def kept_deck(
    cluster: SlurmCluster, gate: Gate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deck]:
    """One server for all tests, with two pretended nodes of its own beside the Slurm."""
    folder = tmp_path_factory.mktemp("deck")
    made = Deck(folder / "home")
    # What is set here for numpy goes into jobs of this machine, and not into those of a cluster.
    made.environment = {k: v for k, v in made.environment.items() if "BLAS" not in k}
    made.environment["PATH"] = f"{Path(sys.executable).parent}:{made.environment['PATH']}"
    options = ("--programs", str(gate.programs), "--country", "DE")
    added = made.qd(*add_command(cluster, folder / "shared", *options))
    assert added.returncode == 0, added.stderr
    made.up(*PRETEND)
    yield made
    made.end()


@pytest.fixture
def deck(kept_deck: Deck, cluster: SlurmCluster, gate: Gate) -> Iterator[Deck]:
    """The server when it uses its Slurm; what a test leaves there is cancelled."""
    wait_connected(kept_deck)
    yield kept_deck
    gate.open()
    cluster.cancel_all()


def submit(deck: Deck, file: Path) -> str:
    done = deck.qd("submit", str(file), "-o", "name")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def run_there(deck: Deck, *arguments: str) -> str:
    """A shell line, the last argument, on the Slurm."""
    return deck.run("--site", NAME, *arguments)


def run_on_both(deck: Deck, example: Path, folder: Path) -> tuple[str, str]:
    """An example by its own job file on this machine and on the Slurm; the ids of both."""
    ids = []
    for site in ("local", NAME):
        copy = folder / site / example.name
        shutil.copytree(example, copy)
        file = copy / "job.yaml"
        file.write_text(f"{file.read_text()}site: {site}\n")
        ids.append(submit(deck, file))
    for job_id in ids:
        assert deck.qd("wait", job_id, within_s=180).returncode == 0, deck.show(job_id)
    return ids[0], ids[1]


def record_of(deck: Deck, job_id: str) -> Any:
    """All that `qd show` says of it, but for what may differ."""

    def strip(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: None if k in MAY_DIFFER else strip(v) for k, v in value.items()}
        return [strip(one) for one in value] if isinstance(value, list) else value

    return strip(deck.show(job_id))


def log_of(deck: Deck, job_id: str, rank: int = 0) -> list[str]:
    """Its lines; a place where results lie is told as `RESULTS`."""
    lines = deck.qd("logs", job_id, "--rank", str(rank)).stdout.splitlines()
    return [
        " ".join("RESULTS" if f"/{job_id}/" in word else word for word in line.split(" "))
        for line in lines
    ]


def fetch_results(deck: Deck, job_id: str, out: Path) -> dict[str, bytes]:
    assert deck.qd("results", job_id, "-o", str(out)).returncode == 0
    return {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}


def test_digits_is_the_same_job_on_both_sites(deck: Deck, root: Path, tmp_path: Path) -> None:
    here, there = run_on_both(deck, root / "examples" / "digits", tmp_path)
    assert record_of(deck, here) == record_of(deck, there)
    assert [deck.show(one)["attempts"][0]["site"] for one in (here, there)] == ["local", NAME]
    lines = log_of(deck, there)
    assert lines == log_of(deck, here)
    assert (len(lines), lines[-1].split(" ")[-1]) == (22, "RESULTS")
    results = fetch_results(deck, there, tmp_path / "there")
    assert set(results) == {"confusion.png", "metrics.json", "model.npz"}
    assert results == fetch_results(deck, here, tmp_path / "here")
    told = [deck.qd_json("metrics", one, "loss")["series"][0]["points"] for one in (here, there)]
    first, second = ([(p["step"], p["value"]) for p in points] for points in told)
    assert first == second
    assert len(first) == 20


@pytest.mark.needs_torch
def test_two_nodes_of_torchrun_are_the_same_job_on_both_sites(
    deck: Deck, root: Path, tmp_path: Path
) -> None:
    example = root / "examples" / "torchrun"
    here, there = run_on_both(deck, example, tmp_path)
    assert record_of(deck, here) == record_of(deck, there)
    assert log_of(deck, here) == log_of(deck, there)
    assert "epoch 5: loss" in log_of(deck, there)[-1]
    results = fetch_results(deck, there, tmp_path / "there")
    assert results == fetch_results(deck, here, tmp_path / "here")
    assert len(results) == 4
    command = [sys.executable, str(example / "check.py"), str(tmp_path / "there")]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0


def test_a_job_goes_on_while_its_server_is_dead_and_is_found_again(
    deck: Deck, tmp_path: Path
) -> None:
    go_on = tmp_path / "go-on"
    line = f"echo first; until [ -e {go_on} ]; do sleep 0.05; done; echo second"
    running, ended = run_there(deck, line), run_there(deck, "echo only")
    until(lambda: deck.show(running)["state"] == "running")
    until(lambda: deck.show(ended)["state"] == "succeeded")
    going = run_there(deck, line)
    until(lambda: deck.show(going)["state"] == "running")
    deck.kill_server()
    assert deck.processes_of(running)
    go_on.touch()
    until(lambda: not deck.processes_of(running))
    deck.up_again()
    for job_id in (running, going):
        assert deck.qd("wait", job_id, "--timeout", "30").returncode == 0
        assert deck.qd("logs", job_id).stdout == "first\nsecond\n"
    assert deck.qd("logs", ended).stdout == "only\n"
    assert {len(deck.show(one)["attempts"]) for one in (running, ended, going)} == {1}


@pytest.mark.parametrize("where", ["before", "after"])
def test_a_server_killed_while_it_submits_has_submitted_once(
    deck: Deck, cluster: SlurmCluster, gate: Gate, tmp_path: Path, where: str
) -> None:
    """Its sbatch lives on: it has submitted already, or does so when the next server is there."""
    ran, go_on = tmp_path / "ran", tmp_path / "go-on"
    gate.shut(where)
    line = f"echo $QD_ATTEMPT >> {ran}; until [ -e {go_on} ]; do sleep 0.05; done"
    job_id = run_there(deck, line)
    gate.wait()
    deck.kill_server()
    deck.up_again()
    wait_connected(deck)
    if where == "after":
        until(ran.exists)
    gate.open()
    until(ran.exists)
    assert len(squeue(cluster)) == 1
    go_on.touch()
    assert deck.qd("wait", job_id, "--timeout", "60").returncode == 0
    assert ran.read_text() == "1\n"
    assert squeue(cluster) == []


def test_a_job_cancelled_in_slurm_says_so_and_keeps_its_log(
    deck: Deck, cluster: SlurmCluster
) -> None:
    job_id = run_there(deck, "echo here; sleep 600")
    until(lambda: deck.qd("logs", job_id).stdout == "here\n")
    (there,) = squeue(cluster)
    cluster.ask("scancel", str(there))
    assert deck.qd("wait", job_id, "--timeout", "30").returncode == 1
    job = deck.show(job_id)
    assert (job["state"], job["reason"]) == ("failed", "stopped_at_site")
    assert "it was cancelled in Slurm, not by Quarterdeck" in job["message"]
    assert "stopped_at_site" in deck.qd("show", job_id).stdout
    assert deck.qd("logs", job_id).stdout == "here\n"


def test_a_job_cancelled_by_its_owner_ends_in_slurm(deck: Deck, cluster: SlurmCluster) -> None:
    job_id = run_there(deck, "--nodes", "2", "sleep 600")
    until(lambda: deck.show(job_id)["state"] == "running")
    assert deck.qd("cancel", job_id).returncode == 0
    until(lambda: squeue(cluster) == [], within_s=10)
    assert deck.qd("wait", job_id, "--timeout", "30").returncode == 1
    assert deck.show(job_id)["state"] == "cancelled"
    assert deck.processes_of(job_id) == []


def test_twenty_tasks_of_an_array_run_once_each(
    deck: Deck, cluster: SlurmCluster, tmp_path: Path
) -> None:
    ran = tmp_path / "ran"
    (tmp_path / "job.yaml").write_text(
        f"run: echo $QD_TASK_INDEX >> {ran}\narray: 0-19\nsite: {NAME}\n"
    )
    job_id = submit(deck, tmp_path / "job.yaml")
    assert deck.qd("wait", job_id, "--timeout", "60").returncode == 0
    assert Counter(ran.read_text().split()) == {str(task): 1 for task in range(20)}
    job = deck.show(job_id)
    assert job["array"]["counts"] == {"succeeded": 20}
    until(lambda: squeue(cluster) == [])


def test_a_site_whose_controller_is_stopped_is_away_and_does_later_what_was_asked(
    deck: Deck, cluster: SlurmCluster
) -> None:
    going = run_there(deck, "echo up; sleep 600")
    until(lambda: deck.qd("logs", going).stdout == "up\n")
    cluster.stop_controller()
    try:
        until(lambda: list_sites(deck)[NAME]["state"] == "away", within_s=60)
        asked = [run_there(deck, f"echo {number}") for number in range(3)]
        told = deck.qd("site", "ls").stdout
        assert f"{NAME} is away: " in told
        assert "slurmctld" in told
        assert deck.qd("logs", going).stdout == "up\n"
        assert deck.show(going)["state"] == "running"
    finally:
        cluster.start_controller()
    wait_connected(deck)
    for number, job_id in enumerate(asked):
        assert deck.qd("wait", job_id, "--timeout", "60").returncode == 0
        assert deck.qd("logs", job_id).stdout == f"{number}\n"
        assert len(deck.show(job_id)["attempts"]) == 1
    assert deck.show(going)["state"] == "running"


def test_nodes_are_unknown_to_a_server_that_starts_while_the_controller_is_down(
    deck: Deck, cluster: SlurmCluster
) -> None:
    """What the store has of them was true when somebody last heard of them."""
    going = run_there(deck, "echo up; sleep 600")
    until(lambda: deck.qd("logs", going).stdout == "up\n")
    deck.kill_server()
    cluster.stop_controller()
    try:
        deck.up_again()
        asked = run_there(deck, "--gpus", "1", "echo ran")
        nodes = [one for one in deck.qd_json("node", "ls")["nodes"] if one["site"] == NAME]
        assert {one["state"] for one in nodes} == {"drained"}
        assert "not heard of since the server started" in nodes[0]["reason"]
        assert (deck.show(asked)["state"], deck.show(asked)["attempts"]) == ("queued", [])
        until(lambda: "the site has drained 2 nodes" in deck.qd("explain", asked).stdout)
        assert deck.show(going)["state"] == "running"
    finally:
        cluster.start_controller()
    wait_connected(deck)
    assert deck.qd("wait", asked, "--timeout", "60").returncode == 0
    assert len(deck.show(asked)["attempts"]) == 1
    assert deck.show(going)["state"] == "running"


def test_a_site_that_nobody_knows_is_refused_with_those_that_are_known(
    deck: Deck, tmp_path: Path
) -> None:
    (tmp_path / "job.yaml").write_text("run: 'true'\nsite: hcp\n")
    done = deck.qd("submit", str(tmp_path / "job.yaml"))
    assert done.returncode == 3
    assert "there is no site 'hcp'" in done.stderr
    assert "hint: sites: hpc, local" in done.stderr


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("new", ("--partition", "gpus"), "its partitions: main, short, spot"),
        ("new", ("--partition", "a b"), "partition is 'a b'"),
        ("new", ("--folder", "/proc/here"), "/proc/here/new cannot be written"),
        ("new", ("--folder", "here"), "give an absolute path"),
        ("new", ("--country", "Germany"), "two letters of ISO 3166, such as DE"),
        ("new", ("--programs", "/nowhere"), "there is no sbatch on /nowhere"),
        ("local", (), "the machine of the server itself; use another name"),
        ("../new", (), "no name for a connected site"),
    ],
)
def test_what_cannot_be_a_site_is_told_and_nothing_is_written(
    cluster: SlurmCluster,
    tmp_path: Path,
    name: str,
    options: tuple[str, ...],
    told: str,
) -> None:
    deck = Deck(tmp_path / "home")
    done = deck.qd(*add_command(cluster, tmp_path / "shared", *options, name=name))
    assert told in done.stderr, done.stderr
    assert done.returncode == 3
    assert not (tmp_path / "home").exists()


def test_a_python_that_is_not_there_is_found_by_the_check_and_told_what_to_do(
    cluster: SlurmCluster, tmp_path: Path
) -> None:
    deck = Deck(tmp_path / "home")
    python = ("--python", "/no/python9")
    refused = deck.qd(*add_command(cluster, tmp_path / "shared", *python))
    assert refused.returncode == 3
    assert "/no/python9" in refused.stderr
    assert list_files(tmp_path) == []
    added = deck.qd(*add_command(cluster, tmp_path / "shared", *python), "--no-check")
    assert added.returncode == 0
    assert len(list_files(tmp_path)) == 1
    checked = deck.qd("site", "check", NAME, "-o", "json")
    assert checked.returncode == 1
    problems = [one for one in json.loads(checked.stdout) if one["level"] == "problem"]
    assert [one["about"] for one in problems] == ["trial"]
    assert problems[0]["hint"] == "is /no/python9 on the nodes? name another one with --python"


def list_files(folder: Path) -> list[Path]:
    return list((folder / "home").glob("sites/*"))
