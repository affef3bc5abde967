"""What a command finds: its checkpoint folder, its place for metrics, which task it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.integration.runner.ground import Ground


def snapshot(ground: Ground, **files: str) -> dict[str, Any]:
    return {
        "files": [
            {
                "path": path.replace("__", "/"),
                "mode": 0o644,
                "size": len(content),
                "digest": ground.blob(content.encode()),
            }
            for path, content in files.items()
        ]
    }


def checkpoint(ground: Ground) -> Path:
    return ground.root / "checkpoints" / "j1"


def test_the_folder_in_the_work_folder_is_the_checkpoint_folder(ground: Ground) -> None:
    folder, exited = ground.run_to_end(
        "echo 7 > out/ckpt/epoch; cat $QD_CHECKPOINT/epoch",
        checkpoint_path="out/ckpt",
        snapshot=snapshot(ground, out__readme="x"),
    )
    assert exited["ranks"][0]["code"] == 0
    assert (folder / "log").read_text() == "7\n"
    assert (checkpoint(ground) / "epoch").read_text() == "7\n"


def test_what_the_snapshot_has_there_is_the_first_checkpoint(ground: Ground) -> None:
    folder, _ = ground.run_to_end(
        "cat ckpt/epoch ckpt/a/b",
        checkpoint_path="ckpt",
        snapshot=snapshot(ground, ckpt__epoch="1\n", ckpt__a__b="2\n"),
    )
    assert (folder / "log").read_text() == "1\n2\n"
    assert (checkpoint(ground) / "epoch").read_text() == "1\n"


def test_a_later_checkpoint_is_not_overwritten(ground: Ground) -> None:
    checkpoint(ground).mkdir(parents=True)
    (checkpoint(ground) / "epoch").write_text("9\n")
    folder, _ = ground.run_to_end(
        "cat ckpt/*",
        checkpoint_path="ckpt",
        snapshot=snapshot(ground, ckpt__epoch="1\n", ckpt__x=""),
    )
    assert (folder / "log").read_text() == "9\n"
    assert [path.name for path in checkpoint(ground).iterdir()] == ["epoch"]


def test_a_file_in_its_place_fails_the_setup(ground: Ground) -> None:
    _, exited = ground.run_to_end(
        "true", checkpoint_path="ckpt", snapshot=snapshot(ground, ckpt="x")
    )
    assert exited["reason"] == "setup_failed"
    assert "'ckpt' is a file" in exited["message"]


@pytest.mark.parametrize("path", ["../x", "link/x", "/tmp/x", "."])
def test_a_path_that_leads_out_fails_the_setup(ground: Ground, path: str) -> None:
    files = {"files": [{"path": "link", "target": str(ground.root)}]}
    _, exited = ground.run_to_end("true", checkpoint_path=path, snapshot=files)
    assert exited["reason"] == "setup_failed"
    assert "leads out" in exited["message"]
    assert not (ground.root / "x").exists()


def test_a_command_has_a_folder_for_its_metrics(ground: Ground) -> None:
    folder, _ = ground.run_to_end('echo 1 > "$QD_METRICS/0"; echo "${QD_TASK_INDEX-none}"')
    assert (folder / "metrics" / "0").read_text() == "1\n"
    assert (folder / "log").read_text() == "none\n"


def test_a_task_knows_which_it_is(ground: Ground) -> None:
    folder, _ = ground.run_to_end(
        "echo $QD_TASK_INDEX of $QD_TASK_COUNT", task={"index": 17, "count": 1000}
    )
    assert (folder / "log").read_text() == "17 of 1000\n"
