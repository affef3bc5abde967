"""Bytes over HTTP: work folders in, logs and results out."""

from __future__ import annotations

import hashlib
import socket
from typing import TYPE_CHECKING, Any

import httpx2

from tests.integration.api.house import TOKEN, make_house, served, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi.testclient import TestClient

    from tests.integration.api.house import House

HEADERS = {"Authorization": f"Bearer {TOKEN}"}


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def submitted(client: TestClient, **more: Any) -> str:
    job_id: str = client.post("/v1/jobs", json={"run": "true", **more}).json()["id"]
    return job_id


def test_a_work_folder_is_kept_once_its_files_are_here(client: TestClient) -> None:
    data = b"print('hello')\n"
    body = {"files": [{"path": "train.py", "size": len(data), "digest": digest_of(data)}]}
    first = client.post("/v1/snapshots", json=body)
    assert first.status_code == 200
    assert first.json()["missing"] == [digest_of(data)]
    assert client.put(f"/v1/blobs/{digest_of(data)}", content=data).status_code == 204
    again = client.post("/v1/snapshots", json=body)
    assert again.status_code == 201
    assert again.json() == {"digest": first.json()["digest"], "missing": []}
    answer = client.post("/v1/jobs", json={"run": "true", "snapshot": again.json()["digest"]})
    assert answer.status_code == 201


def test_a_work_folder_that_reaches_outside_is_refused(client: TestClient) -> None:
    for path in ("../evil", "/etc/passwd", "a//b", ""):
        body = {"files": [{"path": path, "digest": "0" * 64}]}
        answer = client.post("/v1/snapshots", json=body)
        assert (answer.status_code, answer.json()["field"]) == (422, "files")
    answer = client.post("/v1/snapshots", json={"files": [{"path": "a", "colour": "red"}]})
    assert (answer.status_code, answer.json()["field"]) == (422, "files.0.colour")


def test_bytes_that_do_not_have_their_digest_are_refused(client: TestClient) -> None:
    answer = client.put(f"/v1/blobs/{'0' * 64}", content=b"something")
    assert (answer.status_code, answer.json()["field"]) == (422, "digest")
    assert client.put("/v1/blobs/0", content=b"").status_code == 422


