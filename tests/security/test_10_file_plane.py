"""Family 10, ClearML CVE-2024-24591 to 24595: the file server asks nobody who he is."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from tests.security.wire import fill, operations

if TYPE_CHECKING:
    from tests.e2e.deck import Deck
    from tests.security.wire import Address

FILES = [
    (method, path)
    for method, path in operations()
    if any(word in path for word in ("results", "logs", "blobs", "snapshots", "metrics"))
]


@pytest.mark.parametrize(("method", "path"), FILES)
@pytest.mark.parametrize("token", ["", "wrong"])
def test_the_file_plane_asks_for_the_same_token(
    server: Address, job_id: str, method: str, path: str, token: str
) -> None:
    target = fill(path.replace("{path}", "sub/out.txt"), job_id)
    body = b"x" * (method in ("PUT", "POST"))
    for headers in ([], [("Range", "bytes=1-")], [("Cookie", f"token={server.token}")]):
        reply = server.ask(target, method, token=token, headers=headers, body=body)
        assert reply.status == 401
        assert b"fine" not in reply.body


def test_the_file_plane_is_the_api_and_nothing_else_listens(deck: Deck) -> None:
    """See family 12 for every listener; here: the bytes lie where only the owner may look."""
    private = [deck.home, deck.home / "token", deck.home / "server.json"]
    for path in private:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode & 0o077 == 0, (path, oct(mode))


def test_no_secret_of_the_server_lies_anywhere_else_in_its_home(
    deck: Deck, server: Address, job_id: str
) -> None:
    holding = [
        path.relative_to(deck.home).as_posix()
        for path in deck.home.rglob("*")
        if path.is_file() and not path.is_fifo() and server.token.encode() in path.read_bytes()
    ]
    assert holding == ["token"]
