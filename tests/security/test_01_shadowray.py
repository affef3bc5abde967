"""Family 1, Ray's ShadowRay (CVE-2023-48022): a job API that runs commands for whoever asks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from quarterdeck.basics.errors import Refused
from quarterdeck.wiring.settings import Settings
from tests.security.wire import CODE_DOORS, METHODS, PROBES, fill, operations, paths

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.deck import Deck
    from tests.security.wire import Address

JOB = json.dumps({"run": "touch owned"}).encode()


@pytest.mark.parametrize("path", paths())
def test_shadowray_no_route_answers_without_a_token(server: Address, path: str) -> None:
    for method in METHODS:
        reply = server.ask(path, method, token="", body=JOB)
        if (method, path) in PROBES:
            assert reply.status == 200
            continue
        if (method, path) in CODE_DOORS:
            assert reply.status in (403, 404, 422), reply
            continue
        assert reply.status == 401, (method, reply)
        assert reply.headers["www-authenticate"] == "Bearer"
        assert method == "HEAD" or reply.problem == "no_token"


def test_shadowray_nothing_was_started_by_asking_without_a_token(
    deck: Deck, server: Address
) -> None:
    for method, path in operations():
        server.ask(fill(path), method, token="", body=JOB)
        server.ask(fill(path), method, token="wrong", body=JOB)
    listed = json.loads(server.ask("/v1/jobs").body)
    assert listed["jobs"] == []
    assert deck.runner_pids() == []


def test_shadowray_without_a_word_it_listens_on_loopback(tmp_path: Path) -> None:
    assert Settings(home=tmp_path).host == "127.0.0.1"
    assert Settings(home=tmp_path).is_loopback


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "deck.example.org", "", "0"])
def test_shadowray_another_address_without_tls_is_refused(tmp_path: Path, host: str) -> None:
    with pytest.raises(Refused) as caught:
        Settings(home=tmp_path, host=host)
    assert caught.value.code == "unsafe_listener"
    assert "--tls-cert" in caught.value.hint
