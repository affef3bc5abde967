"""Promised starts over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quarterdeck.adapters.promises.memory import MemoryPromiseLog
from quarterdeck.control.promises import Promises
from quarterdeck.core.jobs.states import ReplicaState
from tests.integration.api.test_jobs import submit

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

    from tests.integration.api.house import House


@pytest.fixture
def promises(house: House) -> Promises:
    made = Promises(MemoryPromiseLog())
    object.__setattr__(house.plane, "promises", made)
    return made


def test_a_wait_is_promised_explained_kept_and_counted(
    client: TestClient, house: House, promises: Promises
) -> None:
    assert client.get("/v1/stats/promises").json() == {"days": []}
    first = submit(client, nodes=2, resources={"gpu": 8}).id
    house.place()
    house.see(first, ReplicaState.STARTED)
    waiting = submit(client, nodes=2, resources={"gpu": 8}).id
    house.place()
    promise = client.get(f"/v1/jobs/{waiting}/explanation").json()["promise"]
    assert promise["because"] == "first"
    assert promise["most"]["earliest"] <= promise["half"]["earliest"] <= promise["expected_at"]
    assert promise["expected_at"] <= promise["half"]["latest"] <= promise["most"]["latest"]
    assert first not in str(promise)
    (told,) = client.get(f"/v1/jobs/{waiting}/promises").json()["promises"]
    assert (told["made_at"], told["started_at"]) == (promise["made_at"], None)
    house.end(first)
    house.place()
    promises.turn(house.plane)
    (told,) = client.get(f"/v1/jobs/{waiting}/promises").json()["promises"]
    assert told["started_at"] is not None
    assert told["most_kept"] is not None
    (day,) = client.get("/v1/stats/promises").json()["days"]
    assert (day["starts"], day["most_kept"]) == (1, int(told["most_kept"]))


def test_a_plan_says_when_it_would_start_and_promises_nothing(
    client: TestClient, house: House, promises: Promises
) -> None:
    submit(client, nodes=2, resources={"gpu": 8})
    house.place()
    wanted = {"run": ["true"], "nodes": 2, "resources": {"gpu": 8}}
    assert client.post("/v1/plans", json=wanted).json()["promise"]["half"]
    assert client.post("/v1/plans", json={"run": ["true"]}).json()["promise"] is None
    assert promises.log.list_open() == []


def test_a_server_without_promises_tells_none(client: TestClient) -> None:
    job_id = submit(client).id
    assert client.get(f"/v1/jobs/{job_id}/promises").json()["promises"] == []
    assert client.get("/v1/stats/promises").json() == {"days": []}


@pytest.mark.parametrize("days", ["0", "91", "x"])
def test_days_are_bounded(client: TestClient, days: str) -> None:
    answer = client.get(f"/v1/stats/promises?days={days}")
    assert answer.status_code == 422
    assert "days" in answer.json()["field"]
