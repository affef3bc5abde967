"""What the server refuses with becomes the error of the house that it raised."""

from __future__ import annotations

import json

import pytest

from quarterdeck.basics import errors
from quarterdeck.sdk import requests, server_requests
from quarterdeck.sdk.calls import Reply
from quarterdeck.sdk.problems import Busy, NotAServer, ServerFault, check


def refused(status: int, code: str, **headers: str) -> Reply:
    body = {
        "type": f"/problems/{code}",
        "title": "",
        "status": status,
        "detail": "8 of 4",
        "code": code,
        "hint": "ask for less",
        "field": "resources.gpu",
    }
    return Reply(status, headers, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("status", "code", "family"),
    [
        (400, "unreadable_body", errors.Invalid),
        (401, "unknown_token", errors.NotAllowed),
        (403, "bad_host", errors.NotAllowed),
        (404, "not_found", errors.NotFound),
        (405, "method_not_allowed", errors.Refused),
        (409, "conflict", errors.Conflict),
        (409, "stale", errors.Stale),
        (413, "body_too_large", errors.Invalid),
        (422, "invalid", errors.Invalid),
        (422, "unsatisfiable", errors.Unsatisfiable),
        (500, "internal_error", ServerFault),
        (503, "unavailable", errors.Unavailable),
    ],
)
def test_status_and_code_say_which_error_it_is(
    status: int, code: str, family: type[errors.QuarterdeckError]
) -> None:
    with pytest.raises(errors.QuarterdeckError) as caught:
        check(refused(status, code))
    assert isinstance(caught.value, family)
    assert type(caught.value) in (family, Busy)
    assert (caught.value.code, caught.value.message) == (code, "8 of 4")
    assert (caught.value.hint, caught.value.field) == ("ask for less", "resources.gpu")


def test_what_a_proxy_says_is_not_taken_for_the_server() -> None:
    with pytest.raises(Busy):
        check(Reply(502, {}, b"<html>Bad Gateway</html>"))
    for status in (302, 404, 500):
        with pytest.raises(NotAServer) as caught:
            check(Reply(status, {}, b"<html>\xff</html>"))
        assert str(status) in caught.value.message


def test_the_pause_that_the_server_wants_is_read_and_bounded() -> None:
    for text, seconds in (("7", 7.0), ("99999999", 30.0), ("soon", 0.0), ("٣", 0.0)):
        with pytest.raises(Busy) as caught:
            check(refused(503, "unavailable", **{"retry-after": text}))
        assert caught.value.retry_after_s == seconds


def test_an_answer_that_says_nothing_known_is_no_crash() -> None:
    call = requests.get_job("j000000001")
    for body in (b"", b"[]", b'{"id": 1}', b"\xff"):
        with pytest.raises(NotAServer) as caught:
            call.parse(Reply(200, {}, body))
        assert "JobView" in caught.value.message
    with pytest.raises(NotAServer):
        requests.read_log("j000000001").parse(Reply(200, {}, b"text"))
    with pytest.raises(NotAServer):
        requests.get_openapi().parse(Reply(200, {}, b"no json"))


@pytest.mark.parametrize("text", ["", "..", "j1", "j00000000l", "j000000001/cancel", "J0000000001"])
def test_what_cannot_be_an_id_never_becomes_part_of_a_path(text: str) -> None:
    with pytest.raises(errors.NotFound) as caught:
        requests.get_job(text)
    assert "qd ps -a" in caught.value.hint


@pytest.mark.parametrize("path", ["", "..", "a/../b", "/etc/passwd", "a//b", "./a"])
def test_a_result_is_asked_for_by_a_plain_path(path: str) -> None:
    with pytest.raises(errors.NotFound):
        requests.read_result("j000000001", path)


def test_a_results_name_is_quoted() -> None:
    call = requests.read_result("j000000001", "out dir/50%?#ü")
    assert call.path.endswith("/results/0/out%20dir/50%25%3F%23%C3%BC")


def test_only_what_twice_is_once_may_be_repeated() -> None:
    assert requests.submit.__doc__
    assert requests.cancel("j000000001").is_repeatable
    assert not requests.requeue("j000000001").is_repeatable
    assert not server_requests.shut_down(stop_jobs=False).is_repeatable
