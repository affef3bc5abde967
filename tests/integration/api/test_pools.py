"""What teams are guaranteed, over HTTP: who sees it, and who may change it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.api.test_jobs import submit

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

POOLS = {"text": "pools: {default: {guarantee: {gpu: 2}}}"}


def test_pools_are_put_in_force_and_say_what_is_held(client: TestClient) -> None:
    answer = client.put("/v1/pools", json=POOLS)
    assert (answer.status_code, answer.json()["teams"]) == (200, ["default"])
    submit(client, resources={"gpu": 1})
    found = client.get("/v1/pools").json()
    (pool,) = found["pools"]
    assert (pool["team"], pool["guarantee"], pool["cells"]) == ("default", ["1 × 2"], 1)
    assert pool["jobs_waiting"] == 1
    assert found["policy_version"] == answer.json()["version"]


def test_what_people_are_guaranteed_is_told_with_their_team(client: TestClient) -> None:
    text = (
        "pools: {default: {guarantee: {nodes: 3, gpu: 2}, "
        "people: {zoe: {guarantee: {nodes: 2, gpu: 2}}}}}"
    )
    assert client.put("/v1/pools", json={"text": text}).status_code == 200
    (pool,) = client.get("/v1/pools").json()["pools"]
    assert (pool["guarantee"], pool["cells"], pool["cells_free"]) == (["3 × 2"], 3, 3)
    assert [(one["user"], one["guarantee"]) for one in pool["users"]] == [("zoe", ["2 × 2"])]


def test_a_dry_run_changes_nothing(client: TestClient) -> None:
    answer = client.put("/v1/pools", json=POOLS, params={"dry_run": True})
    assert answer.json()["teams"] == ["default"]
    assert client.get("/v1/pools").json()["pools"] == []


def test_wrong_pools_are_refused_with_their_place(client: TestClient) -> None:
    answer = client.put("/v1/pools", json={"text": "pools: {a: {guarantee: {nodes: 0}}}"})
    problem = answer.json()
    assert (answer.status_code, problem["field"]) == (422, "pools.a.guarantee.nodes")
    assert "is 0, which is not a number of nodes" in problem["detail"]


def test_limits_weights_and_hours_are_told_with_the_pools(client: TestClient) -> None:
    text = "pools: {default: {weight: 2, limit: {gpu: A100:4}, people: {zoe: {limit: {gpu: 1}}}}}"
    assert client.put("/v1/pools", json={"text": text}).status_code == 200
    hours = {"device_hours_per_month": {"value": 500}}
    assert client.put("/v1/teams/default/limits", json=hours).status_code == 200
    (pool,) = client.get("/v1/pools").json()["pools"]
    assert (pool["limit"], pool["weight"]) == (["A100:4"], 2.0)
    assert (pool["gpu_hours"], pool["gpu_hours_max"]) == (0.0, 500)
    assert [(one["user"], one["limit"]) for one in pool["users"]] == [("zoe", ["1 GPU"])]
