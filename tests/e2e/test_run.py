"""What a person sees at the terminal when jobs run."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from functools import partial
from pathlib import Path

from quarterdeck.sdk import JobRequest
from tests.e2e.deck import QD, Deck, until

PRETEND = ("--pretend", "dgx-a100:2")


def test_run_exits_with_the_commands_code(deck: Deck) -> None:
    deck.up(*PRETEND)
    done = deck.qd("run", "--workdir", "none", "--", "sh", "-c", "echo out; exit 7")
    assert done.returncode == 7, done.stderr
    assert done.stdout == "out\n"


def test_run_exits_with_128_and_the_signal(deck: Deck) -> None:
    deck.up(*PRETEND)
    done = deck.qd("run", "--workdir", "none", "--", "sh", "-c", "kill -USR2 $$")
    assert done.returncode == 128 + signal.SIGUSR2, done.stderr


def test_without_a_server_run_exits_125_and_others_4(deck: Deck) -> None:
    assert deck.qd("run", "--workdir", "none", "--", "true").returncode == 125
    done = deck.qd("ps")
    assert done.returncode == 4
    assert "qd up" in done.stderr


def test_the_work_folder_is_a_snapshot(deck: Deck, tmp_path: Path) -> None:
    deck.up(*PRETEND)
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "said.txt").write_text("before\n")
    (folder / "secret.bin").write_text("x")
    (folder / ".gitignore").write_text("*.bin\n")
    hold = deck.run("--cpus", "256", "--nodes", "2", "sleep 300")
    until(lambda: deck.show(hold)["state"] == "running")
    command = ("run", "--detach", "-o", "json", "--", "sh", "-c", "cat said.txt; ls -A")
    job_id = json.loads(deck.qd(*command, cwd=folder).stdout)["id"]
    (folder / "said.txt").write_text("after\n")
    deck.qd("cancel", hold)
    assert deck.qd("wait", job_id).returncode == 0
    assert deck.qd("logs", job_id).stdout.splitlines() == ["before", ".gitignore", "said.txt"]


def test_results_are_listed_and_read(deck: Deck) -> None:
    deck.up(*PRETEND)
    job_id = deck.run("mkdir $QD_RESULTS/a; printf 42 > $QD_RESULTS/a/answer")
    assert deck.qd("wait", job_id).returncode == 0
    assert "a/answer" in deck.qd("results", job_id).stdout
    assert deck.qd("results", job_id, "a/answer").stdout == "42"


def test_show_has_the_stable_fields(deck: Deck) -> None:
    deck.up(*PRETEND)
    job_id = deck.run("--gpus", "2", "exit 3")
    assert deck.qd("wait", job_id).returncode == 1
    job = deck.show(job_id)
    assert (job["state"], job["reason"], job["exit_code"]) == ("failed", "user_error", 3)
    assert len(job["attempts"]) == 1
    assert len(job["attempts"][0]["placement"][0]["gpus"]) == 2
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", job["attempts"][0]["started_at"])


def test_the_third_gang_waits_and_is_told_why(deck: Deck) -> None:
    deck.up("--pretend", "dgx-a100:20")
    gang = ("--nodes", "8", "--gpus", "8")
    first, second, third = (deck.run(*gang, "sleep 300") for _ in range(3))
    for job_id in (first, second):
        until(partial(_runs, deck, job_id))
    explained = deck.qd_json("explain", third)
    assert explained["job"]["state"] == "queued"
    assert explained["verdict"]["blocked_by"] == "no_capacity"
    assert explained["verdict"]["numbers"]["nodes_free_now"] == 4
    assert explained["verdict"]["numbers"]["gpus_free_now"] == 32
    assert "4 of the 8 nodes" in deck.qd("explain", third).stdout
    nodes = [
        grant["node"] for job_id in (first, second) for grant in deck.show(job_id)["placement"]
    ]
    assert len(set(nodes)) == 16
    deck.qd("cancel", first)
    until(lambda: deck.show(third)["state"] == "running")


def _runs(deck: Deck, job_id: str) -> bool:
    return bool(deck.show(job_id)["state"] == "running")


def test_what_can_never_fit_is_refused(deck: Deck) -> None:
    deck.up(*PRETEND)
    done = deck.qd("submit", "-", "-o", "json")
    assert done.returncode in (2, 3)
    refused = deck.qd("run", "--detach", "--workdir", "none", "--gpus", "9", "--", "true")
    assert refused.returncode == 125
    assert "can never fit" in refused.stderr
    assert "at most 8 GPUs" in refused.stderr
    assert deck.qd_json("ps", "-a")["jobs"] == []


def test_ranks_of_a_multi_node_job_agree(deck: Deck, tmp_path: Path) -> None:
    deck.up(*PRETEND)
    script = tmp_path / "rank.sh"
    script.write_text(
        'echo "$(date +%s%N) $RANK $LOCAL_RANK $WORLD_SIZE $MASTER_ADDR $MASTER_PORT '
        '$QD_NODE_RANK $QD_NNODES $(tr "\\n" "," < $QD_HOSTFILE)"\n'
    )
    job_id = deck.run("--nodes", "2", "--ranks-per-node", "2", f"sh {script}")
    assert deck.qd("wait", job_id).returncode == 0
    lines = []
    for rank in ("0", "1"):
        lines += deck.qd("logs", job_id, "--rank", rank).stdout.splitlines()
    told = sorted((line.split() for line in lines), key=lambda words: int(words[1]))
    assert [words[1] for words in told] == ["0", "1", "2", "3"]
    assert [words[2] for words in told] == ["0", "1", "0", "1"]
    assert [words[6] for words in told] == ["0", "0", "1", "1"]
    assert len({tuple(words[3:6] + words[7:]) for words in told}) == 1, told
    moments = [int(words[0]) for words in told]
    assert max(moments) - min(moments) < 200_000_000, moments


def test_cancel_leaves_no_process(deck: Deck, tmp_path: Path) -> None:
    deck.up(*PRETEND)
    started = tmp_path / "started"
    line = (
        "trap '' TERM; (setsid sh -c 'sleep 1000 & sleep 1000' &) ; "
        f"(sleep 1000 &) ; touch {started}; sleep 1000"
    )
    with deck.client() as client:
        request = {"run": line, "checkpoint": {"grace": "1s"}}
        job_id = client.submit(JobRequest.model_validate(request)).id
    until(started.exists)
    until(lambda: len(deck.processes_of(job_id)) >= 5)
    cancelled = deck.qd("cancel", job_id)
    assert cancelled.returncode == 0
    assert deck.qd("wait", job_id, "--timeout", "60").returncode == 1
    assert deck.show(job_id)["state"] == "cancelled"
    assert deck.processes_of(job_id) == []


def test_interrupting_run_cancels_the_job(deck: Deck) -> None:
    deck.up(*PRETEND)
    command = [*QD, "run", "--workdir", "none", "--", "sh", "-c", "echo up; sleep 1000"]
    with subprocess.Popen(
        command, env=deck.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    (job,) = deck.qd_json("ps", "-a")["jobs"]
    assert job["state"] == "cancelled"


def test_requeue_gives_the_next_attempt(deck: Deck) -> None:
    deck.up(*PRETEND)
    job_id = deck.run("echo try $QD_ATTEMPT")
    deck.qd("wait", job_id)
    assert deck.qd("requeue", job_id).returncode == 0
    until(lambda: len(deck.show(job_id)["attempts"]) == 2)
    assert deck.qd("wait", job_id).returncode == 0
    assert deck.qd("logs", job_id).stdout == "try 2\n"
    assert deck.qd("logs", job_id, "--attempt", "1").stdout == "try 1\n"
