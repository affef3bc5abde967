"""Family 19, bombs and slow clients: a little that costs the server a lot, or keeps it waiting."""

from __future__ import annotations

import gzip
import json
import socket
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from tests.e2e.deck import Deck, until
from tests.security.conftest import address_of
from tests.security.wire import Address, document, read_reply

if TYPE_CHECKING:
    from collections.abc import Iterator

TIGHT = {
    "header-seconds": 0.6, "body-seconds": 0.6, "idle-seconds": 1, "reader-seconds": 1,
    "connections": 12, "streams": 4, "streams-per-person": 3,
    "refusals-burst": 10, "refusals-per-minute": 600,
}  # fmt: skip
HOST = b"Host: 127.0.0.1\r\n"


@pytest.fixture(scope="module")
def tight(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    """A server with limits that are quickly met."""
    deck = Deck(tmp_path_factory.mktemp("tight") / "home")
    limits = [word for name, value in TIGHT.items() for word in ("--limit", f"{name}={value}")]
    try:
        deck.up("--pretend", "dgx-a100:1", *limits)
        yield address_of(deck)
    finally:
        deck.end()


def bearer(server: Address) -> bytes:
    return HOST + b"Authorization: Bearer " + server.token.encode() + b"\r\n"


def drip(server: Address, *pieces: bytes, every_s: float = 0.1) -> tuple[int, str, float]:
    """Send piece by piece until the server has enough of it: its answer, and after how long."""
    began_s = monotonic()
    with socket.create_connection(("127.0.0.1", server.port), 20) as line:
        line.settimeout(every_s)
        for piece in pieces:
            try:
                line.sendall(piece)
                if line.recv(1, socket.MSG_PEEK):
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        line.settimeout(20)
        try:
            reply = read_reply(line)
        except ConnectionError:
            return 0, "", monotonic() - began_s
    return reply.status, reply.problem, monotonic() - began_s


def test_slowloris_a_header_that_never_ends_is_given_up(tight: Address) -> None:
    drops = [b"X-%d: y\r\n" % number for number in range(100)]
    status, code, took_s = drip(tight, b"GET /v1/server HTTP/1.1\r\n", *drops)
    assert (status, code) == (408, "header_too_slow")
    assert 0.5 < took_s < 3


def test_slowloris_a_first_line_byte_by_byte_is_given_up(tight: Address) -> None:
    letters = [b"%c" % byte for byte in b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"]
    assert drip(tight, *letters)[:2] == (408, "header_too_slow")


def test_slowloris_a_second_request_has_no_more_time_than_the_first(tight: Address) -> None:
    with socket.create_connection(("127.0.0.1", tight.port), 20) as line:
        line.sendall(b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n")
        assert b"200 OK" in line.recv(65536)
        line.sendall(b"GET /healthz HT")
        reply = read_reply(line)
    assert reply.problem == "header_too_slow"


def test_slowloris_somebody_who_says_nothing_is_let_go(tight: Address) -> None:
    status, _, took_s = drip(tight)
    assert status == 0
    assert took_s < 3


def test_an_idle_connection_is_closed(tight: Address) -> None:
    with socket.create_connection(("127.0.0.1", tight.port), 20) as line:
        line.sendall(b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n")
        began_s = monotonic()
        while line.recv(65536):
            pass
    assert 0.5 < monotonic() - began_s < 5


def test_rudy_a_body_that_never_ends_is_given_up(tight: Address) -> None:
    head = b"POST /v1/jobs HTTP/1.1\r\n" + bearer(tight) + b"Content-Length: 1000\r\n\r\n"
    status, code, took_s = drip(tight, head, *[b"x"] * 100)
    assert (status, code) == (408, "body_too_slow")
    assert 0.5 < took_s < 3


def test_rudy_a_chunked_upload_that_never_ends_is_given_up(tight: Address) -> None:
    head = b"PUT /v1/blobs/%s HTTP/1.1\r\n" % (b"0" * 64) + bearer(tight)
    pieces = [b"1\r\nx\r\n"] * 100
    status, code, _ = drip(tight, head + b"Transfer-Encoding: chunked\r\n\r\n", *pieces)
    assert (status, code) == (408, "body_too_slow")


def test_a_body_that_nobody_reads_does_not_hold_the_connection(tight: Address) -> None:
    """A stranger's body is never asked for, and may not drip in for ever either."""
    began_s = monotonic()
    with socket.create_connection(("127.0.0.1", tight.port), 20) as line:
        line.sendall(b"POST /v1/jobs HTTP/1.1\r\n" + HOST + b"Content-Length: 1000\r\n\r\n")
        line.settimeout(0.1)
        while monotonic() - began_s < 10:
            try:
                line.sendall(b"x")
                if not line.recv(65536):
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
    assert monotonic() - began_s < 4


def test_a_client_that_does_not_read_is_let_go(tight: Address) -> None:
    """It asks for megabytes, and takes none of them."""
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.connect(("127.0.0.1", tight.port))
        line.settimeout(20)
        asked = b"GET /openapi.json HTTP/1.1\r\n" + bearer(tight) + b"\r\n"
        line.sendall(asked * 100)
        until(lambda: _is_reset(line), within_s=15)


def _is_reset(line: socket.socket) -> bool:
    return line.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0


def test_more_connections_than_may_be_are_told_so(tight: Address) -> None:
    lines = [socket.create_connection(("127.0.0.1", tight.port), 20) for _ in range(12)]
    try:
        until(lambda: tight.ask("/healthz").status == 503, within_s=5)
        reply = tight.ask("/healthz")
        assert reply.problem == "too_many_connections"
        assert reply.headers["retry-after"] == "1"
        assert reply.headers["connection"] == "close"
    finally:
        for line in lines:
            line.close()
    until(lambda: tight.ask("/healthz").status == 200, within_s=5)


def test_more_streams_than_may_be_are_told_so(tight: Address) -> None:
    lines = []
    asked = b"GET /v1/events HTTP/1.1\r\n" + bearer(tight) + b"\r\n"
    try:
        for _ in range(3):
            line = socket.create_connection(("127.0.0.1", tight.port), 20)
            lines.append(line)
            line.sendall(asked)
            assert b"200 OK" in line.recv(4096)
        for target in ("/v1/events", "/v1/jobs/j000000001?wait_s=5"):
            reply = tight.ask(target)
            assert (reply.status, reply.problem) == (429, "too_many_streams")
            assert int(reply.headers["retry-after"]) > 0
        assert tight.ask("/v1/server").status == 200
    finally:
        for line in lines:
            line.close()
    until(lambda: tight.ask("/v1/jobs/j000000001?wait_s=5").status == 404, within_s=5)


def test_guessing_tokens_is_slowed_and_the_right_one_goes_on(tight: Address) -> None:
    replies = [tight.ask("/v1/server", token=f"guess-{number}") for number in range(40)]
    statuses = {reply.status for reply in replies}
    assert statuses == {401, 429}
    late = next(reply for reply in replies if reply.status == 429)
    assert late.problem == "too_many_requests"
    assert int(late.headers["retry-after"]) >= 1
    assert late.headers["connection"] == "close"
    assert tight.ask("/v1/server").status == 200


def deep(opening: str, closing: str, depth: int) -> bytes:
    return (opening * depth + "1" + closing * depth).encode()


@pytest.mark.parametrize("depth", [33, 1000, 100_000, 2_000_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")])
def test_json_bomb_deep_bodies_are_refused_before_they_are_parsed(
    server: Address, depth: int, opening: str, closing: str
) -> None:
    bomb = deep(opening, closing, depth)
    for body in (bomb, b'{"run": ' + bomb + b"}", opening.encode() * depth,
                 b'{"run": "\\"[[", "x": ' + bomb + b"}"):  # fmt: skip
        if len(body) > 15 * 2**20:
            continue
        began_s = monotonic()
        reply = server.ask("/v1/jobs", "POST", body=body)
        assert reply.problem == "body_too_deep", reply
        assert monotonic() - began_s < 5


def test_json_brackets_in_texts_are_no_depth(server: Address) -> None:
    body = json.dumps({"run": ["true", "[" * 500, '"' + "{" * 500, "\\"]}).encode()
    assert server.ask("/v1/plans", "POST", body=body).status == 200


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/plans", "/v1/batches", "/v1/snapshots"])
def test_json_bomb_no_route_with_a_body_is_left_out(server: Address, path: str) -> None:
    bodies = {
        path for path, one in document()["paths"].items() if "requestBody" in one.get("post", {})
    }
    assert path in bodies
    for other in bodies:
        target = other.replace("{job_id}", "j000000001").replace("{webhook_id}", "x")
        reply = server.ask(target, "POST", body=deep("[", "]", 40))
        assert reply.problem == "body_too_deep", (other, reply)


def test_archive_bomb_a_packed_body_is_not_unpacked(server: Address) -> None:
    packed = gzip.compress(b'{"run": "' + b"x" * 10_000_000 + b'"}')
    headers = [("Content-Encoding", "gzip")]
    reply = server.ask("/v1/jobs", "POST", headers=headers, body=packed)
    assert reply.status in (400, 415), reply


@pytest.mark.parametrize(
    ("path", "size"),
    [("/v1/jobs", 2**24 + 1), ("/v1/snapshots", 2**26 + 1), ("/v1/jobs", 2**70),
     ("/v1/webhooks", 2**40), ("/v1/gc", 2**40), ("/v1/blobs/" + "0" * 64, 2**50)],
)  # fmt: skip
def test_a_body_that_is_announced_too_large_is_refused_unread(
    server: Address, path: str, size: int
) -> None:
    method = "PUT" if "blobs" in path else "POST"
    reply = server.ask(path, method, headers=[("Content-Length", str(size))])
    assert reply.problem in ("body_too_large", "unreadable_request"), reply
    assert size == 2**70 or reply.problem == "body_too_large"


def test_a_body_that_grows_too_large_is_refused_at_the_first_byte_too_many(
    server: Address,
) -> None:
    head = b"POST /v1/jobs HTTP/1.1\r\n" + bearer(server) + b"Transfer-Encoding: chunked\r\n\r\n"
    chunk = b"100000\r\n" + b" " * 2**20 + b"\r\n"
    with socket.create_connection(("127.0.0.1", server.port), 20) as line:
        line.sendall(head)
        with pytest.raises(ConnectionError):
            line.sendall(chunk * 64)


def test_regex_bomb_a_search_is_for_a_text_as_it_is(server: Address, job_id: str) -> None:
    for pattern in ("(a%2B)%2B%24", "(.*)*x", "%28%28%28"):
        began_s = monotonic()
        reply = server.ask(f"/v1/jobs/{job_id}/logs?contains={pattern}")
        assert (reply.status, reply.body) == (200, b"")
        assert monotonic() - began_s < 2


@pytest.mark.parametrize(
    ("target", "headers", "code"),
    [
        ("/v1/jobs?name=" + "a" * 9000, [], "url_too_long"),
        ("/" + "a" * 9000, [], "url_too_long"),
        ("/v1/jobs?" + "&".join(["state=queued"] * 300), [], "too_many_parameters"),
        ("/v1/jobs", [("X-A", "b")] * 101, "headers_too_large"),
        ("/v1/jobs", [("X-A", "b" * 33_000)], "headers_too_large"),
        ("/v1/jobs", [("X-A", "b" * 70_000)], "headers_too_large"),
    ],
    ids=["query", "path", "parameters", "headers", "large header", "larger header"],
)
def test_what_is_long_without_need_is_refused(
    server: Address, target: str, headers: list[tuple[str, str]], code: str
) -> None:
    assert server.ask(target, headers=headers).problem == code


SMUGGLED = b"GET /v1/smuggled HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        b"Content-Length: 4\r\nContent-Length: 5\r\n",
        b"Content-Length: 4, 5\r\n",
        b"Content-Length: +4\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 0x4\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"Transfer-Encoding:\x0bchunked\r\n",
    ],
)
def test_a_request_says_in_one_way_where_it_ends(server: Address, framing: bytes) -> None:
    data = b"POST /v1/jobs HTTP/1.1\r\n" + bearer(server) + framing + b"\r\n0\r\n\r\n" + SMUGGLED
    reply = server.say(data)
    assert reply.status in (400, 501), reply
    assert reply.problem in ("ambiguous_request", "unreadable_request")
    assert b"smuggled" not in reply.body


def test_two_tokens_are_refused(server: Address) -> None:
    wrong = ("Authorization", "Bearer wrong")
    assert server.ask("/v1/server", headers=[wrong]).status == 401


LISTS = {
    path: {one["name"]: one["schema"] for one in described["get"].get("parameters", ())}
    for path, described in document()["paths"].items()
    if "get" in described and described["get"]["operationId"].startswith(("list_", "show_queue"))
}
WITHOUT_PAGES = {
    "/v1/jobs/{job_id}/results": "at most FILES_MAX, and says whether that is all",
    "/v1/sites": "a row for each file of the server's own home",
    "/v1/pools": "a row for each team that is guaranteed or holds something",
    "/v1/webhooks": "there are never more than a few: too_many_webhooks",
    "/v1/progress": "at most JOBS_MAX",
    "/v1/teams/{team}/members": "a team is shown whole; as many as there are people",
    "/v1/invitations": "at most INVITATIONS_MAX, and each of them expires",
}


def test_every_list_has_a_largest_page(server: Address) -> None:
    assert len(LISTS) >= 6
    for path, parameters in LISTS.items():
        if path in WITHOUT_PAGES:
            continue
        most = parameters["limit"]["maximum"]
        target = path.replace("{job_id}", "j000000001")
        for wrong in (most + 1, 0, -1, 2**63, "1e3", "NaN", ""):
            assert server.ask(f"{target}?limit={wrong}").status == 422, (path, wrong)
