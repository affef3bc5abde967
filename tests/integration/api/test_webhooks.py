"""Webhooks over HTTP: added, listed, tested, removed; the secret is shown once."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from quarterdeck.sdk.webhooks import verify
from tests.integration.api.house import House
from tests.integration.webhooks.receiver import Receiver, receiving

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

PATH = "/v1/webhooks"
OWN_SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()


def add(client: TestClient, url: str, **fields: Any) -> dict[str, Any]:
    done = client.post(PATH, json={"url": url, **fields})
    assert done.status_code == 201, done.text
    made: dict[str, Any] = done.json()
    return made


def test_an_added_webhook_is_listed_without_its_secret(client: TestClient) -> None:
    made = add(client, "http://127.0.0.1:9/x", states=["failed", "succeeded"])
    assert made["secret"].startswith("whsec_")
    assert len(base64.b64decode(made["secret"].removeprefix("whsec_"))) == 32
    listed = client.get(PATH)
    (view,) = listed.json()["webhooks"]
    assert view == {key: value for key, value in made.items() if key != "secret"}
    assert view["states"] == ["failed", "succeeded"]
    assert (view["owner"], view["condition"], view["backlog"]) == ("ada", "good", 0)
    assert made["secret"] not in listed.text


def test_what_it_is_behind_and_how_it_fails_is_shown(client: TestClient, house: House) -> None:
    made = add(client, "http://127.0.0.1:9/x")
    client.post("/v1/jobs", json={"run": ["true"]})
    (view,) = client.get(PATH).json()["webhooks"]
    assert view["backlog"] == 1
    (courier,) = house.webhooks.couriers()
    courier.turn()
    (view,) = client.get(PATH).json()["webhooks"]
    assert (view["id"], view["condition"], view["failures"]) == (made["id"], "failing", 1)
    assert "Connection refused" in view["last_failure"]
    assert view["failing_since"] == view["last_failure_at"] is not None


def test_a_test_tells_what_came_of_it(client: TestClient) -> None:
    with receiving(Receiver([500])) as receiver:
        made = add(client, receiver.url, secret=OWN_SECRET)
        assert made["secret"] == OWN_SECRET
        test = f"{PATH}/{made['id']}/test"
        first, second = client.post(test), client.post(test)
    bad = {"delivered": False, "status": 500, "message": "answered 500"}
    assert (first.status_code, first.json()) == (200, bad)
    assert second.json() == {"delivered": True, "status": 204, "message": "answered 204"}
    got = receiver.got[1]
    assert int(got.headers["webhook-timestamp"]) > 1_600_000_000
    heard = verify(OWN_SECRET, got.headers, got.body, tolerance_s=1e10)
    assert (heard.type, heard.data) == ("webhook.test", {"webhook_id": made["id"]})


def test_a_removed_one_is_gone(client: TestClient) -> None:
    made = add(client, "http://127.0.0.1:9/x")
    one = f"{PATH}/{made['id']}"
    assert client.delete(one).status_code == 204
    assert client.get(PATH).json() == {"webhooks": []}
    for answer in (client.delete(one), client.post(one + "/test")):
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_dry_runs_check_and_change_nothing(client: TestClient) -> None:
    tried = client.post(PATH, params={"dry_run": True}, json={"url": "http://127.0.0.1:9/x"})
    assert (tried.status_code, tried.json()["id"], tried.json()["secret"]) == (200, "", "")
    assert client.get(PATH).json() == {"webhooks": []}
    with receiving() as receiver:
        one = f"{PATH}/{add(client, receiver.url)['id']}"
        assert client.delete(one, params={"dry_run": True}).status_code == 204
        assert client.post(one + "/test", params={"dry_run": True}).json()["delivered"] is False
    assert receiver.got == []
    assert len(client.get(PATH).json()["webhooks"]) == 1


@pytest.mark.parametrize(
    ("fields", "status", "code", "field"),
    [
        ({"url": "ftp://x"}, 422, "invalid", "url"),
        ({"url": "http://me:pw@127.0.0.1/"}, 422, "invalid", "url"),
        ({"url": "http://no-such.invalid/"}, 422, "invalid", "url"),
        ({"url": "http://127.0.0.1/", "states": ["done"]}, 422, "invalid", "states"),
        ({"url": "http://127.0.0.1/", "states": ["failed"] * 51}, 422, "invalid", "states"),
        ({"url": "http://127.0.0.1/", "secret": "abc"}, 422, "invalid", "secret"),
        ({"url": "http://127.0.0.1/", "on": "failed"}, 422, "unknown_field", "on"),
        ({}, 422, "invalid", "url"),
    ],
)
def test_what_cannot_work_is_refused(
    client: TestClient, fields: dict[str, Any], status: int, code: str, field: str
) -> None:
    refused = client.post(PATH, json=fields)
    problem = refused.json()
    assert (refused.status_code, problem["code"], problem["field"]) == (status, code, field)
    assert problem["hint"]
    assert "pw" not in refused.text
    assert client.get(PATH).json() == {"webhooks": []}


def test_a_url_that_is_told_already_is_a_conflict(client: TestClient) -> None:
    made = add(client, "http://127.0.0.1:9/x")
    again = client.post(PATH, json={"url": "http://127.0.0.1:9/x"})
    assert (again.status_code, again.json()["code"]) == (409, "webhook_exists")
    assert made["id"] in again.json()["detail"]
