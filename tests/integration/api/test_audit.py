"""Every request leaves one record, whoever asked and whatever came of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from quarterdeck.core.audit.merkle import hash_leaf, verify_consistency, verify_inclusion
from quarterdeck.core.audit.record import Entry, Record, parse_record
from quarterdeck.sdk import Client, JobRequest
from tests.integration.api.house import TOKEN

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

    from tests.integration.api.house import House

JOB: dict[str, Any] = {"name": "x", "run": ["true"]}


def records(house: House) -> list[Record]:
    return [parse_record(line) for line in house.audit.read_forwards(0, house.audit.size)]


def told(house: House) -> tuple[str, int, str, str]:
    (one,) = records(house)
    return one.operation, one.status, one.outcome, one.code


def test_a_request_is_told_with_who_what_and_about_what(house: House, client: TestClient) -> None:
    answer = client.post("/v1/jobs", json=JOB)
    (one,) = records(house)
    assert (one.operation, one.method, one.path, one.status) == (
        "submit_job",
        "POST",
        "/v1/jobs",
        201,
    )
    assert (one.outcome, one.code, one.actor, one.target) == (
        "allowed",
        "",
        "ada",
        answer.json()["id"],
    )
    assert one.source == "127.0.0.1"
    assert one.request_id == answer.headers["QD-Request-Id"]


@pytest.mark.parametrize(
    ("method", "path", "options", "expected"),
    [
        ("GET", "/v1/jobs", {}, ("list_jobs", 200, "allowed", "")),
        ("HEAD", "/v1/jobs", {}, ("", 405, "refused", "method_not_allowed")),
        ("TRACE", "/v1/jobs", {}, ("", 405, "refused", "method_not_allowed")),
        ("DELETE", "/v1/jobs", {}, ("", 405, "refused", "method_not_allowed")),
        ("BREW", "/v1/jobs", {}, ("", 405, "refused", "method_not_allowed")),
        ("GET", "/v1/nothing", {}, ("", 404, "refused", "no_such_path")),
        ("GET", "/v1/jobs/j000000000", {}, ("show_job", 404, "refused", "not_found")),
        ("POST", "/v1/jobs", {"json": {}}, ("submit_job", 422, "refused", "invalid")),
        ("POST", "/v1/plans", {"content": b"{"}, ("plan_job", 422, "refused", "invalid")),
        ("GET", "/healthz", {"headers": {"Host": "evil.org"}}, ("", 403, "refused", "bad_host")),
        ("POST", "/v1/gc", {}, ("sweep", 503, "refused", "unavailable")),
    ],
)  # fmt: skip
def test_one_record_whatever_happens(
    house: House,
    client: TestClient,
    method: str,
    path: str,
    options: dict[str, Any],
    expected: tuple[str, int, str, str],
) -> None:
    answer = client.request(method, path, **options)
    assert told(house) == expected
    assert answer.headers["QD-Request-Id"] == records(house)[0].request_id


def test_who_has_no_token_is_told_without_a_name(house: House, stranger: TestClient) -> None:
    assert stranger.post("/v1/jobs", json=JOB).status_code == 401
    assert told(house) == ("", 401, "refused", "no_token")
    assert records(house)[0].actor == records(house)[0].actor_id == ""


def test_a_bug_is_told_too(
    house: House, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(house.plane.board), "list_job_ids", None)
    assert client.get("/v1/progress").status_code == 500
    assert told(house) == ("list_progress", 500, "refused", "internal_error")


def test_probes_leave_no_record(house: House, stranger: TestClient) -> None:
    house.is_ready = False
    assert stranger.get("/healthz").status_code == 200
    assert stranger.get("/readyz").status_code == 503
    assert records(house) == []


def test_a_stream_has_one_record_at_its_start(live: House) -> None:
    with Client(url=live.url, token=TOKEN) as sdk:
        sdk.submit(JobRequest(run=["true"]))
        stream = iter(sdk.stream_events())
        assert next(stream).seq < next(stream).seq
        assert [one.operation for one in records(live)] == ["submit_job", "stream_events"]


def test_no_secret_of_query_or_headers_is_kept(house: House, client: TestClient) -> None:
    client.get("/v1/jobs?token=s3cret&name=s3cret", headers={"X-Api-Key": "s3cret"})
    client.post("/v1/jobs?dry_run=true", json={**JOB, "env": {"KEY": "s3cret"}})
    lines = b"".join(house.audit.read_forwards(0, 2))
    assert b"s3cret" not in lines
    assert [one.detail for one in records(house)] == ["", "dry run"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [("trace-1", "client's request id trace-1"), ("x" * 65, ""), ("a\tb", ""), ("\xe9", "")],
)
def test_a_request_id_of_the_client_is_kept_beside_ours(
    house: House, client: TestClient, given: str, kept: str
) -> None:
    answer = client.get("/v1/jobs", headers=[(b"QD-Request-Id", given.encode("latin-1"))])
    assert answer.headers["QD-Request-Id"] != given
    assert records(house)[0].detail == kept


def test_hostile_paths_stay_in_their_line(house: House, client: TestClient) -> None:
    client.get("/v1/%0a%1b[31m%22,%22outcome%22:%22allowed")
    client.get("/v1/" + "x" * 5000)
    first, second = house.audit.read_forwards(0, 2)
    assert all(0x20 <= byte < 0x7F for byte in first)
    assert parse_record(first).path == '/v1/\n\x1b[31m","outcome":"allowed'
    assert len(parse_record(second).path) == 512


def test_without_a_record_nothing_changes_and_reads_go_on(house: House, client: TestClient) -> None:
    house.audit.fail(is_failing=True)
    answer = client.post("/v1/jobs", json=JOB)
    assert (answer.status_code, answer.json()["code"]) == (503, "audit_unavailable")
    assert answer.headers["Retry-After"]
    assert answer.headers["QD-Request-Id"]
    assert client.get("/v1/jobs").json()["jobs"] == []
    house.audit.fail(is_failing=False)
    assert client.post("/v1/jobs", json=JOB).status_code == 201
    (one,) = records(house)
    assert one.missing == 2


def test_an_answer_whose_record_is_lost_does_not_leave(
    house: House, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fills up between the look before and the record behind."""
    monkeypatch.setattr(type(house.audit), "is_failing", False)
    house.audit.fail(is_failing=True)
    answer = client.post("/v1/jobs", json=JOB)
    assert (answer.status_code, answer.json()["code"]) == (503, "audit_unavailable")


