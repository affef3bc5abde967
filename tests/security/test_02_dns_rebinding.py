"""Family 2, Ray CVE-2025-62593: a page of any site reaches a server on loopback."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.security.wire import METHODS, paths

if TYPE_CHECKING:
    from tests.security.wire import Address

AGENTS = ("Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", "curl/8.5.0", "python-httpx/0.28", "")
"""The guard that was got round asked whether the client said that it is a browser."""
BROWSER = {
    "bad_host": [("Sec-Fetch-Site", "same-origin")],
    "bad_origin": [("Origin", "http://evil.example")],
    "cross_site": [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "no-cors")],
}


@pytest.mark.parametrize("path", paths())
@pytest.mark.parametrize("code", BROWSER)
def test_dns_rebinding_is_refused_on_every_verb(server: Address, path: str, code: str) -> None:
    host = "rebound.evil.example" if code == "bad_host" else "127.0.0.1"
    for number, method in enumerate(METHODS):
        agent = ("User-Agent", AGENTS[number % len(AGENTS)])
        reply = server.ask(path, method, headers=[agent, *BROWSER[code]], host=host)
        assert reply.status == 403, (method, reply)
        assert method == "HEAD" or reply.problem == code


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("site", ["cross-site", "same-site", "CROSS-SITE", "anything", ""])
def test_dns_rebinding_no_user_agent_makes_up_for_another_site(
    server: Address, agent: str, site: str
) -> None:
    headers = [("User-Agent", agent), ("Sec-Fetch-Site", site)]
    assert server.ask("/v1/server", headers=headers).problem == "cross_site"
    headers = [("Sec-Fetch-Site", "none"), *headers]
    assert server.ask("/v1/server", headers=headers).problem == "cross_site"


@pytest.mark.parametrize("site", ["same-origin", "none", "Same-Origin"])
def test_dns_rebinding_guard_lets_the_servers_own_pages_in(server: Address, site: str) -> None:
    headers = [("User-Agent", AGENTS[0]), ("Sec-Fetch-Site", site)]
    assert server.ask("/v1/server", headers=headers).status == 200


def test_dns_rebinding_loopback_itself_is_no_credential(server: Address) -> None:
    for host in ("127.0.0.1", "localhost", "[::1]"):
        assert server.ask("/v1/jobs", token="", host=host).status == 401


def test_dns_rebinding_two_hosts_or_none_are_refused(server: Address) -> None:
    assert server.ask("/healthz", headers=[("Host", "evil.example")]).status in (400, 403)
    assert server.ask("/healthz", host=None).status == 400
    assert server.say(b"GET /healthz HTTP/1.0\r\n\r\n").problem == "bad_host"
