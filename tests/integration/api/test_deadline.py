"""An answer that does not begin in time is given for the route, and nothing comes after it."""

from __future__ import annotations

import http.client
import json
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from quarterdeck.api.limits import DoorLimits
from tests.integration.api.house import TOKEN, House, make_house, served, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADERS = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}


@pytest.fixture
def hurried() -> Iterator[House]:
    house = make_house(limits=DoorLimits(answer_seconds=0.3))
    with served(house):
        yield house


def connect(house: House) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(house.url).netloc, timeout=10)


def test_a_route_that_hangs_is_answered_and_the_connection_goes_on(hurried: House) -> None:
    line = connect(hurried)
    line.request("POST", "/v1/jobs", b'{"run": "true"}', HEADERS)
    job_id = json.loads(line.getresponse().read())["id"]
    hurried.run(job_id)
    hurried.files.write(job_id, b"late\n")
    hurried.files.is_open.clear()
    line.request("GET", f"/v1/jobs/{job_id}/logs", headers=HEADERS)
    late = line.getresponse()
    problem = json.loads(late.read())
    assert (late.status, problem["code"]) == (503, "too_slow")
    assert late.headers["Retry-After"]
    assert late.headers["X-Content-Type-Options"] == "nosniff"
    hurried.files.is_open.set()
    line.request("GET", f"/v1/jobs/{job_id}/logs", headers=HEADERS)
    assert line.getresponse().read() == b"late\n"


def test_a_long_poll_and_a_stream_may_wait(hurried: House) -> None:
    line = connect(hurried)
    line.request("POST", "/v1/jobs", b'{"run": "true"}', HEADERS)
    job_id = json.loads(line.getresponse().read())["id"]
    stream = connect(hurried)
    stream.request("GET", "/v1/events", headers=HEADERS)
    opened = stream.getresponse()
    line.request("GET", f"/v1/jobs/{job_id}?wait_s=1", headers=HEADERS)
    answer = line.getresponse()
    assert answer.status == 200
    assert json.loads(answer.read())["id"] == job_id
    hurried.run(job_id)
    assert opened.readline().startswith(b"id:")


def test_a_body_that_comes_slowly_has_its_own_time(hurried: House) -> None:
    line = connect(hurried)
    line.putrequest("POST", "/v1/jobs")
    for name, value in (*HEADERS.items(), ("Content-Length", "15")):
        line.putheader(name, value)
    line.endheaders()
    for piece in (b'{"run"', b': "tr', b'ue"}'):
        threading.Event().wait(0.2)
        line.send(piece)
    assert line.getresponse().status == 201


def test_nothing_is_left_behind(hurried: House) -> None:
    hurried.files.is_open.clear()
    line = connect(hurried)
    line.request("POST", "/v1/jobs", b'{"run": "true"}', HEADERS)
    job_id = json.loads(line.getresponse().read())["id"]
    hurried.run(job_id)
    for _ in range(3):
        line.request("GET", f"/v1/jobs/{job_id}/logs", headers=HEADERS)
        assert line.getresponse().read().count(b"too_slow") == 2
    hurried.files.is_open.set()
    threads = hurried.app.state.threads
    wait_until(lambda: threads._files.borrowed_tokens == 0)