def test_a_blob_has_a_largest_size(client: TestClient) -> None:
    data = b"x" * (2**20 + 1)

    def pieces() -> Iterator[bytes]:
        yield data[:100]
        yield data[100:]

    for content in (data, pieces()):
        answer = client.put(f"/v1/blobs/{digest_of(data)}", content=content)
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_a_body_that_says_it_is_too_large_is_refused_before_it_comes(live: House) -> None:
    host, port = live.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(
            f"PUT /v1/blobs/{'0' * 64} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {2**40}\r\n"
            f"Authorization: Bearer {TOKEN}\r\n\r\n".encode()
        )
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_a_large_blob_streams_through_a_real_server() -> None:
    house = make_house(blob_bytes_max=2**26)
    data = bytes(range(256)) * (2**24 // 256)
    with served(house), httpx2.Client(base_url=house.url, headers=HEADERS) as client:
        pieces = (data[at : at + 2**18] for at in range(0, len(data), 2**18))
        assert client.put(f"/v1/blobs/{digest_of(data)}", content=pieces).status_code == 204
    assert house.plane.blobs.open(digest_of(data)).read() == data


def test_an_upload_that_breaks_off_keeps_nothing_and_frees_its_turn(live: House) -> None:
    data = b"y" * 1000
    host, port = live.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(
            f"PUT /v1/blobs/{digest_of(data)} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000\r\n"
            f"Authorization: Bearer {TOKEN}\r\n\r\n".encode()
            + data[:10]
        )
        wait_until(lambda: live.app.state.threads.uploads == 1)
    wait_until(lambda: live.app.state.threads.uploads == 0)
    assert live.plane.blobs.missing([digest_of(data)]) == [digest_of(data)]


def test_a_log_is_read_from_an_offset_until_it_is_final(house: House, client: TestClient) -> None:
    job_id = submitted(client)
    empty = client.get(f"/v1/jobs/{job_id}/logs")
    assert (empty.content, empty.headers["qd-next-offset"]) == (b"", "0")
    assert empty.headers["qd-final"] == "false"
    house.run(job_id)
    house.files.write(job_id, b"one \xff\n")
    first = client.get(f"/v1/jobs/{job_id}/logs")
    assert first.content == b"one \xff\n"
    assert (first.headers["qd-next-offset"], first.headers["qd-final"]) == ("6", "false")
    assert first.headers["content-type"].startswith("text/plain")
    assert first.headers["x-content-type-options"] == "nosniff"
    house.files.write(job_id, b"two\n")
    house.end(job_id)
    rest = client.get(f"/v1/jobs/{job_id}/logs?offset=6")
    assert (rest.content, rest.headers["qd-final"]) == (b"two\n", "true")


def test_a_long_log_comes_in_pieces(house: House, client: TestClient) -> None:
    job_id = submitted(client)
    house.run(job_id)
    whole = b"0123456789abcdef" * (2**17 + 1)
    house.files.write(job_id, whole)
    house.end(job_id)
    got, is_final = b"", "false"
    while is_final == "false":
        answer = client.get(f"/v1/jobs/{job_id}/logs?offset={len(got)}")
        assert len(answer.content) <= 2**20
        got, is_final = got + answer.content, answer.headers["qd-final"]
    assert got == whole


def test_each_attempt_and_replica_has_its_own_log(house: House, client: TestClient) -> None:
    job_id = submitted(client, nodes=2, retry={"limit": 1, "on": ["user_error"], "backoff": "0s"})
    house.run(job_id)
    house.end(job_id, 1)
    house.run(job_id, attempt=2)
    house.files.write(job_id, b"first", attempt=1)
    house.files.write(job_id, b"second", attempt=2, node_rank=1)
    assert client.get(f"/v1/jobs/{job_id}/logs?attempt=1").content == b"first"
    assert client.get(f"/v1/jobs/{job_id}/logs?node_rank=1").content == b"second"
    assert client.get(f"/v1/jobs/{job_id}/logs?attempt=3").json()["field"] == "attempt"
    assert client.get(f"/v1/jobs/{job_id}/logs?node_rank=2").json()["field"] == "node_rank"


def test_a_site_that_is_away_is_said_to_be_away(house: House, client: TestClient) -> None:
    job_id = submitted(client)
    house.run(job_id)
    house.app.state.context.files.clear()
    for path in ("logs", "results", "results/0/a"):
        assert client.get(f"/v1/jobs/{job_id}/{path}").status_code == 503


def test_results_are_listed_and_read(house: House, client: TestClient) -> None:
    job_id = submitted(client)
    assert client.get(f"/v1/jobs/{job_id}/results").json() == {
        "job_id": job_id, "attempt": 0, "files": [], "is_complete": True,
    }  # fmt: skip
    house.run(job_id)
    data = bytes(range(256)) * 4096
    house.files.results[job_id, 1, 0, "plots/Häß lich.png"] = data
    listed = client.get(f"/v1/jobs/{job_id}/results").json()
    assert listed["files"] == [
        {
            "path": "plots/Häß lich.png",
            "node_rank": 0,
            "size_bytes": len(data),
            "attempt": 1,
            "task": None,
        }
    ]
    answer = client.get(f"/v1/jobs/{job_id}/results/0/plots/Häß lich.png")
    assert answer.content == data
    assert answer.headers["content-length"] == str(len(data))
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment; filename*=UTF-8''H%C3%A4")
    assert all(file.closed for file in house.files.opened)


def test_a_download_goes_on_at_an_offset(house: House, client: TestClient) -> None:
    job_id = submitted(client)
    house.run(job_id)
    house.files.results[job_id, 1, 0, "big"] = bytes(range(200))
    path = f"/v1/jobs/{job_id}/results/0/big"
    rest = client.get(path, headers={"Range": "bytes=150-"})
    assert (rest.status_code, rest.content) == (206, bytes(range(150, 200)))
    assert rest.headers["content-range"] == "bytes 150-199/200"
    assert rest.headers["content-length"] == "50"
    for other in ("bytes=0-", "bytes=200-", "bytes=1-2", "bytes=-5", "lines=3-", "bytes=1-,5-"):
        whole = client.get(path, headers={"Range": other})
        assert (whole.status_code, whole.content) == (200, bytes(range(200))), other


def test_an_arrays_logs_and_results_are_those_of_its_tasks(
    house: House, client: TestClient
) -> None:
    job_id = submitted(client, array="3-4")
    house.run(job_id)
    house.files.write(job_id, b"three", attempt=1)
    house.files.results[job_id, 1, 0, "a"] = b"3"
    house.files.results[job_id, 2, 0, "a"] = b"4"
    assert client.get(f"/v1/jobs/{job_id}/logs?task=3").content == b"three"
    for params, field in (("", "task"), ("?task=5", "task"), ("?task=3&attempt=2", "attempt")):
        assert client.get(f"/v1/jobs/{job_id}/logs{params}").json()["field"] == field
    listed = client.get(f"/v1/jobs/{job_id}/results").json()
    assert [(file["task"], file["attempt"]) for file in listed["files"]] == [(3, 1), (4, 2)]
    one = client.get(f"/v1/jobs/{job_id}/results?task=4").json()
    assert (one["attempt"], len(one["files"])) == (2, 1)
    assert client.get(f"/v1/jobs/{job_id}/results/0/a?task=4").content == b"4"
    assert client.get(f"/v1/jobs/{job_id}/results/0/a?attempt=1").content == b"3"


def test_results_that_are_not_listed_are_not_there(house: House, client: TestClient) -> None:
    job_id = submitted(client)
    house.run(job_id)
    house.files.results[job_id, 1, 0, "../secret"] = b"of another job"
    for path in ("a", "..%2Fsecret", "a%2F..%2F..%2Fsecret", "%2Fetc%2Fpasswd", "a%00b", "", "./a"):
        assert client.get(f"/v1/jobs/{job_id}/results/0/{path}").status_code == 404, path


def test_a_file_is_closed_when_its_reader_goes_away(live: House) -> None:
    with httpx2.Client(base_url=live.url, headers=HEADERS) as client:
        job_id = client.post("/v1/jobs", json={"run": "true"}).json()["id"]
        live.run(job_id)
        live.files.results[job_id, 1, 0, "big"] = bytes(2**26)
        with client.stream("GET", f"/v1/jobs/{job_id}/results/0/big") as answer:
            next(answer.iter_raw())
            assert not live.files.opened[0].closed
        wait_until(lambda: live.files.opened[0].closed)


def test_a_log_may_begin_with_its_last_lines_or_at_a_time(house: House, client: TestClient) -> None:
    job_id = submitted(client)
    house.run(job_id)
    house.files.write(job_id, b"one\ntwo\nthree\n")
    assert client.get(f"/v1/jobs/{job_id}/logs?tail=2").content == b"two\nthree\n"
    assert client.get(f"/v1/jobs/{job_id}/logs?tail=0").content == b""
    assert client.get(f"/v1/jobs/{job_id}/logs?tail=3&offset=8").content == b"three\n"
    now_ns = house.plane.clock.now_ns()
    client.get(f"/v1/jobs/{job_id}/logs?since_s=600")
    _, since_ns = house.files.asked[-1]
    assert since_ns is not None
    assert 0 <= since_ns - (now_ns - 600 * 10**9) < 10**9
    for wrong in ("tail=-1", "tail=x", "since_s=-1", "since_s=nan", "contains="):
        assert client.get(f"/v1/jobs/{job_id}/logs?{wrong}").status_code == 422


def test_a_log_is_searched_at_the_site_part_by_part(house: House, client: TestClient) -> None:
    job_id = submitted(client)
    house.run(job_id)
    house.files.write(job_id, b"loss 1\nother\nloss 2\nother\nloss 3")
    house.end(job_id)
    found, offset, answers = b"", 0, 0
    while True:
        part = client.get(f"/v1/jobs/{job_id}/logs?contains=loss&offset={offset}")
        found, answers = found + part.content, answers + 1
        if part.headers["QD-Final"] == "true":
            break
        assert int(part.headers["QD-Next-Offset"]) > offset
        offset = int(part.headers["QD-Next-Offset"])
    assert found == b"loss 1\nloss 2\nloss 3"
    assert answers == 6
