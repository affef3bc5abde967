"""A request that is wrong is a problem with field, value and remedy; nothing of it is kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from fastapi.testclient import TestClient

from tests.integration.api.house import TOKEN

if TYPE_CHECKING:
    from tests.integration.api.house import House

CASES: dict[str, tuple[dict[str, Any], str, str]] = {
    # what is wrong: (the body beside `run`, the field, what is told)
    "true as nodes": ({"nodes": True}, "nodes", "True"),
    "a float as nodes": ({"nodes": 2.0}, "nodes", "2.0"),
    "a text as nodes": ({"nodes": "2"}, "nodes", "'2'"),
    "null as nodes": ({"nodes": None}, "nodes", "None"),
    "NaN": ({"nodes": float("nan")}, "nodes", "nan"),
    "infinity": ({"retry": {"limit": float("inf")}}, "retry.limit", "inf"),
    "true as GPUs": ({"resources": {"gpu": True}}, "resources.gpu", "True"),
    "true as CPUs": ({"resources": {"cpu": True}}, "resources.cpu", "True"),
    "a huge number": ({"nodes": 10**300}, "nodes", "nodes is"),
    "negative GPUs": ({"resources": {"gpu": -1}}, "resources.gpu", "-1"),
    "1 as hold": ({"hold": 1}, "hold", "1"),
    "text as hold": ({"hold": "true"}, "hold", "'true'"),
    "surrogate in run": ({"run": "a\ud800"}, "run", "ud800"),
    "surrogate in a variable": ({"env": {"A": "\ud800"}}, "env", "ud800"),
    "surrogate in a name": ({"name": "\ud800"}, "name", "ud800"),
    "surrogate in a tag": ({"tags": {"a": "\ud800"}}, "tags.a", "ud800"),
    "surrogate in a key": ({"\ud800": 1}, "?", "unicode string"),
    "surrogate in a site": ({"site": "\ud800"}, "site", "ud800"),
    "surrogate in a need": ({"needs": ["\ud800"]}, "needs", "ud800"),
    "surrogate in an array": ({"array": "\ud800"}, "array", "ud800"),
    "surrogate in a time": ({"time_limit": "\ud800"}, "time_limit", "ud800"),
    "a site of 100,000 letters": ({"site": "x" * 100_000}, "site", "100000 characters"),
    "a site with an escape code": ({"site": "a\x1b[31m"}, "site", "x1b"),
    "snapshot of other letters": ({"snapshot": "Z" * 64}, "snapshot", "SHA-256"),
    "snapshot that nobody sent": ({"snapshot": "0" * 64}, "snapshot", "0000"),
    "a million needs": ({"needs": ["j000000001"] * 1_000_000}, "needs", "1000000 jobs"),
    "needs that are numbers": ({"needs": [1]}, "needs.0", "1"),
    "a deep value": ({"env": {"A": json.loads("[" * 30 + "]" * 30)}}, "env.A", "env.A"),
    "checkpoint in the house of another": ({"checkpoint": {"path": "../../x"}}, "checkpoint.path",
                                           "'../../x'"),
    "array of half a million": ({"array": "0-500000"}, "array", "more than 10000 tasks"),
    "array of other digits": ({"array": "\u0663"}, "array", "u0663"),
    "time in words": ({"time_limit": "two hours"}, "time_limit", "'two hours'"),
    "backoff below zero": ({"retry": {"backoff": "-1s"}}, "retry.backoff", "'-1s'"),
    "gpus of a model with a line break": ({"resources": {"gpu": "A\n100:1"}}, "resources.gpu",
                                          r"A\n100"),
}  # fmt: skip


@pytest.fixture
def client(house: House) -> TestClient:
    return TestClient(
        house.app,
        base_url="http://127.0.0.1:8000",
        client=("127.0.0.1", 50000),
        headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
    )


@pytest.mark.parametrize(("body", "field", "told"), CASES.values(), ids=CASES.keys())
def test_a_wrong_request_names_field_value_and_remedy(
    client: TestClient, body: dict[str, Any], field: str, told: str
) -> None:
    content = json.dumps({"run": "a", **body})
    for path in ("/v1/jobs", "/v1/jobs?dry_run=true", "/v1/plans"):
        answer = client.post(path, content=content)
        assert answer.status_code == 422, answer.text
        problem = answer.json()
        assert problem["field"] == field or field == "?"
        assert told in problem["detail"]
        assert problem["hint"]
        assert len(answer.text) < 1000
        assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    ("key", "told"),
    [("", "0 characters"), ("x" * 256, "256 characters"), ("x" * 5000, "5000"), ("a\x07", "2 ")],
)
def test_an_idempotency_key_that_cannot_be_kept_is_refused(
    client: TestClient, key: str, told: str
) -> None:
    answer = client.post("/v1/jobs", content='{"run": "a"}', headers={"Idempotency-Key": key})
    assert answer.status_code == 422
    assert answer.json()["field"] == "Idempotency-Key"
    assert told in answer.json()["detail"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b'{"run": "a"', b"\xff", b'{"run": "a"} x', b"null", b'"run"', b"[" * 10_000,
     b'{"run": "\x01"}'],
)  # fmt: skip
def test_a_body_that_is_no_json_object_is_refused(client: TestClient, content: bytes) -> None:
    answer = client.post("/v1/jobs", content=content)
    assert answer.status_code in {400, 422}
    assert answer.json()["detail"]
    assert answer.json()["hint"]
