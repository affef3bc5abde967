"""The verbs for arrays, needs, holds, notes, clones and the queue: what they ask, what they say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.cli.terminal import qd
from tests.integration.cli.test_verbs import VERDICT, sent
from tests.integration.sdk.scripted import JOB_ID, OTHER_ID, as_json, job, problem, serving

ENTRY: dict[str, Any] = {
    "position": 1,
    "id": JOB_ID,
    "name": "train",
    "owner": "ada",
    "priority": "high",
    "demand": "1 node × 8 GPUs",
    "tasks_waiting": 7,
    "submitted_at": "2026-11-23T09:00:00.000000Z",
    "starts_now": False,
    "verdict": VERDICT,
}


@pytest.mark.parametrize("verb", ["hold", "release"])
def test_holding_and_releasing_ask_for_each_job(verb: str) -> None:
    with serving(as_json(job("held")), as_json(job("held"))) as script:
        done = qd(verb, JOB_ID, OTHER_ID, url=script.url)
    assert (done.returncode, done.stdout) == (0, f"{JOB_ID} held\n" * 2)
    assert [(one.method, one.path) for one in script.asked] == [
        ("POST", f"/v1/jobs/{JOB_ID}/{verb}"),
        ("POST", f"/v1/jobs/{OTHER_ID}/{verb}"),
    ]


def test_of_several_jobs_a_refusal_keeps_none_of_the_others_back() -> None:
    told = problem(409, "conflict", detail="job is running")
    with serving(told, as_json(job("held"))) as script:
        done = qd("hold", OTHER_ID, JOB_ID, url=script.url)
    assert (done.returncode, done.stdout) == (3, f"{JOB_ID} held\n")
    assert "job is running" in done.stderr


@pytest.mark.parametrize("verb", ["hold", "release"])
def test_without_a_job_there_is_nothing_to_hold(verb: str) -> None:
    assert qd(verb, url="http://127.0.0.1:9").returncode == 2


ORDERED: dict[str, Any] = {
    "jobs": [
        {"id": OTHER_ID, "name": "train", "before": 7, "position": 2},
        {"id": JOB_ID, "name": "report", "before": 2, "position": None},
    ],
    "queue_length": 9,
}


def test_an_order_is_sent_whole_and_the_places_are_shown() -> None:
    with serving(as_json(ORDERED)) as script:
        done = qd("reorder", OTHER_ID, JOB_ID, url=script.url)
        dry = qd("reorder", "--reset", "--dry-run", OTHER_ID, JOB_ID, url=script.url)
        names = qd("reorder", "-q", OTHER_ID, JOB_ID, url=script.url)
        plain = qd("reorder", "-o", "json", OTHER_ID, JOB_ID, url=script.url)
    assert (done.returncode, done.stdout.splitlines()) == (
        0,
        [
            "#  ID          NAME    BEFORE",
            f"2  {OTHER_ID}  train   7",
            f"-  {JOB_ID}  report  2",
        ],
    )
    assert dry.stdout == f"they would come so:\n{done.stdout}"
    assert names.stdout == f"{OTHER_ID}\n{JOB_ID}\n"
    assert json.loads(plain.stdout) == ORDERED
    assert [one.path for one in script.asked][:2] == [
        "/v1/jobs/reorder",
        "/v1/jobs/reorder?dry_run=true",
    ]
    assert sent(script) == {"jobs": [OTHER_ID, JOB_ID]}
    assert sent(script, 1) == {"jobs": [OTHER_ID, JOB_ID], "reset": True}


def test_show_says_that_a_job_has_the_place_of_another() -> None:
    with serving(as_json(job(place_as_of="2026-11-23T09:00:00.123456Z"))) as script:
        done = qd("show", JOB_ID, url=script.url)
    assert "by its owner's order that of a job submitted at 2026-11-23T09:00:00Z" in done.stdout


def test_a_note_is_sent_as_it_was_written() -> None:
    with serving(as_json(job())) as script:
        done = qd("note", JOB_ID, "lr zu hoch: é", url=script.url)
    assert done.returncode == 0
    assert (script.asked[0].path, sent(script)) == (
        f"/v1/jobs/{JOB_ID}/notes",
        {"text": "lr zu hoch: é"},
    )


def test_run_has_options_for_all_that_a_job_may_wait_for() -> None:
    options = [
        *("--array", "0-99%10", "--needs", OTHER_ID, "--needs", "j000000003"),
        *("--time-limit", "2h", "--tag", "project=ocr", "--tag", "note=a=b", "--hold"),
        *("--workdir", "none", "--detach"),
    ]
    with serving(as_json(job(), 201)) as script:
        done = qd("run", *options, "--", "true", url=script.url)
    assert done.returncode == 0, done.stderr
    assert {
        "array": "0-99%10",
        "needs": [OTHER_ID, "j000000003"],
        "time_limit": "2h",
        "tags": {"project": "ocr", "note": "a=b"},
        "hold": True,
    }.items() <= sent(script).items()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("run", "--tag", "ocr", "--workdir", "none", "--", "true"), 125),
        (("ps", "--tag", "ocr"), 2),
    ],
    ids=["run", "ps"],
)
def test_a_tag_without_a_value_asks_no_server(arguments: tuple[str, ...], code: int) -> None:
    done = qd(*arguments, url="http://127.0.0.1:9")
    assert (done.returncode, "--tag" in done.stderr) == (code, True)


def test_ps_asks_for_jobs_with_all_of_the_tags() -> None:
    page: dict[str, Any] = {"jobs": [], "next_before": None}
    with serving(as_json(page)) as script:
        assert qd("ps", "-a", "--tag", "a=b", "--tag", "c=d e", url=script.url).returncode == 0
    assert script.asked[0].path == "/v1/jobs?tag=a%3Db&tag=c%3Dd+e&limit=50"


def test_ps_lists_held_jobs_and_says_how_to_go_on() -> None:
    array = {"text": "0-9", "tasks": 10, "parallel": None, "counts": {"held": 10}, "failed": []}
    page = {"jobs": [job("held", array=array)], "next_before": OTHER_ID}
    with serving(as_json(page)) as script:
        done = qd("ps", url=script.url)
    assert "state=held" in script.asked[0].path
    assert "× 10 tasks" in done.stdout
    assert f"--before {OTHER_ID}" in done.stderr


def test_the_queue_is_a_table_with_reasons() -> None:
    starts = {**ENTRY, "position": 2, "id": OTHER_ID, "tasks_waiting": None, "verdict": None}
    queue = {"length": 9, "entries": [ENTRY, {**starts, "starts_now": True}]}
    with serving(as_json(queue)) as script:
        table = qd("queue", "-n", "2", url=script.url)
        names = qd("queue", "-o", "name", url=script.url)
        whole = qd("queue", "-o", "json", url=script.url)
    assert script.asked[0].path == "/v1/queue?limit=2"
    first, second = table.stdout.splitlines()[1:]
    assert "4 of the 8 nodes are free" in first
    assert "× 7 tasks" in first
    assert "it fits and starts next" in second
    assert "7 more; -n 9" in table.stderr
    assert names.stdout == f"{JOB_ID}\n{OTHER_ID}\n"
    assert json.loads(whole.stdout) == queue


REQUEST: dict[str, Any] = {
    "name": "train",
    "run": "python train.py",
    "env": {"LR": "0.1", "SEED": "1"},
    "resources": {"gpu": "A100:8"},
    "needs": [OTHER_ID],
    "array": "0-9",
    "snapshot": "d" * 64,
}


def test_a_clone_is_the_same_job_without_its_needs() -> None:
    with serving(as_json(REQUEST), as_json(job(), 201)) as script:
        done = qd("clone", JOB_ID, url=script.url)
    assert (done.returncode, done.stdout) == (0, f"{JOB_ID} queued\n"), done.stderr
    assert script.asked[0].path == f"/v1/jobs/{JOB_ID}/request"
    assert sent(script, 1) == {key: REQUEST[key] for key in REQUEST if key != "needs"}


def test_a_clone_is_changed_by_key() -> None:
    changes = ["env.LR=0.2", "env.SEED=", "env.NEW=a=b", "resources.gpu=4", "nodes=2", "array="]
    changes += ["retry.limit=3", "resources.cpu=16", "ranks_per_node=4", "tags.project=ocr"]
    changes += ["priority=high", "hold=true", "env.nodes=2"]
    options = [part for change in changes for part in ("--set", change)]
    with serving(as_json(REQUEST), as_json(job(), 201)) as script:
        done = qd("clone", JOB_ID, *options, url=script.url)
    assert done.returncode == 0, done.stderr
    assert sent(script, 1) == {
        "name": "train",
        "run": "python train.py",
        "env": {"LR": "0.2", "NEW": "a=b", "nodes": "2"},
        "resources": {"gpu": 4, "cpu": 16},
        "snapshot": "d" * 64,
        "nodes": 2,
        "ranks_per_node": 4,
        "retry": {"limit": 3},
        "hold": True,
        "tags": {"project": "ocr"},
        "priority": "high",
    }


@pytest.mark.parametrize(
    ("change", "code", "told"),
    [
        ("nodes", 2, "has no ="),
        ("name.first=a", 2, "name has no keys"),
        ("nodes=many", 3, "nodes"),
        ("wish=1", 3, "wish"),
        ("resources.wish=1", 3, "resources.wish"),
    ],
)
def test_a_change_that_means_nothing_submits_nothing(change: str, code: int, told: str) -> None:
    with serving(as_json(REQUEST), as_json(job(), 201)) as script:
        done = qd("clone", JOB_ID, "--set", change, url=script.url)
    assert (done.returncode, told in done.stderr) == (code, True), done.stderr
    assert [one.method for one in script.asked] == ["GET"]


def test_show_tells_of_the_array_the_needs_and_the_notes() -> None:
    array = {
        "text": "0-9%2",
        "tasks": 10,
        "parallel": 2,
        "counts": {"failed": 1, "running": 2, "queued": 7},
        "failed": [4],
    }
    noted = {"at": "2026-11-23T09:00:00.000000Z", "author": "bob", "text": "lr too high"}
    whole = job(
        "running", array=array, needs=[OTHER_ID], needs_unmet=[], notes=[noted], tags={"a": "b"}
    )
    with serving(as_json(whole)) as script:
        done = qd("show", JOB_ID, url=script.url)
    assert done.returncode == 0, done.stderr
    for part in ("0-9%2", "2 running", "4", OTHER_ID, "lr too high", "a=b"):
        assert part in done.stdout, done.stdout
