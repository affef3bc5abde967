"""Family 18: limits that are raced past, or turned over by a number that no limit was meant for."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.security.acme import Acme, ask_app

NUMBERS: tuple[Any, ...] = (
    -1, 2**31, 2**63, 2**64, 10**30, 1e308, -1e308, 1.5, "1e308", "NaN", "Infinity", "-0", "1_0",
    "٣", True, None, [], {},
)  # fmt: skip
"""What is no count of anything. `NaN` and its like are no JSON; Python's reader takes them."""


@pytest.fixture(scope="module")
def acme() -> Acme:
    return Acme()


@pytest.mark.parametrize("number", NUMBERS, ids=repr)
@pytest.mark.parametrize("name", ["queued_jobs", "running_jobs", "device_hours_per_month"])
def test_no_number_turns_a_limit_over(acme: Acme, name: str, number: Any) -> None:
    body = {name: {"value": number}}
    reply = acme.ask(acme.asker("admin").token, "PUT", "/v1/teams/red/limits", "", body)
    assert reply.status == 422, reply
    shown = acme.ask(acme.asker("admin").token, "GET", "/v1/teams/red")
    assert json.loads(shown.body)["limits"][name] is None


@pytest.mark.parametrize("number", [*NUMBERS[:9], "NaN", "Infinity"], ids=repr)
@pytest.mark.parametrize("key", ["nodes", "resources"])
def test_no_number_asks_for_less_than_nothing(acme: Acme, key: str, number: Any) -> None:
    body = {"run": "true", "team": "red", key: {"gpu": number} if key == "resources" else number}
    reply = acme.ask(acme.asker("member").token, "POST", "/v1/jobs", "", body)
    assert reply.status == 422, reply


@pytest.mark.parametrize("text", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999"])
def test_numbers_that_json_does_not_have_are_refused(acme: Acme, text: bytes) -> None:
    body = b'{"run": "true", "team": "red", "nodes": ' + text + b"}"
    token = acme.asker("member").token
    reply = asyncio.run(ask_app(acme.house.app, token, "POST", "/v1/jobs", "", body))
    assert reply.status in (400, 422), reply


@pytest.mark.parametrize("span", ["-1d", "0", "1e9d", "999999999d", "NaN", "P1D", "1d2", "", "∞"])
def test_no_span_makes_a_token_that_never_ends(acme: Acme, span: str) -> None:
    body = {"expires": span}
    reply = acme.ask(acme.asker("member").token, "POST", "/v1/tokens", "", body)
    assert reply.status == 422, reply


def test_many_at_once_are_never_more_than_the_limit() -> None:
    """Through the whole API; tests/integration/store/test_limit_rush.py does it with two servers
    on one database, and the benchmark with 1,000 over 500 connections."""
    acme = Acme()
    limit = {"queued_jobs": {"value": 20}}
    assert (
        acme.ask(acme.asker("admin").token, "PUT", "/v1/teams/red/limits", "", limit).status == 200
    )
    token = acme.asker("member").token
    held = {"run": "true", "team": "red", "hold": True}
    with ThreadPoolExecutor(16) as pool:
        asked = [pool.submit(acme.ask, token, "POST", "/v1/jobs", "", held) for _ in range(200)]
    statuses = sorted(one.result().status for one in asked)
    assert statuses == [201] * 20 + [403] * 180
    whole = {"jobs": [held] * 2}
    assert acme.ask(token, "POST", "/v1/batches", "", whole).problem["code"] == "limit_reached"
