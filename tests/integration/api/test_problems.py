"""Every refusal is a problem that says what to do; no bug is shown to a client."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

    from tests.integration.api.house import House

JSON = {"Content-Type": "application/json"}


def problem_of(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert problem["type"] == f"/problems/{problem['code']}"
    return problem


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({}, "invalid", "run"),
        ({"run": ""}, "invalid", "run"),
        ({"run": []}, "invalid", "run"),
        ({"run": ["a", 1]}, "invalid", "run"),
        ({"run": "x", "resources": {"gpu": [8]}}, "invalid", "resources.gpu"),
        ({"run": "x", "nodes": 0}, "invalid", "nodes"),
        ({"run": "x", "nodes": "many"}, "invalid", "nodes"),
        ({"run": "x", "nodez": 2}, "unknown_field", "nodez"),
        ({"run": "x", "image": "python:3.12"}, "invalid", "image"),
        ({"run": "x", "launcher": "mpi"}, "not_available", "launcher"),
        ({"run": "x", "resources": {"gpu": "H100|V100:4"}}, "unsatisfiable", "resources"),
        ({"run": "x", "resources": {"gpu": "mig-1g.10gb:1"}}, "unsatisfiable", "resources"),
        ({"run": "x", "resources": {"memory": "64"}}, "invalid", "resources.memory"),
        ({"run": "x", "resources": {"memory": "9" * 400 + "GiB"}}, "invalid", "resources.memory"),
        ({"run": "x", "checkpoint": {"grace": "soon"}}, "invalid", "checkpoint.grace"),
        (
            {"run": "x", "checkpoint": {"grace": "9" * 5000 + "-00:00:00"}},
            "invalid",
            "checkpoint.grace",
        ),
        ({"run": "x", "checkpoint": {"signal": "KILL"}}, "invalid", "checkpoint.signal"),
        ({"run": "x", "retry": {"on": ["completed"]}}, "invalid", "retry.on"),
        ({"run": "x", "min_runtime": "soon"}, "invalid", "min_runtime"),
        ({"run": "x", "snapshot": "0" * 64}, "invalid", "snapshot"),
        ({"run": "x", "resources": {"gpu": 9}}, "unsatisfiable", "resources"),
        ({"run": "x", "site": "moon"}, "unsatisfiable", "resources"),
        ({"run": "x", "name": "a b"}, "invalid", "name"),
    ],
)
def test_a_wrong_job_names_the_field(
    client: TestClient, body: dict[str, Any], code: str, field: str
) -> None:
    for path in ("/v1/jobs", "/v1/plans"):
        problem = problem_of(client.post(path, json=body), 422)
        assert (problem["code"], problem["field"]) == (code, field)
        assert problem["detail"]
        assert problem["hint"]


@pytest.mark.parametrize(
    "body", [b"{", b"\xff\xfe", b'{"run": "x", "nodes": ' + b"9" * 5000 + b"}", b"[" * 30]
)
def test_a_body_that_is_not_json_is_a_400(client: TestClient, body: bytes) -> None:
    answer = client.post("/v1/jobs", content=body, headers=JSON)
    assert problem_of(answer, 400)["code"] == "unreadable_body"


def test_a_body_of_another_type_is_told_which_type_to_send(client: TestClient) -> None:
    for content_type in ("text/plain", "application/x-www-form-urlencoded"):
        answer = client.post(
            "/v1/jobs", content=b'{"run": "x"}', headers={"Content-Type": content_type}
        )
        assert "application/json" in problem_of(answer, 422)["hint"]


def test_a_secret_with_a_wrong_type_is_not_repeated(client: TestClient) -> None:
    answer = client.post("/v1/jobs", json={"run": "x", "env": {"API_KEY": 123456}})
    assert problem_of(answer, 422)["field"] == "env.API_KEY"
    assert "123456" not in answer.text


def test_unknown_paths_and_methods_are_problems(client: TestClient) -> None:
    assert problem_of(client.get("/v1/job"), 404)["code"] == "no_such_path"
    assert problem_of(client.get("/v1/jobs/"), 404)["code"] == "no_such_path"
    answer = client.delete("/v1/jobs/j000000001")
    assert problem_of(answer, 405)["code"] == "method_not_allowed"
    assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize(
    "path", ["", "/explanation", "/logs", "/logs/stream", "/results", "/results/0/a", "?wait_s=5"]
)
def test_an_unknown_job_is_a_404(client: TestClient, path: str) -> None:
    for job_id in ("j000000042", "x", "j%00", "%ED%A0%80"):
        assert problem_of(client.get(f"/v1/jobs/{job_id}{path}"), 404)["code"] == "not_found"


def test_a_bug_is_logged_under_a_reference_and_not_shown(
    house: House, client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    for error in (RuntimeError("the secret is 42"), AssertionError("the secret is 42")):

        def broken(*_: object, error: Exception = error) -> None:
            raise error

        house.plane.store.find_job = broken  # type: ignore[method-assign,assignment]
        caplog.clear()
        with caplog.at_level(logging.ERROR):
            answer = client.get("/v1/jobs/j000000001")
        problem = problem_of(answer, 500)
        assert problem["code"] == "internal_error"
        assert "secret" not in answer.text
        reference = problem["detail"].rpartition(" ")[2]
        assert any(reference in record.getMessage() for record in caplog.records)
        assert "the secret is 42" in caplog.text


def test_a_server_that_knows_no_node_yet_says_when_to_come_again(
    house: House, client: TestClient
) -> None:
    house.report_nodes(nodes=0)
    answer = client.post("/v1/jobs", json={"run": "x"})
    assert problem_of(answer, 503)["code"] == "unavailable"
    assert answer.headers["retry-after"] == "1"


def test_a_body_that_is_too_large_is_refused_by_its_length_and_by_counting(
    client: TestClient,
) -> None:
    def pieces() -> Any:
        for _ in range(17):
            yield b" " * 2**20

    for content in (b" " * (16 * 2**20 + 1), pieces()):
        answer = client.post("/v1/jobs", content=content, headers=JSON)
        assert problem_of(answer, 413)["code"] == "body_too_large"
        assert answer.headers["connection"] == "close"


TEXT = st.text(max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
KEYS = ("name", "team", "run", "env", "nodes", "ranks_per_node", "resources", "priority", "retry",
        "checkpoint", "site", "snapshot")  # fmt: skip
NESTED = {
    "resources": ("gpu", "cpu", "memory"), "retry": ("limit", "on", "backoff"),
    "checkpoint": ("signal", "grace", "path"),
}  # fmt: skip
QUANTITIES = st.from_regex(r"[0-9.]{0,12}(:|-)?[0-9]{0,3} ?[A-Za-z:]{0,3}", fullmatch=True)


@st.composite
def job_like(draw: st.DrawFn) -> dict[str, Any]:
    """Nearly a job: the right keys, with right and wrong values."""
    body: dict[str, Any] = {"run": "true"}
    for key in draw(st.lists(st.sampled_from(KEYS), max_size=4)):
        if key in NESTED and draw(st.booleans()):
            inner = st.sampled_from(NESTED[key])
            body[key] = draw(st.dictionaries(inner, VALUES | QUANTITIES, max_size=3))
        else:
            body[key] = draw(VALUES | st.dictionaries(TEXT, TEXT, max_size=2) | QUANTITIES)
    return body


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=job_like() | VALUES, path=st.sampled_from(["/v1/jobs", "/v1/plans", "/v1/snapshots"]))
def test_no_json_makes_the_server_fail(client: TestClient, body: Any, path: str) -> None:
    content = json.dumps(body).encode()
    answer = client.post(path, content=content, headers=JSON)
    # 404: a team of chance is none that there is.
    assert answer.status_code in {200, 201, 400, 404, 409, 422}, answer.text
    if answer.status_code >= 400:
        problem_of(answer, answer.status_code)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(content=st.binary(max_size=60))
def test_no_bytes_make_the_server_fail(client: TestClient, content: bytes) -> None:
    for path in ("/v1/jobs", "/v1/snapshots", "/v1/server/shutdown"):
        answer = client.post(path, content=content, headers=JSON)
        assert answer.status_code in {202, 400, 422}, answer.text


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    value=st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=12)
    | st.integers().map(str),
    name=st.sampled_from(
        [
            "state",
            "name",
            "limit",
            "before",
            "wait_s",
            "attempt",
            "node_rank",
            "offset",
            "after",
            "job_id",
            "dry_run",
        ]
    ),
)
def test_no_query_makes_the_server_fail(client: TestClient, name: str, value: str) -> None:
    made = client.post("/v1/jobs", json={"run": "true"}).json()["id"]
    for path in ("/v1/jobs", f"/v1/jobs/{made}/logs", f"/v1/jobs/{made}/results"):
        answer = client.get(path, params={name: value})
        assert answer.status_code in {200, 404, 422}, answer.text
