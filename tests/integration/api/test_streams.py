"""Streams and long waits over a real server: nothing lost, nothing twice, and they end."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx2
import pytest

from quarterdeck.api import follow, streaming
from quarterdeck.api.routers import events as events_router
from tests.integration.api.house import TOKEN, served, wait_until

if TYPE_CHECKING:
    from tests.integration.api.house import House


class Message(NamedTuple):
    """One SSE message; a comment has the kind `:`."""

    kind: str
    id: str | None
    data: Any


def messages_of(answer: httpx2.Response) -> Iterator[Message]:
    kind, last_id, data = "message", None, None
    for line in answer.iter_lines():
        if line.startswith(":"):
            yield Message(":", None, line)
        elif not line:
            if data is not None:
                yield Message(kind, last_id, data)
            kind, last_id, data = "message", None, None
        else:
            name, _, value = line.partition(": ")
            if name == "event":
                kind = value
            elif name == "id":
                last_id = value
            elif name == "data":
                data = json.loads(value)


@pytest.fixture
def http(live: House) -> Iterator[httpx2.Client]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    limits = httpx2.Limits(max_connections=200)
    with httpx2.Client(base_url=live.url, headers=headers, timeout=20, limits=limits) as client:
        yield client


def submit(http: httpx2.Client, **more: Any) -> str:
    job_id: str = http.post("/v1/jobs", json={"run": "true", **more}).json()["id"]
    return job_id


def text_of(messages: list[Message]) -> str:
    return "".join(message.data["text"] for message in messages if message.kind == "log")


def has_watchers(house: House) -> bool:
    return bool(house.app.state.feed._watches)


def test_a_log_is_followed_to_its_last_byte_and_then_ends(live: House, http: httpx2.Client) -> None:
    job_id = submit(http)
    with http.stream("GET", f"/v1/jobs/{job_id}/logs/stream") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        messages = messages_of(answer)
        live.run(job_id)
        live.files.write(job_id, b"epoch 1\n")
        first = next(messages)
        assert first == Message("log", "1:8", {
            "attempt": 1, "node_rank": 0, "offset": 0, "next_offset": 8, "text": "epoch 1\n",
        })  # fmt: skip
        live.files.write(job_id, b"epoch 2\n")
        live.end(job_id, 3)
        rest = list(messages)
    assert text_of(rest) == "epoch 2\n"
    assert rest[-1] == Message("end", None, {"state": "failed", "exit_code": 3})
    wait_until(lambda: not has_watchers(live))


def test_a_character_that_is_cut_off_waits_for_its_rest(live: House, http: httpx2.Client) -> None:
    job_id = submit(http)
    live.run(job_id)
    live.files.write(job_id, "grü".encode()[:-1])
    with http.stream("GET", f"/v1/jobs/{job_id}/logs/stream") as answer:
        messages = messages_of(answer)
        assert next(messages).data["text"] == "gr"
        live.files.write(job_id, "ü\n".encode()[1:] + b"\xff bad \xf0\x9f")
        assert next(messages).data["text"] == "ü\n\N{REPLACEMENT CHARACTER} bad "
        live.end(job_id)
        assert text_of(list(messages)) == "\N{REPLACEMENT CHARACTER}"


def test_a_long_log_arrives_whole(live: House, http: httpx2.Client) -> None:
    job_id = submit(http)
    live.run(job_id)
    text = "".join(f"Zeile {number} – schön\n" for number in range(20_000))
    live.files.write(job_id, text.encode())
    live.end(job_id)
    with http.stream("GET", f"/v1/jobs/{job_id}/logs/stream") as answer:
        messages = list(messages_of(answer))
    assert text_of(messages) == text
    offsets = [message.data["offset"] for message in messages[:-1]]
    assert offsets[1:] == [message.data["next_offset"] for message in messages[:-2]]


def test_a_stream_goes_on_with_the_next_attempt(live: House, http: httpx2.Client) -> None:
    job_id = submit(http, retry={"limit": 1, "on": ["user_error"], "backoff": "0s"})
    with http.stream("GET", f"/v1/jobs/{job_id}/logs/stream") as answer:
        messages = messages_of(answer)
        live.run(job_id)
        live.files.write(job_id, b"a", attempt=1)
        assert next(messages).id == "1:1"
        live.end(job_id, 1)
        live.run(job_id, attempt=2)
        live.files.write(job_id, b"bc", attempt=2)
        assert next(messages).id == "2:2"
        live.end(job_id, 0, attempt=2)
        assert next(messages) == Message("end", None, {"state": "succeeded", "exit_code": 0})


def test_a_stream_of_one_attempt_ends_with_it(live: House, http: httpx2.Client) -> None:
    job_id = submit(http, retry={"limit": 1, "on": ["user_error"], "backoff": "0s"})
    live.run(job_id)
    live.files.write(job_id, b"a")
    live.end(job_id, 5)
    live.run(job_id, attempt=2)
    with http.stream("GET", f"/v1/jobs/{job_id}/logs/stream?attempt=1") as answer:
        messages = list(messages_of(answer))
    assert [message.kind for message in messages] == ["log", "end"]
    assert messages[-1].data == {"state": "running", "exit_code": 5}


def test_a_stream_resumes_after_the_last_message(live: House, http: httpx2.Client) -> None:
    job_id = submit(http, retry={"limit": 1, "on": ["user_error"], "backoff": "0s"})
    live.run(job_id)
    live.files.write(job_id, b"seen unseen")
    live.end(job_id, 1)
    live.run(job_id, attempt=2)
    live.files.write(job_id, b" second", attempt=2)
    live.end(job_id, 0, attempt=2)
    resumed = {"Last-Event-ID": "1:5"}
    with http.stream("GET", f"/v1/jobs/{job_id}/logs/stream", headers=resumed) as answer:
        assert text_of(list(messages_of(answer))) == "unseen second"
    for wrong in ("x", "1", "1:-1", "9:0"):
        answer = http.get(f"/v1/jobs/{job_id}/logs/stream", headers={"Last-Event-ID": wrong})
        assert answer.status_code in {404, 422}


def test_a_stream_begins_where_it_was_asked_to(live: House, http: httpx2.Client) -> None:
    job_id = submit(http)
    live.run(job_id)
    live.files.write(job_id, b"one\ntwo\nthree\n")
    with http.stream("GET", f"/v1/jobs/{job_id}/logs/stream?tail=1") as answer:
        messages = messages_of(answer)
        assert next(messages).data["text"] == "three\n"
        live.files.write(job_id, b"four\n")
        assert next(messages).data["text"] == "four\n"
    resumed = {"Last-Event-ID": "1:4"}
    with http.stream("GET", f"/v1/jobs/{job_id}/logs/stream?tail=1", headers=resumed) as answer:
        assert next(messages_of(answer)).data["text"] == "two\nthree\nfour\n"


def test_a_stream_may_be_of_lines_with_a_text(live: House, http: httpx2.Client) -> None:
    job_id = submit(http, retry={"limit": 1, "on": ["user_error"], "backoff": "0s"})
    live.run(job_id)
    live.files.write(job_id, b"a loss\nother\n")
    with http.stream("GET", f"/v1/jobs/{job_id}/logs/stream?contains=loss") as answer:
        messages = messages_of(answer)
        assert next(messages) == Message("log", "1:7", {
            "attempt": 1, "node_rank": 0, "offset": 0, "next_offset": 7, "text": "a loss\n",
        })  # fmt: skip
        live.files.write(job_id, b"more lo")
        live.files.write(job_id, b"ss\nother\nlast loss")
        assert next(messages).data["text"] == "more loss\n"
        live.end(job_id, 1)
        live.run(job_id, attempt=2)
        live.files.write(job_id, b"no\nloss again\n", attempt=2)
        live.end(job_id, 0, attempt=2)
        assert text_of(list(messages)) == "last lossloss again\n"


def test_a_job_that_is_cancelled_in_the_queue_ends_its_stream(
    live: House, http: httpx2.Client
) -> None:
    job_id = submit(http)
    with http.stream("GET", f"/v1/jobs/{job_id}/logs/stream") as answer:
        wait_until(lambda: has_watchers(live))
        http.post(f"/v1/jobs/{job_id}/cancel")
        assert list(messages_of(answer)) == [
            Message("end", None, {"state": "cancelled", "exit_code": None})
        ]


def test_events_come_in_order_and_resume_without_loss_or_doubles(
    live: House, http: httpx2.Client
) -> None:
    with http.stream("GET", "/v1/events?after=0") as answer:
        messages = messages_of(answer)
        assert next(messages).kind == "site_reported"
        job_id = submit(http)
        live.run(job_id)
        live.end(job_id)
        got = [next(messages) for _ in range(6)]
    assert [message.kind for message in got] == [
        "submitted", "placed", "seen", "seen", "started", "seen",
    ]  # fmt: skip
    states = [message.data["state"] for message in got]
    assert states == ["queued", "starting", None, None, "running", None]
    assert [message.data["revision"] for message in got] == [1, 2, 3, 4, 5, 6]
    assert got[0].data["data"]["spec"]["name"] == "job"
    assert got[0].data["at"].endswith("Z")
    last_id = got[-1].id
    assert last_id is not None
    assert int(last_id) == got[-1].data["seq"]
    with http.stream("GET", "/v1/events", headers={"Last-Event-ID": last_id}) as answer:
        last = next(messages_of(answer))
    assert (last.kind, last.data["state"]) == ("ended", "succeeded")
    assert last.data["seq"] == int(last_id) + 1


def test_a_long_past_comes_page_after_page(
    live: House, http: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_router, "PAGE", 3)
    for _ in range(10):
        submit(http)
    with http.stream("GET", "/v1/events?after=0") as answer:
        messages = messages_of(answer)
        assert [next(messages).data["seq"] for _ in range(11)] == list(range(1, 12))


def test_events_without_a_place_begin_now_and_may_be_of_one_job(
    live: House, http: httpx2.Client
) -> None:
    first, second = submit(http), submit(http)
    with http.stream("GET", f"/v1/events?job_id={second}") as answer:
        messages = messages_of(answer)
        http.post(f"/v1/jobs/{first}/cancel")
        http.post(f"/v1/jobs/{second}/cancel")
        got = next(messages)
    assert (got.kind, got.data["job_id"], got.data["state"]) == ("cancelled", second, "cancelled")


def test_an_idle_stream_is_kept_alive(
    live: House, http: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (events_router, follow, streaming):
        monkeypatch.setattr(module, "KEEP_ALIVE_S", 0.05)
    job_id = submit(http)
    for path in ("/v1/events", f"/v1/jobs/{job_id}/logs/stream"):
        with http.stream("GET", path) as answer:
            messages = messages_of(answer)
            assert [next(messages).data for _ in range(3)] == [": keep-alive"] * 3


def test_waiting_answers_as_soon_as_the_job_is_final(live: House, http: httpx2.Client) -> None:
    job_id = submit(http)
    answers: list[dict[str, Any]] = []
    waiting = threading.Thread(
        target=lambda: answers.append(http.get(f"/v1/jobs/{job_id}?wait_s=15").json())
    )
    waiting.start()
    wait_until(lambda: has_watchers(live))
    live.run(job_id)
    assert not answers
    ended_at_s = time.monotonic()
    live.end(job_id)
    waiting.join(10)
    assert answers[0]["state"] == "succeeded"
    assert time.monotonic() - ended_at_s < 1
    assert http.get(f"/v1/jobs/{job_id}?wait_s=15").json()["state"] == "succeeded"


def test_waiting_gives_up_after_its_time(live: House, http: httpx2.Client) -> None:
    job_id = submit(http)
    assert http.get(f"/v1/jobs/{job_id}?wait_s=0.05").json()["state"] == "queued"
    assert http.get(f"/v1/jobs/{job_id}?wait_s=301").status_code == 422
    wait_until(lambda: not has_watchers(live))


def test_many_who_wait_take_no_threads_from_those_who_submit(
    live: House, http: httpx2.Client
) -> None:
    job_id = submit(http)
    states: list[str] = []
    waiting = [
        threading.Thread(
            target=lambda: states.append(http.get(f"/v1/jobs/{job_id}?wait_s=15").json()["state"])
        )
        for _ in range(60)
    ]
    for thread in waiting:
        thread.start()
    wait_until(lambda: sum(map(len, live.app.state.feed._watches.values())) == 60)
    began_s = time.monotonic()
    submit(http)
    assert time.monotonic() - began_s < 2
    http.post(f"/v1/jobs/{job_id}/cancel")
    for thread in waiting:
        thread.join(10)
    assert states == ["cancelled"] * 60


def test_slow_files_of_many_streams_do_not_hold_up_those_who_submit(
    live: House, http: httpx2.Client
) -> None:
    job_id = submit(http)
    live.run(job_id)
    live.files.write(job_id, b"x")
    live.files.is_open.clear()
    streams = [
        threading.Thread(target=http.get, args=(f"/v1/jobs/{job_id}/logs/stream",))
        for _ in range(50)
    ]
    for thread in streams:
        thread.start()
    wait_until(lambda: sum(map(len, live.app.state.feed._watches.values())) == 50)
    assert http.post("/v1/jobs", json={"run": "true"}, timeout=5).status_code == 201
    assert http.get(f"/v1/jobs/{job_id}", timeout=5).json()["state"] == "running"
    live.end(job_id)
    live.files.is_open.set()
    for thread in streams:
        thread.join(10)
        assert not thread.is_alive()


def test_a_client_that_goes_away_leaves_nothing_behind(live: House, http: httpx2.Client) -> None:
    job_id = submit(http)
    live.run(job_id)
    listeners = len(live.plane.changed._listeners)
    for path in ("/v1/events", f"/v1/jobs/{job_id}/logs/stream"):
        with http.stream("GET", path):
            wait_until(lambda: has_watchers(live))
        wait_until(lambda: not has_watchers(live))
    wait_until(lambda: len(live.plane.changed._listeners) == listeners)


def test_shutdown_ends_streams_and_waits_at_once(house: House) -> None:
    ended: list[str] = []
    with served(house) as server:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        with httpx2.Client(base_url=house.url, headers=headers, timeout=20) as client:
            job_id = submit(client)
            house.run(job_id)
            paths = ("/v1/events", f"/v1/jobs/{job_id}/logs/stream", f"/v1/jobs/{job_id}?wait_s=15")

            def read(path: str) -> None:
                ended.append(client.get(path).text)

            threads = [threading.Thread(target=read, args=(path,)) for path in paths]
            for thread in threads:
                thread.start()
            watches = house.app.state.feed._watches
            wait_until(lambda: sum(map(len, watches.values())) == 3)
            began_s = time.monotonic()
            house.closing.set()
            server.should_exit = True
            for thread in threads:
                thread.join(10)
    assert time.monotonic() - began_s < 2
    assert len(ended) == 3
    assert not any("event: end" in text for text in ended)
