"""One try at a real receiver: what it gets, and what comes of every way to misbehave."""

from __future__ import annotations

import base64
import hashlib
import hmac
import socket
import threading
from http.server import BaseHTTPRequestHandler
from time import monotonic, time, time_ns

import pytest

from quarterdeck.adapters.notifiers.webhook import WebhookNotifier
from quarterdeck.basics.errors import Invalid, NotAllowed
from quarterdeck.ports.notifier import Message
from quarterdeck.sdk.webhooks import verify
from tests.integration.webhooks.receiver import Got, Receiver, receiving

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()
MESSAGE = Message("w1-7", b'{"type":"job.failed","timestamp":"t","data":{"id":"j1"}}')


class WallClock:
    def now_ns(self) -> int:
        return time_ns()


def notifier(*, may_be_private: bool = True, try_s: float = 5.0) -> WebhookNotifier:
    return WebhookNotifier(WallClock(), "1.2.3", may_be_private=may_be_private, try_s=try_s)


def is_signed(got: Got) -> bool:
    """Independent of the house: the convention, written down again."""
    signed = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode() + got.body
    digest = hmac.new(KEY, signed, hashlib.sha256).digest()
    return got.headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()


def test_a_message_arrives_whole_and_signed() -> None:
    with receiving() as receiver:
        outcome = notifier().send(receiver.url + "?a=b", SECRET, MESSAGE)
    assert (outcome.is_delivered, outcome.status) == (True, 204)
    (got,) = receiver.got
    assert (got.path, got.body, got.id) == ("/hook?a=b", MESSAGE.body, MESSAGE.id)
    assert is_signed(got)
    assert abs(int(got.headers["webhook-timestamp"]) - time()) < 30
    assert got.headers["content-type"] == "application/json"
    assert got.headers["user-agent"] == "quarterdeck/1.2.3"
    assert got.headers["host"] == receiver.url.split("/")[2]
    heard = verify(SECRET, got.headers, got.body)
    assert (heard.id, heard.type, heard.data) == ("w1-7", "job.failed", {"id": "j1"})


@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_a_bad_answer_is_a_failure_with_its_status(status: int) -> None:
    with receiving(Receiver([status])) as receiver:
        outcome = notifier().send(receiver.url, SECRET, MESSAGE)
    assert (outcome.is_delivered, outcome.status) == (False, status)
    assert str(status) in outcome.message
    assert not outcome.is_gone


def test_a_receiver_that_is_gone_says_so() -> None:
    with receiving(Receiver([410])) as receiver:
        assert notifier().send(receiver.url, SECRET, MESSAGE).is_gone


def test_a_redirect_is_a_failure_and_is_not_followed() -> None:
    with (
        receiving() as inside,
        receiving(Receiver([302, 307, 308], location=inside.url)) as receiver,
    ):
        for _ in range(3):
            outcome = notifier().send(receiver.url, SECRET, MESSAGE)
            assert not outcome.is_delivered
            assert "redirect" in outcome.message
    assert inside.got == []


def test_a_receiver_that_hangs_costs_no_more_than_the_deadline() -> None:
    with receiving() as receiver:
        receiver.may_answer.clear()
        began_s = monotonic()
        outcome = notifier(try_s=0.3).send(receiver.url, SECRET, MESSAGE)
        assert monotonic() - began_s < 3
    assert not outcome.is_delivered
    assert "0.3s" in outcome.message


def test_a_receiver_that_drips_costs_no_more_than_the_deadline() -> None:
    ended = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 204 No Content\r\n")
        while not ended.wait(0.05):
            handler.wfile.write(b"X: y\r\n")

    with receiving(Receiver(before_answer=drip)) as receiver:
        began_s = monotonic()
        outcome = notifier(try_s=0.5).send(receiver.url, SECRET, MESSAGE)
        assert monotonic() - began_s < 3
        ended.set()
    assert not outcome.is_delivered


def test_a_receiver_without_end_is_not_read() -> None:
    """The answer's status is all that is looked at; its body may be as long as it likes."""
    sent = threading.Event()

    def flood(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")
        try:
            while True:
                handler.wfile.write(b"x" * 65536)
        except OSError:
            sent.set()
            raise

    with receiving(Receiver(before_answer=flood)) as receiver:
        assert notifier().send(receiver.url, SECRET, MESSAGE).is_delivered
        assert sent.wait(5)


def test_nobody_there_and_nonsense_are_failures() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    outcome = notifier().send(f"http://127.0.0.1:{port}/", SECRET, MESSAGE)
    assert (outcome.is_delivered, outcome.message) == (False, "no answer: Connection refused")

    def nonsense(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"what?\r\n\r\n")

    with receiving(Receiver(before_answer=nonsense)) as receiver:
        assert not notifier().send(receiver.url, SECRET, MESSAGE).is_delivered
        wrong_scheme = receiver.url.replace("http:", "https:")
        assert not notifier(try_s=1.0).send(wrong_scheme, SECRET, MESSAGE).is_delivered


def test_a_private_address_is_not_even_connected_to() -> None:
    with receiving() as receiver:
        careful = notifier(may_be_private=False)
        with pytest.raises(NotAllowed, match=r"127\.0\.0\.1") as refused:
            careful.check(receiver.url)
        assert refused.value.code == "private_address"
        outcome = careful.send(receiver.url, SECRET, MESSAGE)
        assert not outcome.is_delivered
        assert "127.0.0.1" in outcome.message
    assert receiver.got == []


def test_a_name_is_resolved_once_a_try_and_what_was_judged_is_connected_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A name that is public when it is judged and private when it is used."""
    asked: list[str] = []
    connected: list[object] = []

    def answers(host: str, port: int, **_: object) -> list[object]:
        asked.append(host)
        address = "192.0.2.1" if len(asked) > 1 else "93.184.216.34"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    def connect(address: tuple[str, int], _timeout: float) -> socket.socket:
        connected.append(address)
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(socket, "getaddrinfo", answers)
    monkeypatch.setattr(socket, "create_connection", connect)
    careful = notifier(may_be_private=False)
    assert not careful.send("http://rebinding.example/", SECRET, MESSAGE).is_delivered
    assert connected == [("93.184.216.34", 80)]
    assert asked == ["rebinding.example"]
    outcome = careful.send("http://rebinding.example/", SECRET, MESSAGE)
    assert "192.0.2.1" in outcome.message
    assert len(connected) == 1


def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as proxy, receiving() as receiver:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert notifier().send(receiver.url, SECRET, MESSAGE).is_delivered
    assert (len(proxy.got), len(receiver.got)) == (0, 1)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "http://127.0.0.1/a b", "http://no.invalid/"])
def test_a_url_that_cannot_work_is_refused_beforehand_and_harmless_afterwards(url: str) -> None:
    with pytest.raises(Invalid):
        notifier().check(url)
    assert not notifier().send(url, SECRET, MESSAGE).is_delivered
