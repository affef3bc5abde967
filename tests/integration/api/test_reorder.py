"""Over HTTP: somebody says which of their waiting jobs goes first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from quarterdeck.core.audit.record import parse_record
from quarterdeck.wire.v1.queue import QueueView, ReorderView
from tests.integration.api.test_jobs import show, submit

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

    from tests.integration.api.house import House


def a_queue(client: TestClient, count: int = 3) -> list[str]:
    """On a site without nodes nothing starts."""
    return [submit(client, name=f"job-{number}").id for number in range(count)]


def queue_of(client: TestClient) -> list[str]:
    return [one.id for one in QueueView.model_validate(client.get("/v1/queue").json()).entries]


def reorder(client: TestClient, *job_ids: str, query: str = "", **more: Any) -> ReorderView:
    answer = client.post(f"/v1/jobs/reorder{query}", json={"jobs": list(job_ids), **more})
    assert answer.status_code == 200, answer.text
    return ReorderView.model_validate(answer.json())


def test_the_queue_the_job_and_its_explanation_tell_the_new_place(client: TestClient) -> None:
    one, two, three = a_queue(client)
    told = reorder(client, three, one)
    assert [(it.id, it.name, it.before, it.position) for it in told.jobs] == [
        (three, "job-2", 3, 1),
        (one, "job-0", 1, 3),
    ]
    assert told.queue_length == 3
    assert queue_of(client) == [three, two, one]
    assert client.get(f"/v1/jobs/{three}/explanation").json()["position"] == 1
    came = {it: show(client, it).submitted_at for it in (one, two, three)}
    assert {it: show(client, it).place_as_of for it in (one, two, three)} == {
        one: came[three],
        two: None,
        three: came[one],
    }


def test_a_dry_run_moves_nobody(client: TestClient) -> None:
    one, two, three = a_queue(client)
    told = reorder(client, three, two, one, query="?dry_run=true")
    assert [(it.id, it.position) for it in told.jobs] == [(three, 1), (two, 2), (one, 3)]
    assert queue_of(client) == [one, two, three]


def test_a_reset_undoes_it(client: TestClient) -> None:
    ids = a_queue(client)
    reorder(client, *reversed(ids))
    told = reorder(client, *reversed(ids), reset=True)
    assert [it.id for it in told.jobs] == queue_of(client) == ids


@pytest.mark.parametrize("query", ["", "?dry_run=true"])
def test_what_cannot_be_ordered_is_named_and_nothing_is_moved(
    client: TestClient, query: str
) -> None:
    one, two, three = a_queue(client)
    other = submit(client, priority="high").id
    client.post(f"/v1/jobs/{two}/hold")
    for ids, status, told in (
        ([other, one], 422, f"job {one} has the priority normal"),
        ([three, three], 422, f"job {three} is named twice"),
        ([three], 422, "two jobs or more"),
        ([], 422, "two jobs or more"),
        ([three, two, one], 409, f"job {two} is held"),
        ([three, "j000000zzz"], 404, "there is no job j000000zzz"),
        ([three, "no-id"], 404, "no-id"),
    ):
        answer = client.post(f"/v1/jobs/reorder{query}", json={"jobs": ids})
        assert answer.status_code == status, (ids, answer.text)
        assert told in answer.json()["detail"]
        assert answer.json()["hint"]
    assert queue_of(client) == [other, one, three]


def test_the_audit_log_says_whose_order_it_was_and_of_which_jobs(
    house: House, client: TestClient
) -> None:
    one, two, _ = a_queue(client)
    reorder(client, two, one)
    reorder(client, one, two, query="?dry_run=true")
    lines = house.audit.read_forwards(0, house.audit.size)
    records = [it for it in map(parse_record, lines) if it.operation == "reorder_jobs"]
    assert [(it.actor, it.detail) for it in records] == [
        ("ada", f"jobs {two} {one}"),
        ("ada", f"jobs {one} {two}; dry run"),
    ]
