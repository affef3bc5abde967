"""Family 16: a worker's token is used for more than the worker is for, or by somebody else.

Every forged, stolen or late token gets the answer of a token that never was, to the byte.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from quarterdeck.adapters.identity.signed import LIFE_S
from quarterdeck.basics.ids import JobId
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.jobs.states import ReplicaState
from tests.security.acme import Acme

if TYPE_CHECKING:
    from collections.abc import Callable

    from quarterdeck.adapters.identity.signed import SignedTokens

HERE = "127.0.0.1"
SITE_PATHS = ("/v1/nodes", "/v1/jobs", "/v1/server", "/v1/whoami")


@pytest.fixture
def acme() -> Acme:
    return Acme()


def job_of(acme: Acme) -> JobId:
    return JobId(acme.jobs["runner", "red"])


def claims_of(token: str) -> dict[str, Any]:
    body = token.removeprefix("qdr_").partition(".")[0]
    told: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return told


def encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def forge(token: str, key: bytes = b"", **changes: Any) -> str:
    """The token with other claims: signed with a key of one's own, or with its old signature."""
    body = encode(json.dumps({**claims_of(token), **changes}).encode())
    signature = token.partition(".")[2]
    if key:
        signature = encode(hmac.new(key, f"qdr_{body}".encode(), hashlib.sha256).digest())
    return f"qdr_{body}.{signature}"


def refused_like_nonsense(acme: Acme, token: str, path: str) -> None:
    reply, nonsense = acme.ask(token, "GET", path), acme.ask("qdr_nonsense", "GET", path)
    assert (reply.status, reply.body) == (401, nonsense.body)
    assert reply.problem["code"] == "unknown_token"


def test_the_token_itself_is_good(acme: Acme) -> None:
    token, job_id = acme.asker("runner").token, job_of(acme)
    assert acme.ask(token, "GET", f"/v1/jobs/{job_id}").status == 200
    assert set(claims_of(token)) == {"kind", "job", "att", "src", "aud", "iat", "exp"}


FORGERIES: dict[str, dict[str, Any]] = {
    "another job": {"job": "j000000001"},
    "another attempt": {"att": 2},
    "a longer life": {"exp": 2**40},
    "another server": {"aud": "elsewhere"},
    "another address": {"src": "192.0.2.7"},
    "another kind": {"kind": "agent", "site": "local"},
    "an owner": {"kind": "user", "sub": "owner", "role": "owner"},
    "an algorithm": {"alg": "none"},
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_runners_token_with_another_claim_is_none(acme: Acme, name: str) -> None:
    token = acme.asker("runner").token
    for key in (b"", b"a key of one's own", b"\0" * 32):
        refused_like_nonsense(acme, forge(token, key, **FORGERIES[name]), "/v1/whoami")


def test_a_token_without_its_signature_or_with_half_of_it_is_none(acme: Acme) -> None:
    token = acme.asker("runner").token
    body, _, signature = token.partition(".")
    for wrong in (body, f"{body}.", f"{body}.{signature[:-1]}", f"{body}.{signature}x", token + "=",
                  f"{body}.{signature}.{signature}", token.removeprefix("qdr_"), token.upper(),
                  f"{body}.{encode(b'')}", f"{body}.{encode(bytes(32))}"):  # fmt: skip
        refused_like_nonsense(acme, wrong, "/v1/whoami")


SIGNERS: dict[str, Callable[[SignedTokens], SignedTokens]] = {
    "with another home's key": lambda ours: replace(ours, key=b"o" * 32),
    "for another server": lambda ours: replace(ours, audience="elsewhere"),
}


@pytest.mark.parametrize("name", SIGNERS)
def test_what_another_server_signed_is_none(acme: Acme, name: str) -> None:
    other = SIGNERS[name](acme.house.signed)
    refused_like_nonsense(acme, other.sign_for_attempt(job_of(acme), 1, HERE), "/v1/whoami")
    refused_like_nonsense(acme, other.sign_for_site("local", HERE), "/v1/nodes")


def test_a_token_replayed_from_another_node_is_none(acme: Acme) -> None:
    for address in ("192.0.2.7", "127.0.0.2", "::1", "", "127.0.0.1 "):
        stolen = acme.house.signed.sign_for_attempt(job_of(acme), 1, address)
        refused_like_nonsense(acme, stolen, f"/v1/jobs/{job_of(acme)}")
        refused_like_nonsense(acme, acme.house.signed.sign_for_site("local", address), "/v1/nodes")


def test_a_token_is_none_once_its_time_or_its_attempt_is_over(acme: Acme) -> None:
    job_id, signed, clock = job_of(acme), acme.house.signed, acme.house.plane.clock
    path = f"/v1/jobs/{job_id}"
    agent, runner = acme.asker("agent").token, acme.asker("runner").token
    late = type("Later", (), {"now_ns": lambda _: clock.now_ns() - (LIFE_S + 1) * NS_PER_S})()
    old = replace(signed, clock=late)
    refused_like_nonsense(acme, old.sign_for_attempt(job_id, 1, HERE), path)
    refused_like_nonsense(acme, old.sign_for_site("local", HERE), "/v1/nodes")
    early = type("Early", (), {"now_ns": lambda _: clock.now_ns() + 3600 * NS_PER_S})()
    refused_like_nonsense(acme, replace(signed, clock=early).sign_for_site("local", HERE), path)
    assert acme.ask(runner, "GET", path).status == 200
    acme.house.see(job_id, ReplicaState.EXITED, 0)
    acme.house.place()  # whoever writes to the log wakes the scheduler, and that reads it
    refused_like_nonsense(acme, runner, path)
    assert acme.ask(agent, "GET", "/v1/nodes").status == 200


def test_a_runner_reaches_nothing_but_its_own_job(acme: Acme) -> None:
    token, others = acme.asker("runner").token, sorted(set(acme.jobs.values()) - {job_of(acme)})
    for job_id in others:
        for tail in ("", "/logs", "/results", "/request", "/metrics", "/results/0/x"):
            assert acme.ask(token, "GET", f"/v1/jobs/{job_id}{tail}").status in (403, 404)
    listed = acme.ask(token, "GET", "/v1/jobs").body.decode()
    assert job_of(acme) in listed
    assert not any(job_id in listed for job_id in others)


def test_an_agent_reaches_nothing_but_its_own_site(acme: Acme) -> None:
    elsewhere = acme.house.signed.sign_for_site("elsewhere", HERE)
    assert json.loads(acme.ask(elsewhere, "GET", "/v1/nodes").body) == {"nodes": []}
    for path in ("/v1/jobs", "/v1/users", "/v1/audit", "/v1/webhooks", "/v1/tokens"):
        assert acme.ask(elsewhere, "GET", path).status == 403
