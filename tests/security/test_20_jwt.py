"""Family 20, tokens that talk: `alg: none`, a `kid` that is a path, a key that comes along. Tokens
of this server say nothing, so each of these is one that is not known."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.security.wire import CODE_DOORS, PROBES, fill, operations

if TYPE_CHECKING:
    from tests.security.wire import Address

CLAIMS: dict[str, Any] = {
    "sub": "owner",
    "aud": "quarterdeck",
    "exp": 9_999_999_999,
    "role": "owner",
}
HEADERS: dict[str, dict[str, Any]] = {
    "alg none": {"alg": "none"},
    "alg None": {"alg": "nOnE"},
    "no alg": {},
    "kid is a path": {"alg": "HS256", "kid": "../../../../../../dev/null"},
    "kid is a query": {"alg": "HS256", "kid": "x' UNION SELECT 'key"},
    "kid is a command": {"alg": "HS256", "kid": "|/bin/id"},
    "key of its own": {"alg": "HS256", "jwk": {"kty": "oct", "k": "AA"}},
    "key from elsewhere": {"alg": "RS256", "jku": "http://127.0.0.1:1/keys"},
    "certificate from elsewhere": {"alg": "RS256", "x5u": "http://127.0.0.1:1/cert"},
    "empty key": {"alg": "HS256", "kid": ""},
    "type of something else": {"alg": "HS256", "typ": "at+jwt", "crit": ["exp"]},
}


def encode(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def sign(text: str, key: bytes) -> str:
    digest = hmac.new(key, text.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@pytest.mark.parametrize("head", HEADERS.values(), ids=HEADERS.keys())
def test_a_token_that_looks_like_a_jwt_is_an_unknown_token(
    server: Address, head: dict[str, Any]
) -> None:
    for claims in (CLAIMS, {**CLAIMS, "exp": 1}, {**CLAIMS, "nbf": 9_999_999_999}, {}):
        text = f"{encode(head)}.{encode(claims)}"
        for token in (f"{text}.", text, f"{text}.{sign(text, b'')}", f"{text}.{sign(text, b'key')}",
                      f"{text}.{sign(text, server.token.encode())}"):  # fmt: skip
            reply = server.ask("/v1/server", token=token)
            assert (reply.status, reply.problem) == (401, "unknown_token")


@pytest.mark.parametrize(("method", "path"), operations())
def test_a_jwt_opens_no_route(server: Address, method: str, path: str) -> None:
    token = f"{encode({'alg': 'none'})}.{encode(CLAIMS)}."
    if (method, path) not in PROBES | CODE_DOORS:
        assert server.ask(fill(path), method, token=token).status == 401


def test_a_jwt_is_no_code(server: Address) -> None:
    token = f"{encode({'alg': 'none'})}.{encode(CLAIMS)}."
    body = json.dumps({"code": token, "name": "eve"}).encode()
    assert server.ask("/v1/invitations/accept", "POST", body=body).problem == "unknown_code"
    assert server.ask("/v1/claim", "POST", body=body).problem == "nothing_to_claim"


@pytest.mark.parametrize(
    "token",
    ["null", "undefined", "true", "0", "[]", "{}", "*", "%", "' OR 1=1 --", "a" * 8000, "\xe9",
     "..", "admin", "Bearer x", "x y", "x,y"],
)  # fmt: skip
def test_nonsense_is_an_unknown_token(server: Address, token: str) -> None:
    reply = server.ask("/v1/server", token=token)
    assert (reply.status, reply.problem) == (401, "unknown_token")


def test_a_token_that_is_nearly_right_is_wrong(server: Address) -> None:
    right = server.token
    for token in (right[:-1], right + "0", right.upper() + "x", right[1:], right * 2,
                  right[:-1] + chr(ord(right[-1]) ^ 1), right + "\x00"):  # fmt: skip
        assert server.ask("/v1/server", token=token).status in (400, 401)
