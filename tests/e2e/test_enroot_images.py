"""Jobs in squashfs images by a real enroot, from the job file to what is shown of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.e2e.deck import Deck, kill_and_wait, until
from tests.enroot import Enroot
from tests.podman import write_busybox

pytestmark = pytest.mark.needs_enroot


@pytest.fixture
def image(enroot: Enroot, deck: Deck, tmp_path: Path) -> str:
    """A server whose node has enroot, and a file with an image."""
    deck.environment |= {
        name: text for name, text in enroot.environment.items() if name.startswith("ENROOT_")
    }
    deck.up("--pretend", "dgx-a100:2")
    return enroot.import_tar(write_busybox(tmp_path / "busybox.tar"), "busybox", "ENV OF_IMAGE=yes")


def test_a_gang_in_a_squashfs_image_meets_and_shows_it_by_digest(
    image: str, deck: Deck, enroot: Enroot, tmp_path: Path
) -> None:
    line = (
        "echo $RANK of $WORLD_SIZE at $MASTER_PORT in $OF_IMAGE; cat $QD_HOSTFILE; "
        # The first that fails ends the others: neither does before both have said theirs.
        "cd $QD_CHECKPOINT; touch $RANK; until [ -e 0 ] && [ -e 1 ]; do sleep 0.05; done; exit 3"
    )
    (tmp_path / "job.yaml").write_text(f"run: {line}\nimage: {image}\nnodes: 2\nworkdir: none\n")
    done = deck.qd("submit", str(tmp_path / "job.yaml"))
    assert done.returncode == 0, done.stderr
    (job,) = deck.client().list_jobs().jobs
    assert deck.qd("wait", job.id).returncode != 0
    logs = [deck.qd("logs", job.id, "--rank", str(rank)).stdout for rank in (0, 1)]
    assert [log.split(" at ")[0] for log in logs] == ["0 of 2", "1 of 2"], logs
    assert logs[0].splitlines()[1:3] == logs[1].splitlines()[1:3]
    (job,) = deck.client().list_jobs().jobs
    assert job.image == image
    assert re.fullmatch(re.escape(image) + "@sha256:[0-9a-f]{64}", job.image_digest or "")
    assert {replica.image for replica in job.attempts[0].replicas} == {job.image_digest}
    tar = write_busybox(tmp_path / "moved.tar", files={"etc/which": b"moved\n"})
    assert enroot.import_tar(tar, "busybox") == image
    assert deck.qd("requeue", job.id).returncode == 0
    until(lambda: len(deck.show(job.id)["attempts"]) == 2)
    assert deck.qd("wait", job.id).returncode != 0
    shown = deck.show(job.id)
    assert shown["reason"] == "setup_failed"
    assert "is another one now" in shown["message"]


def test_nothing_is_left_when_server_launcher_and_runner_are_killed(
    image: str, deck: Deck, enroot: Enroot
) -> None:
    job_id = deck.run("--image", image, "env -i sleep 1000 & exec env -i sleep 1000")
    until(lambda: deck.show(job_id)["state"] == "running")
    assert len(enroot.containers()) >= 2
    deck.kill_server()
    for pid in [*deck.launcher_pids(), *deck.runner_pids()]:
        kill_and_wait(pid)
    deck.up_again()
    until(lambda: deck.show(job_id)["state"] == "failed")
    assert enroot.containers() == []


def test_a_stop_is_warned_of_in_the_image(image: str, deck: Deck, enroot: Enroot) -> None:
    line = 'trap "ls $QD_STOP; exit 0" TERM; echo ready; while :; do sleep 0.05; done'
    job_id = deck.run("--image", image, line)
    until(lambda: "ready" in deck.qd("logs", job_id).stdout)
    assert deck.qd("cancel", job_id).returncode == 0
    until(lambda: deck.show(job_id)["state"] == "cancelled")
    assert "stopping" in deck.qd("logs", job_id).stdout
    assert enroot.containers() == []
