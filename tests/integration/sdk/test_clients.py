"""Both clients against a server that breaks in every way that a server can."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from quarterdeck.basics.errors import Conflict, NotFound, QuarterdeckError, Unavailable
from quarterdeck.sdk import AsyncClient, Client, JobRequest
from quarterdeck.sdk.problems import NoServer, Unanswered
from quarterdeck.wire.v1.events import LogEnd, LogView
from tests.integration.sdk.scripted import (
    DROPPED,
    JOB_ID,
    OTHER_ID,
    TOKEN,
    Answer,
    Script,
    as_json,
    job,
    log_end,
    log_message,
    make_home,
    problem,
    serving,
    stream,
)

REQUEST = JobRequest(run=["true"])


class Driver:
    """Calls a method of the sync or of the async client; streams are collected."""

    def __init__(self, is_async: bool) -> None:
        self.is_async = is_async

    def call(self, method: str, *args: Any, client: dict[str, Any], **options: Any) -> Any:
        if not self.is_async:
            with Client(**client) as one:
                return self._collected(getattr(one, method)(*args, **options))
        return asyncio.run(self._call(method, args, client, options))

    async def _call(
        self, method: str, args: tuple[Any, ...], client: dict[str, Any], options: dict[str, Any]
    ) -> Any:
        async with AsyncClient(**client) as one:
            found = getattr(one, method)(*args, **options)
            if isinstance(found, AsyncIterator):
                return [item async for item in found]
            assert isinstance(found, Awaitable)
            return await found

    def _collected(self, found: Any) -> Any:
        return list(found) if isinstance(found, Iterator) else found


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def driver(request: pytest.FixtureRequest) -> Driver:
    return Driver(request.param)


def at(script: Script, **options: Any) -> dict[str, Any]:
    return {"url": script.url, "token": TOKEN, **options}


@pytest.mark.parametrize(
    ("method", "arguments", "answer"),
    [
        ("cancel", (JOB_ID,), job()),
        ("requeue", (JOB_ID,), job()),
        ("hold", (JOB_ID,), job()),
        ("release", (JOB_ID,), job()),
        ("note", (JOB_ID, "text"), job()),
        ("reorder", ([JOB_ID, OTHER_ID],), {"jobs": [], "queue_length": 0}),
        ("submit_all", ([REQUEST],), {"ids": []}),
    ],
)
def test_a_dry_run_is_said_to_be_one(
    driver: Driver, method: str, arguments: tuple[Any, ...], answer: dict[str, Any]
) -> None:
    with serving(as_json(answer)) as script:
        driver.call(method, *arguments, client=at(script), dry_run=True)
        driver.call(method, *arguments, client=at(script))
    assert ["dry_run=true" in asked.path for asked in script.asked] == [True, False]


def test_a_request_carries_the_token_and_what_was_asked(driver: Driver) -> None:
    with serving(as_json(job(), 201)) as script:
        assert driver.call("submit", REQUEST, client=at(script)).id == JOB_ID
    (asked,) = script.asked
    assert (asked.method, asked.path) == ("POST", "/v1/jobs")
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert asked.body == b'{"run":["true"]}'


def test_a_submit_is_repeated_under_one_key_until_it_is_answered(driver: Driver) -> None:
    answers = (DROPPED, problem(503, "unavailable"), problem(409, "stale"), as_json(job(), 201))
    with serving(*answers) as script:
        assert driver.call("submit", REQUEST, client=at(script)).id == JOB_ID
    assert len(script.asked) == 4
    assert len({asked.headers["idempotency-key"] for asked in script.asked}) == 1


def test_two_submits_have_two_keys(driver: Driver) -> None:
    with serving(as_json(job(), 201)) as script:
        for _ in range(2):
            driver.call("submit", REQUEST, client=at(script))
    assert len({asked.headers["idempotency-key"] for asked in script.asked}) == 2


def test_a_requeue_that_may_have_been_done_is_not_repeated(driver: Driver) -> None:
    with serving(DROPPED) as script, pytest.raises(Unanswered) as caught:
        driver.call("requeue", JOB_ID, client=at(script))
    assert len(script.asked) == 1
    assert caught.value.may_have_acted


def test_patience_ends(driver: Driver) -> None:
    with serving(DROPPED) as script, pytest.raises(Unavailable) as caught:
        driver.call("get_job", JOB_ID, client=at(script, patience_s=0.4))
    assert 2 < len(script.asked) < 30
    assert "qd up" in caught.value.hint
    assert script.url in caught.value.message


def test_the_server_is_not_asked_sooner_than_it_wants(driver: Driver) -> None:
    later = problem(503, "unavailable", retry_after=30)
    with serving(later) as script, pytest.raises(Unavailable):
        driver.call("get_job", JOB_ID, client=at(script, patience_s=5.0))
    assert len(script.asked) == 1


def test_a_refusal_is_not_repeated(driver: Driver) -> None:
    with serving(problem(404, "not_found")) as script, pytest.raises(NotFound):
        driver.call("cancel", JOB_ID, client=at(script))
    assert len(script.asked) == 1


def test_without_a_server_nobody_waits(driver: Driver, tmp_path: Path) -> None:
    with pytest.raises(NoServer):
        driver.call("get_job", JOB_ID, client={"home": tmp_path})


def test_a_redirect_does_not_carry_the_token_away(driver: Driver) -> None:
    with serving(as_json(job())) as elsewhere:
        away = Answer(307, b"", (("Location", f"{elsewhere.url}/v1/jobs/{JOB_ID}"),))
        with serving(away) as script, pytest.raises(Exception, match="not a Quarterdeck server"):
            driver.call("get_job", JOB_ID, client=at(script))
        assert elsewhere.asked == []


def test_a_server_that_comes_back_on_another_port_is_found(tmp_path: Path) -> None:
    home = make_home(tmp_path, "http://127.0.0.1:9")
    closing = (("Connection", "close"),)
    with serving(replace(as_json(job()), headers=closing)) as first:
        make_home(home, first.url)
        client = Client(home=home)
        assert client.get_job(JOB_ID).state == "queued"
    with serving(as_json(job("running"))) as second:
        later = threading.Timer(0.3, make_home, (home, second.url))
        later.start()
        assert client.get_job(JOB_ID).state == "running"
        later.join()
    client.close()


def test_a_broken_log_goes_on_where_it_broke(driver: Driver) -> None:
    half = log_message(5, "never whole")[:-9]
    answers = (
        stream(log_message(0, "hello") + half, cut=True),
        DROPPED,
        problem(503, "unavailable"),
        stream(log_message(5, " again")),
        stream(b": keep-alive\n\n" + log_end(exit_code=7, state="failed")),
    )
    with serving(*answers) as script:
        items = driver.call("stream_log", JOB_ID, client=at(script))
    views, end = items[:-1], items[-1]
    assert all(isinstance(view, LogView) for view in views)
    assert "".join(view.text for view in views) == "hello again"
    assert (end.state, end.exit_code) == ("failed", 7)
    ids = [asked.headers.get("last-event-id") for asked in script.asked]
    assert ids == [None, "1:5", "1:5", "1:5", "1:11"]


def test_nothing_is_read_after_the_end_of_a_log(driver: Driver) -> None:
    with serving(stream(log_end() + log_message(0, "too late"))) as script:
        (end,) = driver.call("stream_log", JOB_ID, client=at(script))
    assert isinstance(end, LogEnd)
    assert len(script.asked) == 1


def test_a_stream_that_is_refused_says_why(driver: Driver) -> None:
    with serving(problem(404, "not_found")) as script, pytest.raises(NotFound):
        driver.call("stream_log", JOB_ID, client=at(script))


def test_a_broken_result_goes_on_without_giving_a_byte_twice(driver: Driver) -> None:
    whole = bytes(range(256)) * 40
    answers = (Answer(200, whole[:5000], cut=True), DROPPED, Answer(200, whole))
    with serving(*answers) as script:
        pieces = driver.call("read_result", JOB_ID, "model.bin", client=at(script))
    assert b"".join(pieces) == whole
    assert len(script.asked) == 3


def test_a_wait_asks_again_until_the_job_is_final(driver: Driver) -> None:
    answers = (as_json(job("running")), DROPPED, as_json(job("succeeded", exit_code=0)))
    with serving(*answers) as script:
        assert driver.call("wait", JOB_ID, client=at(script)).state == "succeeded"
    assert all("wait_s=" in asked.path for asked in script.asked)
    with serving(as_json(job("running"))) as script:
        assert driver.call("wait", JOB_ID, client=at(script), timeout_s=0.2).state == "running"


def test_a_closed_client_says_so() -> None:
    with serving(as_json(job())) as script:
        client = Client(**at(script))
        client.close()
        with pytest.raises(Conflict):
            client.get_job(JOB_ID)


def test_closing_wakes_who_waits() -> None:
    with serving(DROPPED) as script:
        client = Client(**at(script, patience_s=60.0))
        failures: list[Exception] = []
        thread = threading.Thread(target=_keep, args=(failures, lambda: client.get_job(JOB_ID)))
        thread.start()
        while len(script.asked) < 3:
            thread.join(0.01)
        client.close()
        thread.join(10)
        assert not thread.is_alive()
        assert [type(one) for one in failures] == [Conflict]


def test_both_clients_have_the_same_methods() -> None:
    def public(kind: type) -> set[str]:
        return {name for name in vars(kind) if not name.startswith("_")}

    assert public(Client) - {"close"} == public(AsyncClient) - {"aclose"}


def _keep(failures: list[Exception], work: Callable[[], object]) -> None:
    try:
        work()
    except QuarterdeckError as error:
        failures.append(error)
