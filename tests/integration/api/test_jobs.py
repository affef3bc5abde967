"""A job over HTTP: accepted once, shown as it is, explained, cancelled, tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from quarterdeck.wire.v1.jobs import JobPage, JobView
from quarterdeck.wire.v1.verdicts import ExplanationView, PlanView

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

    from tests.integration.api.house import House

GANG = {"run": "python train.py", "nodes": 2, "resources": {"gpu": "A100:8", "memory": "64GiB"}}


def submit(client: TestClient, **more: Any) -> JobView:
    answer = client.post("/v1/jobs", json={"run": "true", **more})
    assert answer.status_code == 201, answer.text
    return JobView.model_validate(answer.json())


def show(client: TestClient, job_id: str) -> JobView:
    return JobView.model_validate(client.get(f"/v1/jobs/{job_id}").json())


def test_a_job_is_accepted_with_its_address_and_can_be_read_there(client: TestClient) -> None:
    answer = client.post("/v1/jobs", json={**GANG, "name": "digits", "env": {"LR": "0.1"}})
    assert answer.status_code == 201
    assert "idempotent-replayed" not in answer.headers
    job = JobView.model_validate(answer.json())
    assert answer.headers["location"] == f"/v1/jobs/{job.id}"
    assert client.get(answer.headers["location"]).json() == answer.json()
    assert (job.name, job.owner, job.state, job.env) == ("digits", "ada", "queued", {"LR": "0.1"})
    assert job.command == ["sh", "-c", "python train.py"]
    assert (job.nodes, job.gpus_per_node, job.memory_bytes_per_node) == (2, 8, 64 * 2**30)
    assert job.demand == "2 nodes × 8 A100 GPUs"


def test_one_key_is_one_job(client: TestClient) -> None:
    headers = {"Idempotency-Key": "k1"}
    first = client.post("/v1/jobs", json={"run": "true", "nodes": 1}, headers=headers)
    again = client.post("/v1/jobs", json={"nodes": 1, "run": "true"}, headers=headers)
    assert again.status_code == 201
    assert again.json()["id"] == first.json()["id"]
    assert again.headers["idempotent-replayed"] == "true"
    other = client.post("/v1/jobs", json={"run": "false"}, headers=headers)
    assert other.status_code == 409
    assert other.json()["code"] == "idempotency_key_reused"
    assert len(client.get("/v1/jobs").json()["jobs"]) == 1


def test_a_key_that_cannot_be_kept_is_refused(client: TestClient) -> None:
    for key in ("", "x" * 256):
        answer = client.post("/v1/jobs", json={"run": "true"}, headers={"Idempotency-Key": key})
        assert (answer.status_code, answer.json()["field"]) == (422, "Idempotency-Key")


def test_asking_for_a_plan_changes_nothing(client: TestClient) -> None:
    for path in ("/v1/plans", "/v1/jobs?dry_run=true"):
        answer = client.post(path, json=GANG)
        assert answer.status_code == 200
        plan = PlanView.model_validate(answer.json())
        assert plan.starts_now
        assert [grant.node for grant in plan.placement] == ["dgx-1", "dgx-2"]
        assert (plan.site, plan.position, plan.verdict) == ("local", 1, None)
    assert client.get("/v1/jobs").json()["jobs"] == []


def test_a_job_that_waits_is_explained_with_numbers(house: House, client: TestClient) -> None:
    first, second = submit(client, **GANG), submit(client, **GANG)
    house.run(first.id)
    answer = client.get(f"/v1/jobs/{second.id}/explanation")
    told = ExplanationView.model_validate(answer.json())
    assert (told.position, told.queue_length, told.would_place) == (1, 1, [])
    assert told.verdict is not None
    assert told.verdict.blocked_by == "no_capacity"
    assert told.verdict.numbers["gpus_free_now"] == 0
    assert told.verdict.held_by == [first.id]
    plan = client.post("/v1/plans", json=GANG).json()
    assert (plan["starts_now"], plan["position"]) == (False, 2)


def test_a_job_shows_its_whole_way(house: House, client: TestClient) -> None:
    job = submit(client, **GANG, retry={"limit": 1, "on": ["user_error"], "backoff": "0s"})
    house.run(job.id)
    running = show(client, job.id)
    assert (running.state, running.pretend) == ("running", True)
    assert [len(grant.gpus) for grant in running.placement] == [8, 8]
    assert running.started_at == running.attempts[0].started_at
    assert [replica.state for replica in running.attempts[0].replicas] == ["started", "started"]
    house.end(job.id, 7)
    retried = show(client, job.id)
    assert (retried.state, retried.placement, retried.started_at) == ("queued", [], None)
    assert (retried.attempts[0].reason, retried.attempts[0].exit_code) == ("user_error", 7)
    house.run(job.id, attempt=2)
    house.end(job.id, 0, attempt=2)
    done = show(client, job.id)
    assert (done.state, done.reason, done.exit_code) == ("succeeded", "completed", 0)
    assert [attempt.number for attempt in done.attempts] == [1, 2]
    assert done.ended_at is not None
    assert done.ended_at.endswith("Z")


def test_pages_follow_each_other_newest_first(client: TestClient) -> None:
    ids = [submit(client, name=f"n{number}").id for number in range(5)]
    seen: list[str] = []
    before = None
    for _ in range(3):
        params = {"limit": 2} | ({"before": before} if before else {})
        page = JobPage.model_validate(client.get("/v1/jobs", params=params).json())
        seen += [job.id for job in page.jobs]
        before = page.next_before
    assert seen == ids[::-1]
    assert before is None


def test_jobs_are_found_by_state_and_name(house: House, client: TestClient) -> None:
    first, second = submit(client, name="a"), submit(client, name="b")
    house.run(first.id)
    house.end(first.id)

    def found(query: str) -> list[str]:
        return [job["id"] for job in client.get(f"/v1/jobs?{query}").json()["jobs"]]

    assert found("state=succeeded") == [first.id]
    assert found("state=succeeded&state=starting") == [second.id, first.id]
    assert found("name=b") == [second.id]
    assert client.get("/v1/jobs?state=broken").status_code == 422


@pytest.mark.parametrize("body", [None, {}])
def test_cancelling_twice_is_cancelling_once(
    client: TestClient, body: dict[str, Any] | None
) -> None:
    job = submit(client)
    for _ in range(2):
        answer = client.post(f"/v1/jobs/{job.id}/cancel", json=body)
        assert answer.status_code == 200
        assert answer.json()["state"] == "cancelled"


def test_what_has_ended_cannot_be_cancelled_but_tried_again(
    house: House, client: TestClient
) -> None:
    job = submit(client)
    house.run(job.id)
    house.end(job.id)
    for path in ("cancel", "cancel?dry_run=true"):
        answer = client.post(f"/v1/jobs/{job.id}/{path}")
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert client.post(f"/v1/jobs/{job.id}/requeue").json()["state"] == "queued"
    assert client.post(f"/v1/jobs/{job.id}/requeue").status_code == 409


def test_a_dry_run_of_cancel_and_requeue_leaves_the_job_as_it_is(
    house: House, client: TestClient
) -> None:
    job = submit(client)
    assert client.post(f"/v1/jobs/{job.id}/cancel?dry_run=true").json()["state"] == "queued"
    assert client.post(f"/v1/jobs/{job.id}/requeue?dry_run=true").status_code == 409
    house.run(job.id)
    house.end(job.id)
    assert client.post(f"/v1/jobs/{job.id}/requeue?dry_run=true").json()["state"] == "succeeded"
    assert show(client, job.id).state == "succeeded"


def test_nodes_show_what_is_free(house: House, client: TestClient) -> None:
    job = submit(client, resources={"gpu": 3, "cpu": 4, "memory": "1GiB"})
    house.run(job.id)
    nodes = {node["name"]: node for node in client.get("/v1/nodes").json()["nodes"]}
    assert set(nodes) == {"dgx-1", "dgx-2"}
    held = next(node for node in nodes.values() if node["jobs"])
    assert (held["gpus"], held["gpus_free"], held["cpus_free"]) == (8, 5, 60)
    assert held["memory_free_bytes"] == 2**40 - 2**30
    assert (held["jobs"], held["gpu_model"], held["pretend"]) == ([job.id], "A100-SXM4-80GB", True)


def test_shutdown_says_whether_jobs_are_to_end(house: House, client: TestClient) -> None:
    assert client.post("/v1/server/shutdown").status_code == 202
    assert client.post("/v1/server/shutdown", json={"stop_jobs": True}).status_code == 202
    assert house.shutdowns == [False, True]


def test_readiness_is_no_when_not_ready_and_when_closing(
    house: House, stranger: TestClient
) -> None:
    assert stranger.get("/readyz").json() == {"status": "ready"}
    house.is_ready = False
    assert stranger.get("/readyz").status_code == 503
    house.is_ready = True
    house.closing.set()
    assert stranger.get("/readyz").json()["code"] == "not_ready"
    assert stranger.get("/healthz").json() == {"status": "ok"}
