"""How the API refuses on a full disk, and how it sweeps."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from quarterdeck.core.cluster.disk import DiskSpace

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

    from tests.integration.api.house import House


class FullDisk:
    """Not a byte is free."""

    def look(self) -> DiskSpace:
        return DiskSpace("site local", 2**30, 0, 2**28)


@pytest.fixture
def full(house: House) -> House:
    object.__setattr__(house.plane, "disk", FullDisk())
    return house


def test_new_work_is_refused_with_503_and_a_time_to_come_back(
    full: House, client: TestClient
) -> None:
    digest = hashlib.sha256(b"x").hexdigest()
    for answer in (
        client.post("/v1/jobs", json={"run": "true"}),
        client.post("/v1/jobs?dry_run=true", json={"run": "true"}),
        client.post("/v1/snapshots", json={"files": []}),
        client.put(f"/v1/blobs/{digest}", content=b"x"),
    ):
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) >= 10
        problem = answer.json()
        assert problem["code"] == "disk_full"
        assert "0B free of 1GiB, 256MiB are kept free" in problem["detail"]
        assert "qd gc --plan" in problem["hint"]
    assert full.plane.blobs.missing([digest]) == [digest]
    assert client.get("/v1/jobs").json()["jobs"] == []


def test_a_waiting_job_says_that_the_disk_is_full(house: House, client: TestClient) -> None:
    job_id = client.post("/v1/jobs", json={"run": "true"}).json()["id"]
    object.__setattr__(house.plane, "disk", FullDisk())
    house.place()
    explained = client.get(f"/v1/jobs/{job_id}/explanation").json()
    assert explained["verdict"]["blocked_by"] == "disk_full"
    assert "256MiB are kept free" in explained["summary"]


def test_a_server_without_retention_says_so(client: TestClient) -> None:
    answer = client.post("/v1/gc?dry_run=true")
    assert answer.status_code == 503
    assert "deletes nothing" in answer.json()["detail"]
