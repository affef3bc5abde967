"""Nobody gets in without being known, on any path and by any method."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from quarterdeck.api.access import routes_of

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

    from tests.integration.api.house import House

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")
PROBES = {("GET", "/healthz"), ("GET", "/readyz")}
UNKNOWN = (
    "/", "/v1", "/v2/jobs", "/docs", "/redoc", "/healthz/", "/HEALTHZ", "//healthz", "/a/../b",
)  # fmt: skip


def paths_of(house: House) -> list[str]:
    """Every path that answers, with something in its place holders, and some that do not."""
    document = house.app.openapi()
    routed = {route.path or "" for route in routes_of(house.app)}
    paths = sorted(routed | set(document["paths"]) | {"/openapi.json"})
    assert len(paths) >= 18
    return [re.sub(r"\{[^}]*\}", "x", path) for path in paths] + list(UNKNOWN)


CODE_DOORS = {("POST", "/v1/invitations/accept"), ("POST", "/v1/claim")}
"""Through these come those who have a code and no token yet."""


def test_every_path_and_method_but_the_open_ones_needs_a_token(
    house: House, stranger: TestClient
) -> None:
    for path in paths_of(house):
        for method in METHODS:
            answer = stranger.request(method, path)
            if (method, path) in PROBES:
                assert answer.status_code == 200
                continue
            if (method, path) in CODE_DOORS:
                assert answer.status_code == 422, "a body is missing, and nothing else was wrong"
                continue
            assert answer.status_code == 401, (method, path)
            assert answer.headers["www-authenticate"] == "Bearer"
            if method != "HEAD":
                assert answer.headers["content-type"] == "application/problem+json"
                assert answer.json()["code"] == "no_token"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "",
        "localhost:",
        "[::1",
        "10.0.0.1",
        "user@localhost",
        "localhost:8:1",
        "0.0.0.0",
    ],
)
def test_a_foreign_host_is_refused_everywhere(house: House, client: TestClient, host: str) -> None:
    for path in paths_of(house):
        for method in METHODS:
            answer = client.request(method, path, headers={"Host": host})
            assert answer.status_code == 403, (method, path)
            if method != "HEAD":
                assert answer.json()["code"] == "bad_host"


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "https://localhost.evil.example",
        "file://",
        "http://127.0.0.1@evil.example",
        "localhost",
    ],
)
def test_a_foreign_origin_is_refused_everywhere(
    house: House, client: TestClient, origin: str
) -> None:
    for path in paths_of(house):
        for method in METHODS:
            answer = client.request(method, path, headers={"Origin": origin})
            assert answer.status_code == 403, (method, path)
            if method != "HEAD":
                assert answer.json()["code"] == "bad_origin"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:8000",
        "LOCALHOST",
        "localhost:1",
        "[::1]",
        "[::1]:8000",
        "127.8.9.1",
        "deck.example.org",
        "Deck.Example.org:443",
    ],
)
def test_own_names_are_let_in_as_host_and_as_origin(client: TestClient, host: str) -> None:
    for scheme in ("http", "https"):
        headers = {"Host": host, "Origin": f"{scheme}://{host}"}
        assert client.get("/v1/server", headers=headers).status_code == 200


def test_two_host_headers_are_refused(client: TestClient) -> None:
    headers = [("Host", "localhost"), ("Host", "evil.example")]
    assert client.get("/healthz", headers=headers).status_code == 403


@pytest.mark.parametrize(
    "credentials",
    [
        "Bearer wrong",
        "Bearer ",
        "Bearer",
        "Basic dXNlcjpwdw==",
        "t0ken-of-this-home",
        "Bearer t0ken-of-this-hom\xe9",
    ],
)
def test_a_wrong_token_is_refused(stranger: TestClient, credentials: str) -> None:
    headers = [(b"Authorization", credentials.encode("latin-1"))]
    answer = stranger.get("/v1/server", headers=headers)
    assert answer.status_code == 401
    assert answer.json()["code"] in {"unknown_token", "no_token"}


def test_a_token_in_the_address_counts_for_nothing(stranger: TestClient) -> None:
    for name in ("token", "access_token", "authorization"):
        answer = stranger.get("/v1/server", params={name: "t0ken-of-this-home"})
        assert answer.status_code == 401


def test_two_tokens_are_refused(client: TestClient, stranger: TestClient) -> None:
    right = client.headers["Authorization"]
    headers = [("Authorization", right), ("Authorization", "Bearer wrong")]
    assert stranger.get("/v1/server", headers=headers).status_code == 401


def test_the_right_token_names_its_owner(client: TestClient) -> None:
    assert client.get("/v1/server").json() == {
        "version": "0.1.0",
        "pid": 4711,
        "home_id": "h0me",
        "started_at": "2023-11-14T22:13:20.000000Z",
        "actor": "ada",
        "last_event": 1,
    }


def test_web_sockets_are_closed_before_they_open(client: TestClient) -> None:
    from starlette.websockets import WebSocketDisconnect

    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/v1/events"):
        pass
