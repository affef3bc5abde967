"""Jobs in images, from the job file to what is shown of them, on a real server."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.e2e.deck import Deck, kill_and_wait, until
from tests.e2e.slurm_site import NAME as SLURM
from tests.e2e.slurm_site import add_command, wait_connected
from tests.e2e.test_examples import run_example
from tests.podman import Podman, opened, write_busybox
from tests.pythonimage import CHANGES, write_python
from tests.slurm.cluster import running_slurm
from tests.slurm.config import ClusterOptions

NAME = "localhost/busybox:1"
NEAR = 1e-9


@pytest.fixture(scope="module")
def podman() -> Iterator[Podman]:
    with opened() as made:
        yield made


@pytest.fixture
def busybox(podman: Podman, deck: Deck, tmp_path: Path) -> str:
    """A server whose node has the image; its reference by digest."""
    deck.environment |= podman.environment
    deck.up("--pretend", "dgx-a100:2")
    return podman.import_tar(write_busybox(tmp_path / "busybox.tar"), NAME)


@pytest.mark.needs_podman
def test_a_job_runs_in_its_image_and_shows_it_by_digest(
    busybox: str, deck: Deck, podman: Podman
) -> None:
    done = deck.qd("run", "--image", NAME, "--workdir", "none", "--", "sh", "-c", "id -u; exit 3")
    assert done.returncode == 3, done.stderr
    assert done.stdout == "65534\n"
    (job,) = deck.client().list_jobs().jobs
    assert (job.image, job.image_digest) == (NAME, busybox)
    assert job.attempts[0].replicas[0].image == busybox
    shown = deck.qd("show", job.id).stdout
    assert f"{busybox} (asked for: {NAME})" in shown
    assert podman.containers() == []


@pytest.mark.needs_podman
def test_a_gang_in_an_image_meets_and_a_requeued_job_keeps_the_image_that_it_had(
    busybox: str, deck: Deck, podman: Podman, tmp_path: Path
) -> None:
    line = "echo $RANK of $WORLD_SIZE at $MASTER_PORT; cat $QD_HOSTFILE; cat /etc/which"
    job_id = deck.run("--image", NAME, "-N", "2", line)
    assert deck.qd("wait", job_id).returncode == 1
    first = deck.show(job_id)["attempts"][0]
    assert {replica["image"] for replica in first["replicas"]} == {busybox}
    logs = [deck.qd("logs", job_id, "--rank", str(rank)).stdout for rank in (0, 1)]
    assert [log.split(" at ")[0] for log in logs] == ["0 of 2", "1 of 2"]
    assert logs[0].splitlines()[1:3] == logs[1].splitlines()[1:3]
    moved = write_busybox(tmp_path / "moved.tar", files={"etc/which": b"moved\n"})
    assert podman.import_tar(moved, NAME) != busybox
    assert deck.qd("requeue", job_id).returncode == 0
    until(lambda: len(deck.show(job_id)["attempts"]) == 2)
    assert deck.qd("wait", job_id).returncode == 1
    second = deck.show(job_id)["attempts"][1]
    assert {replica["image"] for replica in second["replicas"]} == {busybox}
    new = deck.run("--image", NAME, "cat /etc/which")
    assert deck.qd("wait", new).returncode == 0
    assert deck.qd("logs", new).stdout == "moved\n"


@pytest.mark.needs_podman
def test_nothing_is_left_when_server_launcher_and_runner_are_killed(
    busybox: str, deck: Deck, podman: Podman
) -> None:
    job_id = deck.run("--image", busybox, "env -i sleep 1000 & sleep 1000")
    until(lambda: deck.show(job_id)["state"] == "running")
    assert len(podman.containers()) == 1
    deck.kill_server()
    for pid in [*deck.launcher_pids(), *deck.runner_pids()]:
        kill_and_wait(pid)
    deck.up_again()
    until(lambda: deck.show(job_id)["state"] == "failed")
    assert podman.containers() == []
    assert deck.processes_of(job_id) == []


@pytest.mark.needs_podman
def test_an_image_that_cannot_be_had_is_told_where_people_look(busybox: str, deck: Deck) -> None:
    assert busybox
    job_id = deck.run("--image", "localhost/nosuch:1", "true")
    assert deck.qd("wait", job_id).returncode == 1
    job = deck.show(job_id)
    assert job["reason"] == "setup_failed"
    assert "build or load it there with podman" in job["message"]


def test_only_the_images_that_a_team_may_use_are_taken(deck: Deck) -> None:
    deck.up("--pretend", "dgx-a100:1")
    done = deck.qd("team", "limits", "default", "--image", "ghcr.io/ours/*")
    assert done.returncode == 0, done.stderr
    command = ("run", "--detach", "--workdir", "none", "--hold")
    refused = deck.qd(*command, "--image", "docker.io/library/python:3.12", "--", "true")
    assert refused.returncode == 125
    assert "team default may not use the image" in refused.stderr
    assert deck.qd(*command, "--image", "ghcr.io/ours/torch:2", "--", "true").returncode == 0
    assert deck.qd(*command, "--", "true").returncode == 0
    short = deck.qd(*command, "--image", "python:3.12", "--", "true")
    assert "image is 'python:3.12'" in short.stderr
    assert "docker.io/library/python:3.12" in short.stderr


@pytest.mark.needs_bubblewrap
def test_a_job_that_is_set_apart_sees_neither_the_home_nor_others(deck: Deck) -> None:
    deck.up("--pretend", "dgx-a100:1")
    other = deck.run("sleep 1000")
    until(lambda: deck.show(other)["state"] == "running")
    home, site = deck.home, deck.site
    line = (
        f"ls {home} {site} {site}/attempts; cat {home}/token; ls /proc; echo kept > $QD_RESULTS/r"
    )
    job_id = deck.run("--isolate", line)
    assert deck.qd("wait", job_id).returncode == 0
    log = deck.qd("logs", job_id).stdout
    token = (home / "token").read_text().strip()
    assert token not in log
    assert other not in log
    assert str(deck.server_pid()) not in log.split()
    assert [one["path"] for one in deck.qd_json("results", job_id)["files"]] == ["r"]
    assert deck.show(job_id)["isolate"] is True
    (order,) = site.glob(f"*/{job_id}/1/0/order.json")
    assert json.loads(order.read_text())["hidden"] == [str(site), str(home)]
    plain = deck.run(f"cat {home}/token")
    assert deck.qd("wait", plain).returncode == 0
    assert token in deck.qd("logs", plain).stdout, "then hiding it proves nothing"


def read_results(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    (model,) = folder.rglob("model.npz")
    (metrics,) = folder.rglob("metrics.json")
    return dict(np.load(model)), json.loads(metrics.read_text())


@pytest.mark.needs_podman
def test_digits_learns_the_same_in_an_image(
    deck: Deck, podman: Podman, root: Path, tmp_path: Path
) -> None:
    tar = write_python(tmp_path / "python.tar", "scikit-learn", "matplotlib")
    image = podman.import_tar(tar, "localhost/digits:1", *CHANGES)
    tar.unlink()
    deck.environment |= podman.environment
    deck.environment["PATH"] = f"{Path(sys.executable).parent}:{deck.environment['PATH']}"
    deck.up("--pretend", "dgx-a100:1")
    example = root / "examples" / "digits" / "job.yaml"
    text = example.read_text().replace(" --pause 0.15", "")
    text = text.replace("workdir: .", f"workdir: {example.parent}")
    (tmp_path / "plain.yaml").write_text(text)
    (tmp_path / "image.yaml").write_text(f"{text}\nimage: {image}\n")
    for name in ("plain", "image"):
        run_example(deck, tmp_path / f"{name}.yaml", tmp_path / name)
    plain, inside = read_results(tmp_path / "plain"), read_results(tmp_path / "image")
    assert plain[1] == inside[1]
    assert plain[0].keys() == inside[0].keys()
    # Not to the last bit: where arrays lie in memory depends on the size of the environment.
    assert all(np.abs(plain[0][name] - inside[0][name]).max() < NEAR for name in plain[0])
    last, first = deck.client().list_jobs().jobs
    assert (first.image, last.image_digest) == (None, image)
    told = [deck.qd_json("metrics", job.id, "loss")["series"][0]["points"] for job in (first, last)]
    values = [[(point["step"], point["value"]) for point in points] for points in told]
    assert len(values[0]) == 20
    assert values[0] == [(step, pytest.approx(value, abs=NEAR)) for step, value in values[1]]


@pytest.mark.needs_podman
def test_a_batch_script_and_its_steps_run_in_the_image_that_it_names(
    deck: Deck, podman: Podman, tmp_path: Path
) -> None:
    tar = write_python(tmp_path / "python.tar")
    image = podman.import_tar(tar, "localhost/python:1", *CHANGES, "ENV OF_IMAGE=yes")
    tar.unlink()
    deck.environment |= podman.environment
    deck.up("--pretend", "dgx-a100:2")
    (tmp_path / "project").mkdir()
    script = tmp_path / "project" / "job.sh"
    line = "sh -c 'echo task $SLURM_PROCID of_image=$OF_IMAGE'"
    script.write_text(
        "#!/bin/sh\n#SBATCH -N 2 --ntasks-per-node=1\n"
        f"#SBATCH --container-image={image}\nsrun {line}\necho over > made\n"
    )
    done = deck.qd("submit", "--parsable", script.name, cwd=script.parent)
    assert done.returncode == 0, done.stderr
    job_id = done.stdout.strip()
    assert deck.qd("wait", job_id).returncode == 0, deck.qd("logs", job_id).stdout
    log = deck.qd("logs", job_id).stdout
    assert sorted(log.splitlines()) == ["task 0 of_image=yes", "task 1 of_image=yes"]
    assert deck.show(job_id)["image_digest"] == image
    assert [one["path"] for one in deck.qd_json("results", job_id)["files"]] == ["made"]


@pytest.mark.needs_slurm
@pytest.mark.needs_podman
@pytest.mark.needs_bubblewrap
def test_both_work_on_a_slurm_by_the_same_runner(
    deck: Deck, podman: Podman, tmp_path: Path
) -> None:
    """A site's podman is set up on its nodes; here the runner's Python leads to the tests' own."""
    busybox = podman.import_tar(write_busybox(tmp_path / "busybox.tar"), NAME)
    archive = podman.save(NAME, tmp_path / "saved.tar", "oci-archive")
    podman.ask("image", "rm", "--force", NAME)
    assert podman.import_tar(tmp_path / "busybox.tar", NAME, "ENV OTHER=1") != busybox
    busybox = podman.digest(NAME)
    with running_slurm(ClusterOptions(nodes=2)) as cluster:
        path, python = tmp_path / "shared", tmp_path / "python"
        words = [f"{name}={value}" for name, value in podman.environment.items()]
        python.write_text(f'#!/bin/sh\nexec env {shlex.join(words)} {sys.executable} "$@"\n')
        python.chmod(0o755)
        added = deck.qd(*add_command(cluster, path, "--python", str(python)))
        assert added.returncode == 0, added.stderr
        deck.up("--pretend", "dgx-a100:1")
        wait_connected(deck)
        line = "id -u; echo $RANK > $QD_RESULTS/r; sleep 0.1"
        inside = deck.run("--site", SLURM, "--image", NAME, "-N", "2", line)
        apart = deck.run("--site", SLURM, "--isolate", f"ls -A {path}/*; echo 1 > $QD_RESULTS/r")
        for job_id in (inside, apart):
            assert deck.qd("wait", job_id).returncode == 0, deck.show(job_id)
        replicas = deck.show(inside)["attempts"][0]["replicas"]
        assert {replica["image"] for replica in replicas} == {busybox}
        assert deck.qd("logs", inside).stdout == "65534\n"
        assert inside not in deck.qd("logs", apart).stdout
        found = [deck.qd_json("results", job_id)["files"] for job_id in (inside, apart)]
        assert [len(files) for files in found] == [2, 1]
        name = f"oci-archive:{archive}"
        loaded = deck.run("--site", SLURM, "--image", name, "id -u; echo other=$OTHER")
        assert deck.qd("wait", loaded).returncode == 0, deck.show(loaded)
        assert deck.qd("logs", loaded).stdout == "65534\nother=\n"
        assert deck.show(loaded)["image_digest"].startswith(f"{name}@sha256:")
        waits = deck.run("--site", SLURM, "--image", NAME, "env -i sleep 1000 & sleep 1000")
        until(lambda: deck.show(waits)["state"] == "running")
        assert len(podman.containers()) == 1
        assert deck.qd("cancel", waits).returncode == 0
        until(lambda: deck.show(waits)["state"] == "cancelled")
        assert podman.containers() == []