def test_the_log_is_searched_newest_first_page_by_page(house: House, client: TestClient) -> None:
    for number in range(7):
        actor = "eve" if number % 2 else "bob"
        house.audit.append(Entry("op", actor_id=actor, target=f"t{number}", outcome="refused"))
    found: list[int] = []
    before: int | None = None
    while True:
        query: dict[str, str | int] = {"actor": "bob", "limit": 2}
        if before is not None:
            query["before"] = before
        page = client.get("/v1/audit", params=query).json()
        found += [record["seq"] for record in page["records"]]
        before = page["next_before"]
        if before is None:
            break
    assert found == [6, 4, 2, 0]

    def seqs(**query: str) -> list[int]:
        answer = client.get("/v1/audit", params={**query, "before": 7})
        return [one["seq"] for one in answer.json()["records"]]

    assert seqs(target="t3") == [3]
    assert seqs(outcome="allowed") == []
    assert seqs(operation="op", actor="eve") == [5, 3, 1]
    times = [one["at"] for one in client.get("/v1/audit", params={"before": 7}).json()["records"]]
    assert seqs(since=times[2]) == [6, 5, 4]
    assert seqs(until=times[4]) == [1, 0]
    assert client.get("/v1/audit?since=yesterday").json()["code"] == "invalid"


def test_a_search_of_a_long_log_ends_and_says_where_to_go_on(
    house: House, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quarterdeck.control.audit.SCAN_MAX", 5)
    for _ in range(12):
        house.audit.append(Entry("op"))
    page = client.get("/v1/audit?operation=none&before=12").json()
    assert page == {"records": [], "next_before": 7}
    assert client.get("/v1/audit?operation=none&before=5").json()["next_before"] is None


def test_proofs_prove_what_is_in_the_log(house: House, client: TestClient) -> None:
    for _ in range(6):
        house.audit.append(Entry("op"))
    proof = client.get("/v1/audit/proofs/inclusion?seq=3&size=6").json()
    hashes = [bytes.fromhex(one) for one in proof["hashes"]]
    root = bytes.fromhex(proof["root"])
    assert verify_inclusion(hash_leaf(proof["record"].encode()), 3, 6, hashes, root)
    grown = client.get("/v1/audit/proofs/consistency?from=6").json()
    assert grown["new_size"] == 7
    assert verify_consistency(
        6,
        7,
        root,
        bytes.fromhex(grown["new_root"]),
        [bytes.fromhex(one) for one in grown["hashes"]],
    )
    refused = {
        "inclusion?seq=6&size=6": "unknown_record",
        "inclusion?seq=1&size=99": "unknown_tree_size",
        "consistency?from=3&to=2": "invalid",
    }
    for asked, code in refused.items():
        assert client.get(f"/v1/audit/proofs/{asked}").json()["code"] == code


def test_an_export_is_every_line_and_a_checkpoint_over_them(
    house: House, client: TestClient
) -> None:
    for _ in range(2500):
        house.audit.append(Entry("op"))
    *lines, last = client.get("/v1/audit/export").content.splitlines()
    assert lines == list(house.audit.read_forwards(0, 2500))
    assert json.loads(last)["checkpoint"].split("\n")[1] == "2500"
    assert json.loads(last)["key"] == house.audit.key
