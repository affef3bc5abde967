"""Webhooks of a real server: signed, through `kill -9`, and never into the network behind it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
from collections import Counter

from quarterdeck.basics.chance import Chance
from quarterdeck.sdk import JobRequest
from tests.e2e.deck import Deck, until
from tests.integration.webhooks.receiver import Got, Receiver, receiving

PRETEND = ("--pretend", "dgx-a100:1")
WHOLE_LIFE = ["queued", "starting", "running", "succeeded"]


def is_signed(got: Got, secret: str) -> bool:
    """Independent of the house: the convention, written down again."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode() + got.body
    digest = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return got.headers["webhook-signature"] == f"v1,{digest}"


def test_a_webhook_from_the_command_line_to_the_receiver(deck: Deck) -> None:
    deck.up(*PRETEND)
    with receiving() as receiver:
        dry = deck.qd("webhook", "add", receiver.url, "--on", "succeeded", "--dry-run")
        assert dry.stdout == f"would send job.succeeded to {receiver.url}\n"
        made = deck.qd_json("webhook", "add", receiver.url, "--on", "failed", "--on", "succeeded")
        tested = deck.qd("webhook", "test", made["id"])
        assert (tested.returncode, tested.stdout) == (
            0, f"{made['id']} delivered: answered 204\n",
        )  # fmt: skip
        good, bad = deck.run("exit 0"), deck.run("exit 3")
        until(lambda: receiver.states_of(good) and receiver.states_of(bad))
        assert receiver.states_of(good) == ["succeeded"]
        assert receiver.states_of(bad) == ["failed"]
        assert all(is_signed(got, made["secret"]) for got in receiver.got)
        (failed,) = [got for got in receiver.got if got.content["type"] == "job.failed"]
        data = failed.data
        assert (data["exit_code"], data["reason"], data["attempt"]) == (3, "user_error", 1)
        listed = deck.qd("webhook", "list")
        assert made["id"] in listed.stdout
        assert made["secret"] not in listed.stdout
        assert deck.qd("webhook", "remove", made["id"]).returncode == 0
        assert deck.qd_json("webhook", "list") == {"webhooks": []}
    assert deck.qd("webhook", "test", made["id"]).returncode == 3


def test_a_server_killed_between_deliveries_loses_none(deck: Deck) -> None:
    """Killed at seeded moments while the receiver fails now and then: in the end every change of
    every job was heard, in order, and what came twice came under the same id."""
    chance = Chance(11)
    deck.up(*PRETEND)
    receiver = Receiver([500 if chance.happens(0.2) else 204 for _ in range(60)])
    with receiving(receiver):
        secret = deck.qd_json("webhook", "add", receiver.url)["secret"]
        ids: list[str] = []
        for _ in range(3):
            with deck.client() as client:
                ids += [client.submit(JobRequest(run="true")).id for _ in range(5)]
            threading.Event().wait(chance.between(0.0, 0.8))
            deck.kill_server()
            deck.up_again()
        until(lambda: all(receiver.states_of(one) == WHOLE_LIFE for one in ids), within_s=90)
    assert all(is_signed(got, secret) for got in receiver.got)
    bodies: dict[str, set[bytes]] = {}
    for got in receiver.got:
        bodies.setdefault(got.id, set()).add(got.body)
    assert {len(one) for one in bodies.values()} == {1}
    assert Counter(got.data["state"] for got in {got.id: got for got in receiver.got}.values()) == (
        dict.fromkeys(WHOLE_LIFE, len(ids))
    )


def test_a_server_killed_while_the_receiver_is_out_tells_everything_later(deck: Deck) -> None:
    deck.up(*PRETEND)
    receiver = Receiver([500] * 1000)
    with receiving(receiver):
        deck.qd_json("webhook", "add", receiver.url)
        ids = [deck.run("exit 0") for _ in range(2)]
        for one in ids:
            assert deck.qd("wait", one, "--timeout", "30").returncode == 0
        # By the third try, three seconds have passed: how far it is has been kept.
        until(lambda: deck.qd_json("webhook", "list")["webhooks"][0]["failures"] >= 3)
        deck.kill_server()
        receiver.statuses.clear()
        receiver.got.clear()
        deck.up_again()
        until(lambda: all(receiver.states_of(one) == WHOLE_LIFE for one in ids))


def test_a_server_that_was_told_so_leads_nobody_inside(deck: Deck) -> None:
    deck.up(*PRETEND, "--no-webhooks-to-private-addresses")
    with receiving() as receiver:
        refused = deck.qd("webhook", "add", receiver.url)
    assert refused.returncode == 3
    assert "127.0.0.1" in refused.stderr
    assert "--webhooks-to-private-addresses" in refused.stderr
    assert receiver.got == []
