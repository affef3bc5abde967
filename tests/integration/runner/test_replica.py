"""One replica, from its order to its last fact."""

from __future__ import annotations

import json
import signal
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.runner.ground import Ground, kill, until


def test_the_command_ends_with_its_own_code(ground: Ground) -> None:
    folder, exited = ground.run_to_end("echo out; echo err >&2; exit 7")
    assert exited["reason"] == "completed"
    assert exited["ranks"] == [{"rank": 0, "code": 7, "signal": None, "stopped": False}]
    assert (folder / "log").read_text() == "out\nerr\n"


def test_a_signal_is_told_from_a_code(ground: Ground) -> None:
    _, exited = ground.run_to_end("kill -KILL $$")
    assert exited["ranks"] == [{"rank": 0, "code": None, "signal": 9, "stopped": False}]


@pytest.mark.parametrize(
    ("command", "code"), [(["/no/such/program"], 127), (["no-such-program"], 127), (["/etc"], 126)]
)
def test_a_command_that_cannot_be_run_says_why_in_the_log(
    ground: Ground, command: list[str], code: int
) -> None:
    folder, exited = ground.run_to_end("", command=command)
    assert exited["ranks"][0]["code"] == code
    assert command[0] in (folder / "log").read_text()


def test_the_environment_is_the_fields_own(ground: Ground) -> None:
    ground.start_launcher()
    folder = ground.order(
        "env",
        ranks_per_node=2,
        devices=["GPU-a", "GPU-b"],
        env={"LR": "0.10"},
        snapshot={"files": []},
    )
    ground.launch(folder)
    ground.fact(folder, "exited")
    lines = (folder / "log").read_text().splitlines()
    for expected, count in {
        "LR=0.10": 2,
        "CUDA_VISIBLE_DEVICES=GPU-a,GPU-b": 2,
        "WORLD_SIZE=2": 2,
        "RANK=0": 1,
        "RANK=1": 1,
        "LOCAL_RANK=1": 1,
        "QD_GPUS_PER_NODE=2": 2,
        "QD_JOB_ID=j1": 2,
        "MASTER_ADDR=127.0.0.1": 2,
        "KEPT=yes": 2,
    }.items():
        assert lines.count(expected) == count, expected
    assert not [line for line in lines if line.startswith("QD_HOME=")]


def test_without_gpus_none_is_visible(ground: Ground) -> None:
    folder, _ = ground.run_to_end('echo "[$CUDA_VISIBLE_DEVICES]"')
    assert (folder / "log").read_text() == "[]\n"


def test_the_work_folder_is_laid_out_as_it_was(ground: Ground) -> None:
    files: list[dict[str, Any]] = [
        {"path": "bin/run.sh", "mode": 0o755, "size": 9, "digest": ground.blob(b"echo run\n")},
        {"path": "data.txt", "mode": 0o640, "size": 4, "digest": ground.blob(b"data")},
        {"path": "link", "target": "data.txt"},
    ]
    folder, exited = ground.run_to_end(
        "./bin/run.sh; cat link; echo more >> data.txt", snapshot={"files": files}
    )
    assert exited["ranks"][0]["code"] == 0
    assert (folder / "log").read_text() == "run\ndata"
    assert stat.S_IMODE((folder / "work" / "data.txt").stat().st_mode) == 0o640
    assert (ground.blobs / files[1]["digest"][:2] / files[1]["digest"]).read_bytes() == b"data"


@pytest.mark.parametrize("path", ["../out", "/tmp/out", "a/../../out"])
def test_a_path_that_leads_out_is_not_written(ground: Ground, path: str) -> None:
    files = [{"path": path, "mode": 0o644, "size": 1, "digest": ground.blob(b"x")}]
    folder, exited = ground.run_to_end("true", snapshot={"files": files})
    assert exited["reason"] == "setup_failed"
    assert path in exited["message"]
    assert not (folder / "out").exists()


def test_a_missing_file_fails_the_setup_and_is_named(ground: Ground) -> None:
    files = [{"path": "gone.py", "mode": 0o644, "size": 1, "digest": "0" * 64}]
    _, exited = ground.run_to_end("true", snapshot={"files": files})
    assert exited["reason"] == "setup_failed"
    assert "gone.py" in exited["message"]


def test_peers_start_only_when_all_of_them_stand(ground: Ground) -> None:
    ground.start_launcher()
    folders = [
        ground.order(
            'echo "$RANK $WORLD_SIZE $MASTER_ADDR:$MASTER_PORT $(cat $QD_HOSTFILE | xargs)"',
            rank=rank,
            nnodes=2,
            barrier=True,
        )
        for rank in (0, 1)
    ]
    ground.launch(*folders)
    standing = [ground.fact(folder, "standing") for folder in folders]
    assert not any(fact["kind"] == "started" for f in folders for fact in ground.facts(f))
    peers = [
        {key: fact[key] for key in ("host", "address", "port")} | {"node_rank": rank}
        for rank, fact in enumerate(standing)
    ]
    for folder in folders:
        (folder / "peers.json").write_text(json.dumps({"peers": peers}))
        ground.poke(folder, b"go\n")
    for folder in folders:
        ground.fact(folder, "exited")
    told = [(folder / "log").read_text().split(maxsplit=1) for folder in folders]
    assert [words[0] for words in told] == ["0", "1"]
    assert told[0][1] == told[1][1]
    assert f"127.0.0.1:{standing[0]['port']}" in told[0][1]


