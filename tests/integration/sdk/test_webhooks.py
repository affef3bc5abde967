"""A receiver knows what is genuine; both clients ask for what the API has."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from quarterdeck.basics.errors import Invalid, NotAllowed, NotFound
from quarterdeck.basics.signatures import sign
from quarterdeck.sdk import AsyncClient, Client
from quarterdeck.sdk.webhooks import verify
from quarterdeck.wire.v1.webhooks import WebhookRequest
from tests.integration.sdk.scripted import TOKEN, Answer, Script, as_json, serving

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOW_S = 1_700_000_000
BODY = json.dumps({"type": "job.failed", "timestamp": "t", "data": {"id": "j1"}}).encode()
VIEW: dict[str, Any] = {
    "id": "w000000001", "url": "http://127.0.0.1/x", "states": ["failed"], "owner": "ada",
    "created_at": "2026-11-23T09:00:00.000000Z", "condition": "good", "last_success_at": None,
    "last_failure_at": None, "last_failure": "", "failing_since": None, "failures": 0, "backlog": 0,
}  # fmt: skip


def headers(**changes: str) -> dict[str, str]:
    made = {
        "Webhook-Id": "w1-7",
        "Webhook-Timestamp": str(NOW_S),
        "Webhook-Signature": sign(SECRET, "w1-7", NOW_S, BODY),
    }
    return made | {f"Webhook-{name.title()}": value for name, value in changes.items()}


def test_what_the_secrets_owner_signed_is_genuine() -> None:
    heard = verify(SECRET, headers(), BODY, now_s=NOW_S + 299)
    assert (heard.id, heard.type, heard.data) == ("w1-7", "job.failed", {"id": "j1"})


@pytest.mark.parametrize(
    ("changed", "body", "code"),
    [
        ({"id": "w1-8"}, BODY, "bad_signature"),
        ({"timestamp": str(NOW_S + 1)}, BODY, "bad_signature"),
        ({"timestamp": "soon"}, BODY, "bad_timestamp"),
        ({"timestamp": "-1"}, BODY, "bad_timestamp"),
        ({"timestamp": "٣"}, BODY, "bad_timestamp"),
        ({"signature": "v1,AAAA"}, BODY, "bad_signature"),
        ({"signature": ""}, BODY, "bad_signature"),
        ({}, BODY + b" ", "bad_signature"),
    ],
)
def test_what_was_tampered_with_is_refused(changed: dict[str, str], body: bytes, code: str) -> None:
    with pytest.raises(NotAllowed) as refused:
        verify(SECRET, headers(**changed), body, now_s=NOW_S)
    assert refused.value.code == code


@pytest.mark.parametrize("apart_s", [-301, 301, 86_400])
def test_what_was_signed_long_ago_or_in_the_future_is_refused(apart_s: float) -> None:
    with pytest.raises(NotAllowed, match="signed"):
        verify(SECRET, headers(), BODY, now_s=NOW_S + apart_s)
    verify(SECRET, headers(), BODY, tolerance_s=100_000, now_s=NOW_S + apart_s)


def test_a_request_without_a_signature_and_a_wrong_secret_are_told_apart() -> None:
    with pytest.raises(NotAllowed, match="webhook-id, webhook-timestamp, webhook-signature"):
        verify(SECRET, {}, BODY)
    with pytest.raises(Invalid):
        verify("hunter2", headers(), BODY)


def ask_all(url: str, *, is_async: bool) -> list[Any]:
    request = WebhookRequest(url="http://127.0.0.1/x", states=["failed"])
    if not is_async:
        with Client(url, TOKEN) as client:
            made, listed = client.add_webhook(request), client.list_webhooks()
            outcome = client.test_webhook("w000000001")
            client.remove_webhook("w000000001", dry_run=True)
            return [made, listed, outcome]

    async def ask() -> list[Any]:
        async with AsyncClient(url, TOKEN) as client:
            made, listed = await client.add_webhook(request), await client.list_webhooks()
            outcome = await client.test_webhook("w000000001")
            await client.remove_webhook("w000000001", dry_run=True)
            return [made, listed, outcome]

    return asyncio.run(ask())


@pytest.mark.parametrize("is_async", [False, True])
def test_clients_ask_for_what_the_api_has(is_async: bool) -> None:
    tested = {"delivered": True, "status": 204, "message": "answered 204"}
    answers = [
        as_json({**VIEW, "secret": SECRET}, 201),
        as_json({"webhooks": [VIEW]}),
        as_json(tested),
        Answer(204),
    ]
    with serving(Script(answers=answers)) as script:
        made, listed, outcome = ask_all(script.url, is_async=is_async)
    assert made.secret == SECRET
    assert listed.webhooks[0].id == VIEW["id"]
    assert outcome.delivered
    assert [(asked.method, asked.path) for asked in script.asked] == [
        ("POST", "/v1/webhooks"),
        ("GET", "/v1/webhooks"),
        ("POST", "/v1/webhooks/w000000001/test"),
        ("DELETE", "/v1/webhooks/w000000001?dry_run=true"),
    ]
    asked_for = {"url": "http://127.0.0.1/x", "states": ["failed"]}
    assert json.loads(script.asked[0].body) == asked_for


@pytest.mark.parametrize("webhook_id", ["", "..", "a/b", "a?b", "é"])
def test_what_cannot_be_an_id_is_not_sent(webhook_id: str) -> None:
    with Client("http://127.0.0.1:9", TOKEN) as client, pytest.raises(NotFound):
        client.remove_webhook(webhook_id)
