"""A job of two roles: trainers ask what serves them, all start or none, and the server ends with
them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.deck import Deck, until

SERVER = """\
import http.server, os
host, _, port = os.environ["QD_PEERS_LOADER"].rpartition(":")
class Batches(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"a batch")
    def log_message(self, *arguments):
        pass
http.server.HTTPServer((host, int(port)), Batches).serve_forever()
"""
TRAINER = """\
import os, time, urllib.request
for _ in range(600):
    try:
        batch = urllib.request.urlopen("http://" + os.environ["QD_PEERS_LOADER"]).read().decode()
        break
    except OSError:
        time.sleep(0.05)
told = ("QD_ROLE", "QD_NODE_RANK", "QD_NNODES", "RANK", "WORLD_SIZE", "QD_GPUS_PER_NODE")
print("got", batch, *(os.environ[name] for name in told), flush=True)
"""
JOB = """\
workdir: .
run: python3 train.py
nodes: 2
ranks_per_node: 2
resources: {gpu: 8}
roles:
  loader: {run: python3 serve.py, resources: {cpu: 4, memory: 64MiB}}
topology: {require: unit}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "work"
    made.mkdir()
    (made / "serve.py").write_text(SERVER)
    (made / "train.py").write_text(TRAINER)
    (made / "job.yaml").write_text(JOB)
    return made


@pytest.fixture
def pod(deck: Deck) -> Deck:
    deck.up("--pretend", "dgx-a100:4")
    return deck


def submitted(deck: Deck, folder: Path) -> str:
    done = deck.qd("submit", "job.yaml", "-o", "name", cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_roles_find_each_other_and_what_serves_ends_with_the_job(pod: Deck, folder: Path) -> None:
    job_id = submitted(pod, folder)
    assert pod.qd("wait", job_id).returncode == 0
    job = pod.show(job_id)
    assert (job["state"], job["exit_code"]) == ("succeeded", 0)
    assert job["demand"] == "2 nodes × 8 GPUs + 1 node × 4 CPUs"
    grants = job["attempts"][0]["placement"]
    assert [len(grant["gpus"]) for grant in grants] == [8, 8, 0]
    assert [grant["cpus"] for grant in grants] == [1, 1, 4]
    logs = [pod.qd("logs", job_id, "--rank", str(rank)).stdout for rank in (0, 1)]
    assert sorted(logs[0].splitlines()) == [f"got a batch main 0 2 {rank} 4 8" for rank in (0, 1)]
    assert sorted(logs[1].splitlines()) == [f"got a batch main 1 2 {rank} 4 8" for rank in (2, 3)]
    ends = [replica["ranks"] for replica in job["attempts"][0]["replicas"]]
    assert [rank["stopped"] for ranks in ends for rank in ranks] == [False] * 4 + [True]
    assert pod.processes_of(job_id) == []
    assert job["roles"] == [
        {
            "name": "loader",
            "nodes": 1,
            "ranks_per_node": 1,
            "command": ["sh", "-c", "python3 serve.py"],
        }
    ]


def test_a_role_that_fails_ends_the_whole_job(pod: Deck, folder: Path) -> None:
    (folder / "serve.py").write_text("raise SystemExit(5)")
    (folder / "train.py").write_text("import time; time.sleep(600)")
    job_id = submitted(pod, folder)
    assert pod.qd("wait", job_id).returncode != 0
    job = pod.show(job_id)
    assert (job["state"], job["exit_code"]) == ("failed", 5)
    assert "replica 2" in job["message"]
    assert pod.processes_of(job_id) == []


def test_a_role_that_ends_well_before_the_job_is_no_failure(pod: Deck, folder: Path) -> None:
    (folder / "serve.py").write_text("print('prepared')")
    (folder / "train.py").write_text("import time; time.sleep(1)")
    job_id = submitted(pod, folder)
    assert pod.qd("wait", job_id).returncode == 0


def test_all_roles_start_or_none_and_the_one_without_room_is_named(pod: Deck, folder: Path) -> None:
    (folder / "job.yaml").write_text(JOB.replace("cpu: 4", "cpu: 250"))
    first = pod.run("--nodes", "4", "--cpus", "100", "sleep 600")
    until(lambda: pod.show(first)["state"] == "running")
    job_id = submitted(pod, folder)
    until(lambda: pod.show(job_id)["state"] == "queued")
    told = pod.qd("explain", job_id).stdout
    assert "that is a part of 2 nodes × 8 GPUs + 1 node × 250 CPUs" in told
    assert pod.qd("cancel", first).returncode == 0
    until(lambda: pod.show(job_id)["state"] in ("running", "succeeded"))


def test_the_job_is_the_same_when_it_is_cloned(pod: Deck, folder: Path) -> None:
    job_id = submitted(pod, folder)
    cloned = pod.qd("clone", job_id, "-o", "name").stdout.strip()
    assert all(pod.qd("wait", one).returncode == 0 for one in (job_id, cloned))
    assert pod.show(cloned)["roles"] == pod.show(job_id)["roles"]


WRONG = {
    "no command": ("run: python3 serve.py, ", "", "run"),
    "no such key": ("resources: {cpu: 4", "gpus: 3, resources: {cpu: 4", "gpus"),
    "no GPU": ("cpu: 4", "gpu: mig-9x", "roles.loader.resources.gpu"),
    "too many": ("cpu: 4", "cpu: 999999", "roles.loader.resources.cpu"),
    "its own name": ("loader:", "main:", "main"),
}


@pytest.mark.parametrize(("old", "new", "named"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_with_a_role_is_named(
    old: str, new: str, named: str, pod: Deck, folder: Path
) -> None:
    (folder / "job.yaml").write_text(JOB.replace(old, new))
    done = pod.qd("submit", "job.yaml", cwd=folder)
    assert done.returncode != 0
    assert named in done.stderr
    assert "Traceback" not in done.stderr
    assert pod.qd_json("ps", "-a")["jobs"] == []
