"""What the verbs ask the server for, and how they print what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.terminal import qd
from tests.integration.sdk.scripted import JOB_ID, Answer, Script, as_json, job, problem, serving

GRANT = {
    "node_rank": 0,
    "node": "dgx-1",
    "gpus": ["GPU-1"],
    "cpus": 1,
    "memory_bytes": 0,
    "nics": [],
}
VERDICT = {
    "blocked_by": "no_capacity",
    "message": "4 of the 8 nodes are free",
    "hint": "ask for 4",
    "numbers": {"nodes_free_now": 4},
    "held_by": ["j000000009"],
    "change": {"nodes": "4"},
    "commands": ["qd clone j000000001 --set nodes=4", "qd cancel j000000001"],
}
PLAN: dict[str, Any] = {
    "starts_now": False,
    "site": None,
    "placement": [],
    "position": 3,
    "verdict": VERDICT,
    "grounds": [],
    "allreduce_gbytes_s": None,
    "promise": None,
    "latest": None,
}


def sent(script: Script, number: int = 0) -> Any:
    return json.loads(script.asked[number].body)


def test_run_turns_its_options_into_a_request() -> None:
    options = [
        *("--gpu", "A100:8", "-N", "2", "--ranks-per-node", "4", "--cpus", "16"),
        *("--memory", "64GiB", "-J", "digits", "--env", "A=b=c", "--env", "E="),
        *("--priority", "high", "--retry", "2", "--site", "local", "--workdir", "none"),
    ]
    with serving(as_json(job(), 201)) as script:
        done = qd("run", "--detach", *options, "--", "python", "train.py", url=script.url)
    assert done.returncode == 0, done.stderr
    assert sent(script) == {
        "name": "digits",
        "run": ["python", "train.py"],
        "env": {"A": "b=c", "E": ""},
        "nodes": 2,
        "ranks_per_node": 4,
        "resources": {"gpu": "A100:8", "cpu": 16, "memory": "64GiB"},
        "priority": "high",
        "retry": {"limit": 2},
        "site": "local",
    }


def test_run_sends_the_folder_it_is_in(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("print(42)")
    digest = "d" * 64
    kept = as_json({"digest": digest, "missing": []}, 201)
    with serving(kept, as_json(job(), 201)) as script:
        assert qd("run", "--detach", "true", url=script.url, cwd=tmp_path).returncode == 0
    assert [entry["path"] for entry in sent(script)["files"]] == ["train.py"]
    assert sent(script, 1)["snapshot"] == digest


def test_submit_sends_the_folder_of_the_job_file(tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text("run: python train.py\nworkdir: code\n")
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "train.py").write_text("print(42)")
    kept = as_json({"digest": "d" * 64, "missing": []}, 201)
    with serving(kept, as_json(job(), 201)) as script:
        done = qd("submit", str(tmp_path / "job.yaml"), "-o", "json", url=script.url)
    assert {"id": JOB_ID, "state": "queued"}.items() <= json.loads(done.stdout).items()
    assert [entry["path"] for entry in sent(script)["files"]] == ["train.py"]
    assert sent(script, 1)["run"] == "python train.py"


def test_a_refused_field_of_a_job_file_is_placed_in_it(tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text("run: a\nresources:\n  gpu: Z9:3\n")
    told = problem(422, "invalid", detail="resources.gpu is 'Z9:3'", field="resources.gpu")
    with serving(told) as script:
        for verb in ("submit", "plan"):
            done = qd(verb, "job.yaml", url=script.url, cwd=tmp_path)
            assert done.returncode == 3
            assert "error: job.yaml:3:3: resources.gpu is 'Z9:3'" in done.stderr


def test_a_wrong_job_file_asks_no_server(tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text("run: a\nlauncher: mpi\n")
    done = qd("submit", "job.yaml", home=tmp_path, cwd=tmp_path)
    assert done.returncode == 3
    assert "job.yaml:2:1: launcher is not available on this server yet" in done.stderr


def test_plan_takes_a_file_or_a_command(tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text("run: a\nnodes: 3\n")
    with serving(as_json(PLAN)) as script:
        told = qd("plan", "job.yaml", url=script.url, cwd=tmp_path)
        qd("plan", "--gpus", "8", "--", "python", "train.py", url=script.url)
        dumped = qd("plan", "-o", "json", "job.yaml", url=script.url, cwd=tmp_path)
    assert "4 of the 8 nodes are free" in told.stdout
    assert "3" in told.stdout
    assert "ask for 4" in told.stdout
    assert sent(script)["nodes"] == 3
    assert sent(script, 1)["resources"] == {"gpu": 8}
    assert json.loads(dumped.stdout) == PLAN


def test_ps_lists_unfinished_jobs_unless_told_otherwise() -> None:
    page = {"jobs": [job("running", placement=[GRANT])], "next_before": JOB_ID}
    with serving(as_json(page)) as script:
        told = qd("ps", url=script.url)
        qd("ps", "-a", "-n", "5", url=script.url)
        qd("ps", "--state", "failed", url=script.url)
        names = qd("ps", "-o", "name", url=script.url)
        dumped = qd("ps", "-o", "json", url=script.url)
    titles, row = told.stdout.splitlines()
    assert titles.split()[:3] == ["ID", "NAME", "STATE"]
    assert row.split()[:3] == [JOB_ID, "job", "running"]
    assert titles.index("STATE") == row.index("running")
    assert JOB_ID in told.stderr
    assert names.stdout == f"{JOB_ID}\n"
    assert json.loads(dumped.stdout) == page
    queries = [asked.path.partition("?")[2] for asked in script.asked]
    assert "state=queued&state=starting&state=running&state=stopping" in queries[0]
    assert queries[1] == "limit=5"
    assert "state=failed" in queries[2]


def test_show_prints_the_job_as_the_api_has_it() -> None:
    whole = job("failed", exit_code=3, reason="user_error")
    with serving(as_json(whole)) as script:
        dumped = qd("show", JOB_ID, "-o", "json", url=script.url)
        told = qd("show", JOB_ID, url=script.url)
    assert json.loads(dumped.stdout) == whole
    assert "user_error" in told.stdout


def test_explain_prints_the_numbers_and_what_would_help() -> None:
    told = {
        "job": job(),
        "summary": "it waits: 4 of the 8 nodes are free",
        "position": 2,
        "queue_length": 5,
        "verdict": VERDICT,
        "would_place": [],
        "grounds": ["it is the fullest"],
        "allreduce_gbytes_s": 240.0,
        "promise": {
            "made_at": "2026-11-24T08:00:00.123456Z",
            "expected_at": "2026-11-24T09:00:00.123456Z",
            "half": {
                "earliest": "2026-11-24T08:50:00.123456Z",
                "latest": "2026-11-24T09:20:00.123456Z",
            },
            "most": {
                "earliest": "2026-11-24T08:30:00.123456Z",
                "latest": "2026-11-25T01:00:00.123456Z",
            },
            "because": "nodes_lost",
            "why": "2 fewer nodes can be had than then",
        },
        "latest": {"at": "2026-11-24T09:30:00.123456Z", "when_ended": "j000000009"},
    }
    with serving(as_json(told)) as script:
        shown = qd("explain", JOB_ID, url=script.url).stdout
        dumped = qd("explain", JOB_ID, "-o", "json", url=script.url)
    for part in (
        "4 of the 8 nodes",
        "2 of 5",
        "no_capacity",
        "ask for 4",
        "j000000009",
        "why: it is the fullest",
        "starts: between 08:50:00Z and 09:20:00Z (50 %), 08:30:00Z and 2026-11-25T01:00:00Z (90 %)",
        "changed at 2026-11-24T08:00:00Z: 2 fewer nodes can be had than then",
        "do: qd clone j000000001 --set nodes=4 && qd cancel j000000001",
        "starts: 2026-11-24T09:30:00Z at the latest, when j000000009 has reached its time limit",
    ):
        assert part in shown
    assert "j000000009" in shown
    assert json.loads(dumped.stdout) == told


def test_logs_are_written_byte_by_byte() -> None:
    def part(data: bytes, after: int) -> Answer:
        return Answer(200, data, (("QD-Next-Offset", str(after)), ("QD-Final", "false")))

    with serving(part("é".encode(), 2), part(b"b\n", 4), part(b"", 4)) as script:
        done = qd("logs", JOB_ID, "--attempt", "2", "--rank", "1", url=script.url)
    assert done.stdout == "éb\n"
    queries = [asked.path.partition("?")[2] for asked in script.asked]
    assert queries == [f"attempt=2&node_rank=1&offset={offset}" for offset in (0, 2, 4)]


def test_a_part_of_a_log_is_asked_for_once_and_then_gone_on_with() -> None:
    def part(data: bytes, after: int) -> Answer:
        return Answer(200, data, (("QD-Next-Offset", str(after)), ("QD-Final", "false")))

    with serving(part(b"loss 1\n", 90), part(b"", 95), part(b"loss 2\n", 99), part(b"", 99)) as s:
        done = qd("logs", JOB_ID, "--tail", "50", "--since", "1h30m", "--grep", "loss", url=s.url)
    assert done.stdout == "loss 1\nloss 2\n"
    queries = [asked.path.partition("?")[2] for asked in s.asked]
    assert queries == [
        "node_rank=0&offset=0&tail=50&since_s=5400.000&contains=loss",
        *(f"node_rank=0&offset={offset}&contains=loss" for offset in (90, 95, 99)),
    ]
    wrong = qd("logs", JOB_ID, "--since", "yesterday", url="http://127.0.0.1:9")
    assert wrong.returncode == 3
    assert "--since is 'yesterday'" in wrong.stderr


def listed(*paths: str, ranks: int = 1) -> Answer:
    files = [
        {"path": path, "node_rank": rank, "size_bytes": 2, "attempt": 1}
        for path in paths
        for rank in range(ranks)
    ]
    return as_json({"job_id": JOB_ID, "attempt": 1, "files": files})


def test_results_are_listed_printed_and_saved(tmp_path: Path) -> None:
    with serving(listed("out/answer")) as script:
        assert "out/answer" in qd("results", JOB_ID, url=script.url).stdout
    with serving(listed("out/answer"), Answer(200, b"42")) as script:
        assert qd("results", JOB_ID, "out/answer", url=script.url).stdout == "42"
        missing = qd("results", JOB_ID, "nothing", url=script.url)
    assert missing.returncode in (3, 4)
    with serving(listed("out/answer"), as_json(job("failed")), Answer(200, b"42")) as script:
        saved = qd("results", JOB_ID, "-o", str(tmp_path), url=script.url)
    assert saved.returncode == 0, saved.stderr
    assert (tmp_path / "out" / "answer").read_bytes() == b"42"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["answer"]


@pytest.mark.parametrize(("state", "asked"), [("succeeded", "bytes=1-"), ("running", None)])
def test_a_download_that_was_cut_off_goes_on_unless_the_job_still_writes(
    tmp_path: Path, state: str, asked: str | None
) -> None:
    (tmp_path / f".answer.{JOB_ID}-1.part").write_bytes(b"4")
    rest = Answer(206, b"2") if asked else Answer(200, b"42")
    with serving(listed("answer"), as_json(job(state)), rest) as script:
        saved = qd("results", JOB_ID, "-o", str(tmp_path), url=script.url)
    assert saved.returncode == 0, saved.stderr
    assert (tmp_path / "answer").read_bytes() == b"42"
    assert script.asked[-1].headers.get("range") == asked


def test_results_of_several_nodes_do_not_overwrite_each_other(tmp_path: Path) -> None:
    with serving(listed("log", ranks=2), as_json(job("failed")), Answer(200, b"42")) as script:
        qd("results", JOB_ID, "-o", str(tmp_path), url=script.url)
    found = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("log"))
    assert found == ["0/log", "1/log"]


@pytest.mark.parametrize("path", ["../out", "/tmp/out", "a/../../out", "link/out", "link"])
def test_a_result_is_never_saved_outside_of_the_folder(tmp_path: Path, path: str) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "here" / "link").symlink_to("../elsewhere")
    named = path.replace("/tmp", str(tmp_path))
    with serving(listed(named), as_json(job("failed")), Answer(200, b"42")) as script:
        done = qd("results", JOB_ID, "-o", str(tmp_path / "here"), url=script.url)
    assert done.returncode == 3, done.stdout
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert not (tmp_path / "out").exists()


def test_node_marks_what_is_pretended() -> None:
    node = {
        "name": "dgx-1",
        "site": "local",
        "state": "up",
        "pretend": True,
        "gpu_model": "A100",
        "gpus": 8,
        "gpus_free": 6,
        "cpus": 64,
        "cpus_free": 64,
        "memory_bytes": 2**40,
        "memory_free_bytes": 2**40,
        "jobs": [JOB_ID],
        "cordon": None,
        "gpus_cordoned": 0,
        "rack": "r1",
        "unit": "su1",
        "pod": "",
        "gpu_states": ["free"] * 6 + ["held"] * 2,
        "reason": "",
        "others": [],
    }
    with serving(as_json({"nodes": [node]})) as script:
        told = qd("node", url=script.url)
        same = qd("node", "ls", url=script.url)
        dumped = qd("node", "-o", "json", url=script.url)
    assert "pretend" in told.stdout
    assert "6/8" in told.stdout
    assert same.stdout == told.stdout
    assert json.loads(dumped.stdout) == {"nodes": [node]}


def test_requeue_and_openapi_ask_once() -> None:
    with serving(as_json(job())) as script:
        assert qd("requeue", JOB_ID, "-o", "name", url=script.url).stdout == f"{JOB_ID}\n"
    assert [asked.path for asked in script.asked] == [f"/v1/jobs/{JOB_ID}/requeue"]
    with serving(as_json({"openapi": "3.1.0"})) as script:
        assert json.loads(qd("openapi", url=script.url).stdout) == {"openapi": "3.1.0"}
