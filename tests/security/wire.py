"""Requests as an attacker writes them: byte by byte, with nothing put right on the way."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from tests.integration.api.house import make_house

if TYPE_CHECKING:
    from collections.abc import Iterable

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
PROBES = {("GET", "/healthz"), ("GET", "/readyz")}
CODE_DOORS = {("POST", "/v1/claim"), ("POST", "/v1/invitations/accept")}
"""Open to who has no token yet: what they ask for is a code."""


@dataclass(frozen=True)
class Reply:
    """One answer. `problem` is its code, where it is a problem document."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> str:
        found = re.search(rb'"code":"([a-z_]+)"', self.body)
        is_problem = self.headers.get("content-type") == "application/problem+json"
        return found[1].decode() if found and is_problem else ""


@dataclass(frozen=True)
class Address:
    """A server and the token that it knows."""

    port: int
    token: str

    def ask(
        self,
        target: str | bytes,
        method: str = "GET",
        *,
        token: str | None = None,
        headers: Iterable[tuple[str, str | bytes]] = (),
        body: bytes = b"",
        host: str | None = "127.0.0.1",
    ) -> Reply:
        """Ask on a connection of its own. `token` "" sends none; None the right one."""
        lines = [method.encode() + b" " + _bytes(target) + b" HTTP/1.1"]
        if host is not None:
            lines.append(b"Host: " + host.encode("latin-1"))
        shown = self.token if token is None else token
        if shown:
            lines.append(b"Authorization: Bearer " + shown.encode("latin-1"))
        lines += [name.encode() + b": " + _bytes(value) for name, value in headers]
        if body:
            lines += [b"Content-Type: application/json", b"Content-Length: %d" % len(body)]
        lines += [b"Connection: close", b"", body]
        return self.say(b"\r\n".join(lines), method=method)

    def say(self, data: bytes, *, method: str = "GET", within_s: float = 20.0) -> Reply:
        """Send bytes, read until the other side closes."""
        with socket.create_connection(("127.0.0.1", self.port), within_s) as line:
            line.sendall(data)
            return read_reply(line, method)


def read_reply(line: socket.socket, method: str = "GET") -> Reply:
    """What comes until the other side closes, of a stream its beginning; status 0 for nothing."""
    received = b""
    while piece := line.recv(65536):
        received += piece
        head, is_whole, body = received.partition(b"\r\n\r\n")
        if is_whole and b"text/event-stream" in head:
            break
        if is_whole and method != "HEAD":
            length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
            if length and len(body) >= int(length[1]):
                break
    head, _, body = received.partition(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").split("\r\n")
    told = dict(one.split(": ", 1) for one in rest)
    status = int(first.split(" ")[1]) if first else 0
    return Reply(status, {name.lower(): value for name, value in told.items()}, body)


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document of this version."""
    return make_house().app.openapi()


def operations() -> list[tuple[str, str]]:
    """Every method and path that the API serves, with its place holders."""
    return sorted(
        (method.upper(), path)
        for path, described in document()["paths"].items()
        for method in described
    )


def fill(path: str, text: str = "j000000001") -> str:
    """The path with something in its place holders."""
    path = path.replace("{node_rank}", "0").replace("{digest}", "0" * 64)
    return re.sub(r"\{[^}]*\}", lambda _: text, path)


def paths() -> list[str]:
    """Every path, filled."""
    return sorted({fill(path) for _, path in operations()} | {"/openapi.json"})


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1")
