"""What jobs told, as the API tells it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from quarterdeck.basics.ids import JobId
from quarterdeck.core.jobs.states import ReplicaState
from quarterdeck.ports.engine import AttemptRef

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

    from tests.integration.api.house import House

S = 10**9
RETRY = {"limit": 3, "on": ["user_error"], "backoff": "0s"}


def submitted(client: TestClient, **more: Any) -> str:
    job_id: str = client.post("/v1/jobs", json={"run": "true", **more}).json()["id"]
    return job_id


def tell(house: House, job_id: str, attempt: int, *samples: object, rank: int = 0) -> None:
    folder = house.site.replica(AttemptRef(JobId(job_id), attempt), 0) / "metrics"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"rank-{rank}.jsonl").open("a") as stream:
        stream.writelines(
            f"{sample if isinstance(sample, str) else json.dumps(sample)}\n" for sample in samples
        )


def losses(*pairs: tuple[int, float]) -> list[dict[str, Any]]:
    return [{"t": step * S, "s": step, "v": {"loss": loss}} for step, loss in pairs]


def read(client: TestClient, job_id: str, **params: Any) -> dict[str, Any]:
    answer = client.get(f"/v1/jobs/{job_id}/metrics", params=params)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_attempts_make_one_curve_in_which_the_later_one_counts(
    house: House, client: TestClient
) -> None:
    job_id = submitted(client, retry=RETRY)
    assert read(client, job_id) == {"job_id": job_id, "names": [], "series": []}
    house.run(job_id)
    tell(house, job_id, 1, *losses((1, 0.9), (2, 0.8), (3, 0.7)))
    house.end(job_id, 1)
    house.run(job_id, attempt=2)
    tell(house, job_id, 2, *losses((3, 0.65), (4, 0.5)))
    assert read(client, job_id)["names"] == ["loss"]
    (series,) = read(client, job_id, name="loss")["series"]
    points = [(point["step"], point["value"], point["attempt"]) for point in series["points"]]
    assert points == [(1, 0.9, 1), (2, 0.8, 1), (3, 0.65, 2), (4, 0.5, 2)]
    (first,) = read(client, job_id, name="loss", attempt=1)["series"]
    assert [point["value"] for point in first["points"]] == [0.9, 0.8, 0.7]


def test_a_long_series_is_thinned_out_and_says_how_long_it_was(
    house: House, client: TestClient
) -> None:
    job_id = submitted(client)
    house.run(job_id)
    tell(
        house, job_id, 1, *losses(*((step, 100.0 if step == 777 else 1.0) for step in range(2000)))
    )
    (series,) = read(client, job_id, name="loss", max_points=40)["series"]
    assert (series["told"], len(series["points"]) <= 40) == (2000, True)
    assert 100.0 in [point["value"] for point in series["points"]]
    assert client.get(f"/v1/jobs/{job_id}/metrics?max_points=3").status_code == 422


def test_what_is_not_finite_is_null_and_what_is_no_sample_is_passed_over(
    house: House, client: TestClient
) -> None:
    job_id = submitted(client)
    house.run(job_id)
    tell(
        house,
        job_id,
        1,
        {"t": S, "s": 1, "v": {"loss": "nan"}},
        {"t": S, "s": 2, "v": {"loss": "-inf"}},
        "not json",
        "[1, 2]",
        '{"v": 7}',
        {"t": "late", "v": {"loss": [], "other": True}},
        {"t": S, "s": "far", "v": {"loss": 1}},
        "[" * 100_000,
        {"t": S, "s": 3, "v": {"loss": 0.5}},
    )
    found = read(client, job_id, name="loss")
    assert found["names"] == ["loss"]
    values = [(point["step"], point["value"]) for point in found["series"][0]["points"]]
    assert values == [(1, None), (2, None), (3, 0.5)]


def test_ranks_are_told_apart(house: House, client: TestClient) -> None:
    job_id = submitted(client)
    house.run(job_id)
    tell(house, job_id, 1, *losses((1, 0.5)), rank=5)
    tell(house, job_id, 1, *losses((1, 0.1)), rank=2)
    assert read(client, job_id, name="loss")["series"][0]["rank"] == 2
    of_five = read(client, job_id, name="loss", rank=5)["series"][0]
    assert of_five["points"][0]["value"] == 0.5


def test_progress_has_a_rate_and_the_time_left(house: House, client: TestClient) -> None:
    job_id, quiet = submitted(client, name="loud"), submitted(client, name="quiet")
    house.run(job_id)
    house.see(quiet, ReplicaState.STARTED)
    tell(
        house,
        job_id,
        1,
        {"t": 10 * S, "p": [10, 100]},
        {"t": 11 * S, "v": {"loss": 0.5, "bad": "inf"}},
        {"t": 20 * S, "p": [30, 100]},
    )
    loud, silent = client.get("/v1/progress").json()["jobs"]
    assert (loud["job_id"], loud["step"], loud["total"]) == (job_id, 30, 100)
    assert loud["rate"] == pytest.approx(2.0)
    assert loud["left_s"] == pytest.approx(35.0)
    assert loud["values"] == {"loss": 0.5, "bad": None}
    assert (silent["name"], silent["step"], silent["rate"]) == ("quiet", None, None)
    assert len(client.get(f"/v1/progress?job_id={quiet}").json()["jobs"]) == 1
    house.end(job_id)
    assert client.get(f"/v1/progress?job_id={job_id}").json() == {"jobs": []}


def test_an_arrays_progress_is_its_tasks(house: House, client: TestClient) -> None:
    job_id = submitted(client, array="0-3%2")
    house.run(job_id)
    house.end(job_id)
    house.place()
    house.see(job_id, ReplicaState.STARTED, attempt=2)
    (view,) = client.get("/v1/progress").json()["jobs"]
    assert (view["step"], view["total"]) == (1, 4)
    assert client.get(f"/v1/jobs/{job_id}/metrics").json()["field"] == "task"
    assert read(client, job_id, task=0)["names"] == []


def test_a_site_that_is_away_has_no_metrics(house: House, client: TestClient) -> None:
    job_id = submitted(client)
    house.run(job_id)
    house.app.state.context.metrics.clear()
    assert client.get(f"/v1/jobs/{job_id}/metrics").status_code == 503
