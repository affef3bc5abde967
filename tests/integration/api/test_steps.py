"""Over HTTP: many jobs at once, arrays, needs, holds, notes, the queue, and a job's request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from quarterdeck.api.views import event_view
from quarterdeck.basics.ids import JobId
from quarterdeck.core.jobs.states import ReplicaState
from quarterdeck.wire.v1.jobs import JobView, TaskList
from quarterdeck.wire.v1.queue import QueueView
from tests.integration.api.test_jobs import GANG, show, submit

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

    from tests.integration.api.house import House

NOBODY = "j000000zzz"
PIPELINE = [
    {"name": "prepare", "run": "true"},
    {"name": "train", "run": "true", "needs": ["prepare"], "array": "0-3%2"},
    {"name": "report", "run": "true", "needs": ["train", "prepare"], "hold": True},
]


def count_jobs(client: TestClient) -> int:
    return len(client.get("/v1/jobs").json()["jobs"])


# Batches


def test_the_jobs_of_a_batch_name_each_other(client: TestClient) -> None:
    answer = client.post("/v1/batches", json={"jobs": PIPELINE})
    assert answer.status_code == 201, answer.text
    prepare, train, report = answer.json()["ids"]
    assert show(client, train).needs == show(client, train).needs_unmet == [prepare]
    assert show(client, report).needs == [train, prepare]
    assert [show(client, one).state for one in (prepare, train, report)] == [
        "queued",
        "queued",
        "held",
    ]


def test_a_batch_with_a_key_is_done_once(client: TestClient) -> None:
    headers = {"Idempotency-Key": "k1"}
    first = client.post("/v1/batches", json={"jobs": PIPELINE}, headers=headers)
    again = client.post("/v1/batches", json={"jobs": PIPELINE}, headers=headers)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    other = client.post("/v1/batches", json={"jobs": PIPELINE[:1]}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    single = client.post("/v1/jobs", json=PIPELINE[0], headers=headers)
    assert (single.status_code, single.json()["code"]) == (409, "idempotency_key_reused")
    assert count_jobs(client) == 3


def test_a_dry_run_of_a_batch_checks_and_makes_nothing(client: TestClient) -> None:
    answer = client.post("/v1/batches?dry_run=true", json={"jobs": PIPELINE})
    assert (answer.status_code, answer.json()) == (200, {"ids": []})
    assert count_jobs(client) == 0


REFUSED: dict[str, tuple[list[dict[str, Any]], str]] = {
    "a field that is wrong": ([{"run": "a"}, {"run": "b", "array": "3-1"}], "jobs.1.array"),
    "what can never fit": (
        [{"run": "a"}, {"run": "b", "resources": {"gpu": 9}}],
        "jobs.1.resources",
    ),
    "a need that nobody has": ([{"run": "a"}, {"run": "b", "needs": [NOBODY]}], "jobs.1.needs"),
    "a name that nobody has": ([{"run": "a", "needs": ["who"]}], "jobs.0.needs"),
    "a name that two have": (
        [{"run": "a", "name": "x"}, {"run": "b", "name": "x"}, {"run": "c", "needs": ["x"]}],
        "jobs.2.needs",
    ),
    "a circle of two": (
        [{"run": "a", "name": "x", "needs": ["y"]}, {"run": "b", "name": "y", "needs": ["x"]}],
        "jobs",
    ),
    "a job that needs itself": ([{"run": "a", "name": "x", "needs": ["x"]}], "jobs"),
    "an unknown key": ([{"run": "a", "wish": 1}], "jobs.0.wish"),
}


@pytest.mark.parametrize("query", ["", "?dry_run=true"])
@pytest.mark.parametrize(("jobs", "field"), REFUSED.values(), ids=REFUSED)
def test_of_a_batch_with_a_mistake_nothing_is_made(
    client: TestClient, jobs: list[dict[str, Any]], field: str, query: str
) -> None:
    answer = client.post(f"/v1/batches{query}", json={"jobs": jobs})
    assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text
    assert answer.json()["hint"]
    assert count_jobs(client) == 0


def test_a_circle_is_told_by_its_names(client: TestClient) -> None:
    jobs = [{"run": "a", "name": name, "needs": [need]} for name, need in ("xy", "yz", "zx")]
    told = client.post("/v1/batches", json={"jobs": jobs}).json()["detail"]
    assert all(name in told for name in "xyz")
    assert " -> " in told


def test_two_jobs_of_a_batch_may_have_one_name_if_nobody_asks_for_it(client: TestClient) -> None:
    jobs = [{"run": "a", "name": "x"}, {"run": "b", "name": "x"}]
    assert len(client.post("/v1/batches", json={"jobs": jobs}).json()["ids"]) == 2


# Arrays and needs


def test_an_array_is_shown_by_its_counts_and_task_by_task(house: House, client: TestClient) -> None:
    job = submit(client, array="2-8:2%3", retry={"limit": 1, "on": ["user_error"]})
    assert house.place() == 3
    house.see(job.id, ReplicaState.EXITED, 0, attempt=1)
    house.see(job.id, ReplicaState.EXITED, 7, attempt=2)
    job = show(client, job.id)
    assert job.array is not None
    assert (job.array.text, job.array.tasks, job.array.parallel) == ("2-8:2%3", 4, 3)
    assert job.array.counts == {"succeeded": 1, "queued": 2, "starting": 1}
    assert [attempt.task for attempt in job.attempts] == [4, 6]
    listed = TaskList.model_validate(client.get(f"/v1/jobs/{job.id}/tasks").json())
    assert [(one.index, one.state, one.attempt, one.retries) for one in listed.tasks] == [
        (2, "succeeded", 1, 0),
        (4, "queued", 2, 1),
        (6, "starting", 3, 0),
        (8, "queued", None, 0),
    ]
    some = client.get(f"/v1/jobs/{job.id}/tasks?state=queued&limit=1").json()
    assert [one["index"] for one in some["tasks"]] == [4]
    assert client.get(f"/v1/jobs/{submit(client).id}/tasks").json()["tasks"] == []


def test_a_failed_array_names_its_failed_tasks(house: House, client: TestClient) -> None:
    job = submit(client, array="5,7")
    house.place()
    house.see(job.id, ReplicaState.EXITED, 0, attempt=1)
    house.see(job.id, ReplicaState.EXITED, 3, attempt=2)
    job = show(client, job.id)
    assert job.array is not None
    assert (job.state, job.exit_code, job.array.failed) == ("failed", 3, [7])
    assert "1 of 2 tasks failed" in job.message
    assert client.post(f"/v1/jobs/{job.id}/requeue").json()["array"]["counts"] == {
        "queued": 1,
        "succeeded": 1,
    }


def test_a_job_that_waits_for_another_says_so_and_follows_it(
    house: House, client: TestClient
) -> None:
    first = submit(client)
    second = submit(client, needs=[first.id])
    house.run(first.id)
    told = client.get(f"/v1/jobs/{second.id}/explanation").json()
    assert (told["verdict"]["blocked_by"], told["verdict"]["held_by"]) == ("needs", [first.id])
    house.end(first.id)
    assert house.place() == 1
    assert show(client, second.id).needs_unmet == []


def test_a_retry_says_when_it_comes(house: House, client: TestClient) -> None:
    job = submit(client, retry={"limit": 1, "on": ["user_error"], "backoff": "1h"})
    house.run(job.id)
    house.end(job.id, 1)
    assert house.place() == 0
    after = show(client, job.id)
    assert after.retry_at is not None
    assert (after.state, after.retries, after.retry_at > after.submitted_at) == ("queued", 1, True)
    told = client.get(f"/v1/jobs/{job.id}/explanation").json()
    assert told["verdict"]["blocked_by"] == "backoff"


@pytest.mark.parametrize("query", ["", "?dry_run=true"])
def test_a_need_that_cannot_be_met_is_refused(client: TestClient, query: str) -> None:
    answer = client.post(f"/v1/jobs{query}", json={"run": "true", "needs": [NOBODY]})
    assert (answer.status_code, answer.json()["field"]) == (422, "needs")


# Hold, release, notes


def test_a_held_job_does_not_start_until_it_is_released(house: House, client: TestClient) -> None:
    job = submit(client, hold=True)
    assert (job.state, house.place()) == ("held", 0)
    assert client.post(f"/v1/jobs/{job.id}/release").json()["state"] == "queued"
    for _ in range(2):
        held = JobView.model_validate(client.post(f"/v1/jobs/{job.id}/hold").json())
        assert (held.state, held.reason) == ("held", "held_by_user")
    assert house.place() == 0
    for _ in range(2):
        assert client.post(f"/v1/jobs/{job.id}/release").json()["state"] == "queued"
    assert house.place() == 1
    assert client.post(f"/v1/jobs/{job.id}/hold").status_code == 409


def test_a_dry_run_of_hold_and_release_leaves_the_job_as_it_is(client: TestClient) -> None:
    job = submit(client)
    assert client.post(f"/v1/jobs/{job.id}/hold?dry_run=true").json()["state"] == "queued"
    client.post(f"/v1/jobs/{job.id}/hold")
    assert client.post(f"/v1/jobs/{job.id}/release?dry_run=true").json()["state"] == "held"
    assert show(client, job.id).state == "held"


def test_a_held_job_does_not_show_the_start_of_its_last_attempt(
    house: House, client: TestClient
) -> None:
    job = submit(client)
    house.run(job.id)
    house.end(job.id)
    client.post(f"/v1/jobs/{job.id}/requeue")
    client.post(f"/v1/jobs/{job.id}/hold")
    assert show(client, job.id).started_at is None


@pytest.mark.parametrize("verb", ["hold", "release", "notes"])
def test_there_is_nothing_to_do_to_a_job_that_is_not_there(client: TestClient, verb: str) -> None:
    assert client.post(f"/v1/jobs/{NOBODY}/{verb}", json={"text": "a"}).status_code == 404


def test_a_note_stays_with_the_job_also_after_its_end(house: House, client: TestClient) -> None:
    job = submit(client)
    assert client.post(f"/v1/jobs/{job.id}/notes", json={"text": "lr too high"}).status_code == 200
    house.run(job.id)
    house.end(job.id)
    client.post(f"/v1/jobs/{job.id}/notes", json={"text": "done"})
    after = show(client, job.id)
    assert [(one.author, one.text) for one in after.notes] == [
        ("ada", "lr too high"),
        ("ada", "done"),
    ]
    assert after.state == "succeeded"
    house.plane.board.catch_up()
    assert house.plane.board.find_job(JobId(job.id)) is None
    for text in ("", " "):
        answer = client.post(f"/v1/jobs/{job.id}/notes", json={"text": text})
        assert (answer.status_code, answer.json()["field"]) == (422, "text")


# Tags


def test_jobs_are_listed_by_their_tags(client: TestClient) -> None:
    both = submit(client, tags={"project": "ocr", "kind": "a=b"})
    one = submit(client, tags={"project": "ocr"})
    submit(client)

    def found(query: str) -> list[str]:
        return [job["id"] for job in client.get(f"/v1/jobs?{query}").json()["jobs"]]

    assert found("tag=project%3Docr") == [one.id, both.id]
    assert found("tag=project%3Docr&tag=kind%3Da%3Db") == [both.id]
    assert found("tag=project%3D") == []
    for bad in ("tag=project", "tag=%3Docr"):
        answer = client.get(f"/v1/jobs?{bad}")
        assert (answer.status_code, answer.json()["field"]) == (422, "tag")


# The request of a job

WHOLE: dict[str, Any] = {
    "name": "digits",
    "team": "vision",
    "run": "python train.py --lr 0.1",
    "env": {"LR": "0.1", "EMPTY": ""},
    "nodes": 2,
    "ranks_per_node": 8,
    "resources": {"gpu": "A100:8", "cpu": 16, "memory": "64GiB"},
    "priority": "high",
    "retry": {"limit": 3, "on": ["user_error", "timed_out"], "backoff": "1m30s"},
    "checkpoint": {"signal": "USR1", "grace": "90s", "path": "ckpt"},
    "time_limit": "1-00:00:00",
    "array": "0-98:2,99%10",
    "tags": {"project": "ocr"},
    "site": "local",
}


@pytest.mark.parametrize(
    "body",
    [
        WHOLE,
        {"run": "true"},
        {"run": ["python", "train.py"]},
        {"run": ["sh", "-c", " "]},
        {"run": ["sh", "-c", "true", "x"]},
        {"run": "true", "time_limit": "1.5s", "checkpoint": {"grace": "0s"}},
        {"run": "true", "retry": {"backoff": "0.000001s"}},
        {"run": "true", "resources": {"gpu": 3, "memory": "1.5GiB"}},
    ],
    ids=str,
)
def test_the_request_of_a_job_makes_one_like_it(
    house: House, client: TestClient, body: dict[str, Any]
) -> None:
    client.post("/v1/teams", json={"name": "vision"})
    first = client.post("/v1/jobs", json=body)
    assert first.status_code == 201, first.text
    asked = client.get(f"/v1/jobs/{first.json()['id']}/request").json()
    second = client.post("/v1/jobs", json=asked)
    assert second.status_code == 201, second.text
    specs = [
        job.spec
        for job in (house.plane.store.find_job(JobId(one.json()["id"])) for one in (first, second))
        if job is not None
    ]
    assert specs[0] == specs[1]
    assert client.get(f"/v1/jobs/{second.json()['id']}/request").json() == asked


def test_the_request_of_a_job_names_what_it_needs(client: TestClient) -> None:
    first = submit(client)
    second = submit(client, needs=[first.id])
    assert client.get(f"/v1/jobs/{second.id}/request").json()["needs"] == [first.id]


# The queue


def test_the_queue_is_shown_in_its_order_with_the_reasons(house: House, client: TestClient) -> None:
    runs = submit(client, **GANG)
    house.run(runs.id)
    waits = submit(client, **GANG, name="big")
    urgent = submit(client, priority="high", array="0-4%2")
    needy = submit(client, needs=[runs.id])
    submit(client, hold=True)
    queue = QueueView.model_validate(client.get("/v1/queue").json())
    assert queue.length == 3
    assert [one.id for one in queue.entries] == [urgent.id, waits.id, needy.id]
    assert [one.position for one in queue.entries] == [1, 2, 3]
    assert [one.starts_now for one in queue.entries] == [True, False, False]
    assert [one.tasks_waiting for one in queue.entries] == [5, None, None]
    assert [one.verdict.blocked_by if one.verdict else None for one in queue.entries] == [
        "array_limit",
        "no_capacity",
        "needs",
    ]
    cut = QueueView.model_validate(client.get("/v1/queue?limit=1").json())
    assert (cut.length, len(cut.entries)) == (3, 1)
    assert client.get("/v1/queue?limit=0").status_code == 422


def test_what_happens_to_an_array_is_told_of_the_whole_only_when_it_is_so(
    house: House, client: TestClient
) -> None:
    job = submit(client, array="0-1")
    house.place()
    house.see(job.id, ReplicaState.EXITED, 0, attempt=1)
    house.see(job.id, ReplicaState.EXITED, 1, attempt=2)
    records = house.plane.store.list_records(0, job_id=JobId(job.id))
    told = [(view.kind, view.state) for view in map(event_view, records)]
    assert told[0] == ("submitted", "queued")
    assert told[-1] == ("ended", "failed")
    assert {state for _, state in told[1:-1]} == {None}
