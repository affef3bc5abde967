"""A dry run changes nothing, and a quiet verb says no more than a name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.terminal import qd
from tests.integration.sdk.scripted import (
    JOB_ID,
    OTHER_ID,
    as_json,
    job,
    log_end,
    log_message,
    problem,
    serving,
    stream,
)

GRANT = {"node_rank": 0, "node": "dgx-1", "gpus": [], "cpus": 1, "memory_bytes": 0, "nics": []}
PLAN: dict[str, Any] = {
    "starts_now": True,
    "site": "local",
    "placement": [GRANT],
    "position": 1,
    "verdict": None,
    "grounds": [],
    "allreduce_gbytes_s": None,
    "promise": None,
    "latest": None,
}


@pytest.mark.parametrize(
    ("verb", "path", "more"),
    [
        ("cancel", "cancel", ()),
        ("requeue", "requeue", ()),
        ("hold", "hold", ()),
        ("release", "release", ()),
        ("note", "notes", ("text",)),
    ],
)
def test_a_dry_run_asks_the_server_for_one(verb: str, path: str, more: tuple[str, ...]) -> None:
    with serving(as_json(job())) as script:
        done = qd(verb, "--dry-run", JOB_ID, *more, url=script.url)
        named = qd(verb, "--dry-run", "-q", JOB_ID, *more, url=script.url)
    assert [asked.path for asked in script.asked] == [f"/v1/jobs/{JOB_ID}/{path}?dry_run=true"] * 2
    assert "would " in done.stdout
    assert JOB_ID in done.stdout
    assert named.stdout == f"{JOB_ID}\n"


@pytest.mark.parametrize("verb", ["cancel", "requeue", "hold", "release"])
def test_without_dry_run_nothing_of_it_is_sent(verb: str) -> None:
    with serving(as_json(job("stopping"))) as script:
        done = qd(verb, JOB_ID, url=script.url)
    assert "dry_run" not in script.asked[0].path
    assert done.stdout == f"{JOB_ID} stopping\n"


def test_what_a_dry_run_finds_wrong_is_refused_alike() -> None:
    with serving(problem(409, "conflict")) as script:
        assert qd("requeue", "--dry-run", JOB_ID, url=script.url).returncode == 3


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "train.py").write_text("print(42)")
    (tmp_path / "job.yaml").write_text("run: python train.py\nworkdir: .\n")
    (tmp_path / "jobs.yaml").write_text("name: a\nrun: x\n---\nname: b\nrun: y\nneeds: [a]\n")
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [("run", "--dry-run", "--", "true"), ("submit", "--dry-run", "job.yaml")],
)
def test_a_job_that_is_tried_dry_is_planned_and_nothing_is_uploaded(
    words: tuple[str, ...], folder: Path
) -> None:
    with serving(as_json(PLAN)) as script:
        done = qd(*words, url=script.url, cwd=folder)
        dumped = qd(*words[:2], "-o", "json", *words[2:], url=script.url, cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert [(asked.method, asked.path) for asked in script.asked] == [("POST", "/v1/plans")] * 2
    assert "would start now at site local, on dgx-1" in done.stdout
    assert json.loads(dumped.stdout) == PLAN


def test_a_work_folder_that_cannot_be_sent_is_refused_by_a_dry_run_too(tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text("run: x\nworkdir: absent\n")
    with serving(as_json(PLAN)) as script:
        done = qd("submit", "--dry-run", "job.yaml", url=script.url, cwd=tmp_path)
    assert done.returncode == 3
    assert "absent" in done.stderr


def test_several_jobs_are_tried_dry_together(folder: Path) -> None:
    with serving(as_json({"ids": []})) as script:
        done = qd("submit", "--dry-run", "jobs.yaml", url=script.url, cwd=folder)
    assert [asked.path for asked in script.asked if "snapshots" not in asked.path] == [
        "/v1/batches?dry_run=true"
    ]
    assert done.stdout == "would submit a\nwould submit b\n"


def test_a_clone_that_is_tried_dry_is_planned() -> None:
    request = {"run": "x", "needs": []}
    with serving(as_json(request), as_json(PLAN)) as script:
        done = qd("clone", "--dry-run", JOB_ID, url=script.url)
    assert script.asked[-1].path == "/v1/plans"
    assert "would start now" in done.stdout


def test_init_tried_dry_writes_nothing_and_minds_what_is_there(tmp_path: Path) -> None:
    done = qd("init", "--dry-run", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "would write job.yaml\n")
    assert list(tmp_path.iterdir()) == []
    assert qd("init", "-q", cwd=tmp_path).stdout == "job.yaml\n"
    assert qd("init", "--dry-run", cwd=tmp_path).returncode == 3
    written = qd("init", "--force", "-o", "json", cwd=tmp_path)
    assert json.loads(written.stdout) == {"file": "job.yaml", "written": True}


def test_quiet_lists_are_ids_for_a_pipe() -> None:
    page = {"jobs": [job(), job(id=OTHER_ID)], "next_before": None}
    with serving(as_json(page)) as script:
        done = qd("ps", "-q", url=script.url)
    assert done.stdout == f"{JOB_ID}\n{OTHER_ID}\n"


def test_a_quiet_run_prints_what_the_command_printed_and_nothing_else() -> None:
    told = stream(log_message(0, "out\n") + log_end("failed", 7))
    failed = job("failed", exit_code=7, reason="user_error", message="exit code 7")
    with serving(as_json(job(), 201), told, as_json(failed)) as script:
        done = qd("run", "-q", "--workdir", "none", "--", "true", url=script.url)
    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "")


def test_quiet_and_another_form_are_not_both_meant() -> None:
    for words, code in ((("ps",), 2), (("run", "--", "x"), 125)):
        done = qd(words[0], "-q", "-o", "json", *words[1:])
        assert (done.returncode, "give -q or -o json" in done.stderr) == (code, True)
    with serving(as_json({"jobs": [], "next_before": None})) as script:
        assert qd("ps", "-q", "-o", "name", url=script.url).returncode == 0


def test_names_are_names_wherever_something_is_shown() -> None:
    explained = {
        "job": job(), "summary": "it waits", "position": 1, "queue_length": 1,
        "verdict": None, "would_place": [],
    }  # fmt: skip
    with serving(as_json(explained)) as script:
        assert qd("explain", "-q", JOB_ID, url=script.url).stdout == f"{JOB_ID}\n"
    with serving(as_json(PLAN)) as script:
        assert qd("plan", "-q", "--", "true", url=script.url).stdout == "dgx-1\n"
