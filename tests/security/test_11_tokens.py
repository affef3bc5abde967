"""Family 11, Jupyter CVE-2022-24757 and 2022-29241, JupyterHub CVE-2020-36191: where tokens turn
up that nobody meant to keep."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.security.wire import fill, operations

if TYPE_CHECKING:
    from tests.e2e.deck import Deck
    from tests.security.wire import Address

GUESSED = "guessed-token-0123456789abcdef"


@pytest.mark.parametrize("name", ["token", "access_token", "api_key", "key", "auth", "jwt", "t"])
def test_a_token_in_the_address_or_in_a_cookie_lets_nobody_in(server: Address, name: str) -> None:
    assert server.ask(f"/v1/server?{name}={server.token}", token="").status == 401
    cookie = ("Cookie", f"{name}={server.token}")
    assert server.ask("/v1/server", token="", headers=[cookie]).status == 401
    header = (f"X-{name.replace('_', '-')}", server.token)
    assert server.ask("/v1/server", token="", headers=[header]).status == 401
    basic = ("Authorization", f"Basic {server.token}")
    assert server.ask("/v1/server", token="", headers=[basic]).status == 401


def test_no_answer_repeats_a_token(server: Address) -> None:
    for method, path in operations():
        if path in ("/v1/events", "/v1/server/shutdown"):
            continue
        for token in (server.token, GUESSED):
            reply = server.ask(fill(path), method, token=token, body=b"{" * (method == "POST"))
            assert token.encode() not in reply.body
            assert token not in str(reply.headers)


def test_errors_leave_no_token_in_the_servers_log(deck: Deck, server: Address) -> None:
    bearer = b"Authorization: Bearer "
    token = server.token.encode()
    host = b"Host: 127.0.0.1\r\n"
    for broken in (
        b"GET /v1/server HTTP/1.1\r\n" + host + bearer + token + b"\r\nbroken line\r\n\r\n",
        b"GET /" + token + b" HTTP/9.9\r\n\r\n",
        b"GET /v1/server?token=" + token + b" HTTP/1.1\r\n" + host + b"\r\n",
        b"POST /v1/jobs HTTP/1.1\r\n" + host + bearer + token + b"\r\nContent-Length: x\r\n\r\n",
        bearer + token + b"\r\n\r\n",
    ):
        reply = server.say(broken)
        assert reply.status in (400, 401, 403), reply
        assert token not in reply.body
    server.ask("/v1/server", token=GUESSED)
    server.ask(f"/{server.token}")
    assert server.token not in deck.server_log()
    assert GUESSED not in deck.server_log()


def test_no_process_shows_a_token(deck: Deck, server: Address) -> None:
    job_id = deck.run("env; cat /proc/self/cmdline; exec sleep 600")
    from tests.e2e.deck import until

    until(lambda: b"QD_JOB_ID" in server.ask(f"/v1/jobs/{job_id}/logs").body)
    token = server.token.encode()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                shown = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            assert token not in shown, shown
    assert deck.processes_of(job_id)
    for pid, _ in deck.processes_of(job_id):
        assert token not in Path(f"/proc/{pid}/environ").read_bytes()
    assert token not in server.ask(f"/v1/jobs/{job_id}/logs").body
    server.ask(f"/v1/jobs/{job_id}/cancel", "POST")


def test_what_is_collected_for_support_has_no_token(
    deck: Deck, server: Address, tmp_path: Path
) -> None:
    done = deck.qd("support-bundle", "-o", str(tmp_path / "bundle.tar.gz"))
    assert done.returncode == 0, done.stderr
    import tarfile

    with tarfile.open(tmp_path / "bundle.tar.gz") as bundle:
        for member in bundle.getmembers():
            stream = bundle.extractfile(member)
            assert stream is None or server.token.encode() not in stream.read(), member.name


def test_nothing_redirects(server: Address) -> None:
    """Jupyter CVE-2023-39968: so no redirect leads elsewhere, and none takes a token along."""
    for path in ("//evil.example", "/v1/jobs/", "/v1//jobs", "/%2f%2fevil.example", "/\\evil"):
        reply = server.ask(path)
        assert reply.status == 404
        assert "location" not in reply.headers
    made = server.ask("/v1/jobs", "POST", body=json.dumps({"run": "true"}).encode())
    assert made.headers["location"].startswith("/v1/jobs/j")