def test_a_stop_at_the_barrier_never_starts_the_command(ground: Ground) -> None:
    ground.start_launcher()
    folder = ground.order("true", nnodes=2, barrier=True)
    ground.launch(folder)
    ground.fact(folder, "standing")
    ground.ask_to_stop(folder, 0.0)
    exited = ground.fact(folder, "exited")
    assert (exited["reason"], exited["ranks"]) == ("stopped", [])
    assert not (folder / "log").exists()


def test_a_stop_is_a_signal_then_a_grace_then_the_kill(ground: Ground, tmp_path: Path) -> None:
    ground.start_launcher()
    folder = ground.order("trap 'echo asked' TERM; while :; do sleep 0.05; done")
    ground.launch(folder)
    ground.fact(folder, "started")
    until(lambda: len(ground.processes()) >= 2)
    ground.ask_to_stop(folder, 0.5)
    exited = ground.fact(folder, "exited")
    assert "asked" in (folder / "log").read_text()
    assert exited["reason"] == "stopped"
    assert exited["ranks"] == [{"rank": 0, "code": None, "signal": 9, "stopped": True}]


def test_a_stop_right_after_the_start_is_not_lost(ground: Ground) -> None:
    ground.start_launcher()
    for number in range(20):
        folder = ground.order("sleep 1000", name=f"j{number}", command=["sleep", "1000"])
        ground.launch(folder)
        ground.fact(folder, "started")
        ground.ask_to_stop(folder, 1000.0)
        assert ground.fact(folder, "exited")["ranks"][0]["signal"] == signal.SIGTERM


def test_a_command_may_end_well_within_its_grace(ground: Ground) -> None:
    ground.start_launcher()
    folder = ground.order("trap 'exit 0' TERM; echo up; while :; do sleep 0.02; done")
    ground.launch(folder)
    until(lambda: (folder / "log").exists() and (folder / "log").read_text())
    ground.ask_to_stop(folder, 1000.0)
    assert ground.fact(folder, "exited")["ranks"][0]["code"] == 0


def test_what_the_command_leaves_behind_is_killed_at_its_end(ground: Ground) -> None:
    _, exited = ground.run_to_end(
        "(setsid sh -c 'sleep 1000 & sleep 1000' &); (env -i sleep 1000 &); "
        "(env -i setsid sleep 1000 &); exit 0"
    )
    assert exited["ranks"][0]["code"] == 0
    assert ground.processes() == []


def test_a_process_whose_first_thread_has_ended_is_killed_too(ground: Ground) -> None:
    program = (
        "import ctypes, os, threading, time; print(os.getpid(), flush=True); "
        "threading.Thread(target=time.sleep, args=(1000,)).start(); "
        "ctypes.CDLL(None).pthread_exit(None)"
    )
    folder, _ = ground.run_to_end(f'(setsid {sys.executable} -c "{program}" &); sleep 0.5')
    tasks = Path(f"/proc/{int((folder / 'log').read_text())}/task")
    until(lambda: not tasks.exists())


def test_hangup_and_interrupt_reach_the_command(ground: Ground) -> None:
    for number in (signal.SIGHUP, signal.SIGINT):
        _, exited = ground.run_to_end(f"kill -{number} $$; exit 0", name=f"j{number}")
        assert exited["ranks"][0]["signal"] == number


def test_a_failed_rank_takes_the_others_of_its_node_along(ground: Ground) -> None:
    _, exited = ground.run_to_end(
        "[ $LOCAL_RANK = 1 ] && exit 3; sleep 1000", ranks_per_node=3, grace_s=2.0
    )
    assert [end["code"] for end in exited["ranks"]] == [None, 3, None]
    assert [end["stopped"] for end in exited["ranks"]] == [True, False, True]
    assert exited["reason"] == "completed"


def test_a_command_that_was_started_once_is_never_started_again(ground: Ground) -> None:
    ground.start_launcher()
    folder = ground.order("echo once")
    (folder / "started").touch()
    ground.launch(folder)
    assert ground.fact(folder, "exited")["reason"] == "killed"
    assert not (folder / "log").exists()


def test_the_same_folder_twice_is_one_runner(ground: Ground) -> None:
    ground.start_launcher()
    folder = ground.order("echo started; sleep 0.3")
    ground.launch(folder, folder, folder)
    ground.fact(folder, "exited")
    ground.launch(folder)
    other = ground.order("true", name="j2")
    ground.launch(other)
    ground.fact(other, "exited")
    assert (folder / "log").read_text() == "started\n"
    assert [fact["kind"] for fact in ground.facts(folder)] == ["started", "exited"]


def test_the_runner_ends_its_command_when_it_is_asked_to_end_itself(ground: Ground) -> None:
    ground.start_launcher()
    folder = ground.order("sleep 1000")
    ground.launch(folder)
    runner = ground.fact(folder, "started")["pid"]
    until(ground.processes)
    import os

    os.kill(runner, signal.SIGTERM)
    exited = ground.fact(folder, "exited")
    assert (exited["ranks"][0]["signal"], exited["reason"]) == (signal.SIGTERM, "stopped_at_site")


def test_a_killed_runner_leaves_nothing_and_is_spoken_for(ground: Ground) -> None:
    ground.start_launcher()
    folder = ground.order("(env -i setsid sleep 1000 &); (setsid sleep 1000 &); sleep 1000")
    ground.launch(folder)
    runner = ground.fact(folder, "started")["pid"]
    until(lambda: len(ground.processes()) >= 2)
    ground.read_inbox()
    kill(runner)
    exited = ground.fact(folder, "exited")
    assert exited["reason"] == "killed"
    assert ground.processes() == []
    assert b'"j1"' in until(ground.read_inbox)
