"""Family 3, Ray CVE-2026-27482: the guard looked at POST and PUT, and DELETE went through."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.security.wire import METHODS, fill, operations, paths

if TYPE_CHECKING:
    from tests.e2e.deck import Deck
    from tests.security.wire import Address

OVERRIDES = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-Method")
SERVED = {(method, fill(path)) for method, path in operations()}
SERVED |= {("GET", "/openapi.json"), ("HEAD", "/openapi.json")}


@pytest.mark.parametrize("path", paths())
def test_every_verb_that_is_not_served_is_refused_with_the_token_too(
    server: Address, path: str
) -> None:
    for method in (*METHODS, "BREW", "PROPFIND"):
        if (method, path) in SERVED:
            continue
        reply = server.ask(path, method, headers=[("X-Echo", "canary-of-trace")])
        assert reply.status in (404, 405), (method, reply)
        # `accept` is a name among invitations, too, and `reorder` one among jobs: what is not there
        # is neither deleted nor shown.
        refused = ("method_not_allowed", "no_such_path", "unknown_invitation", "not_found")
        assert method == "HEAD" or reply.problem in refused
        assert b"canary-of-trace" not in reply.body


def test_connect_is_refused(server: Address) -> None:
    for target in ("127.0.0.1:22", "http://127.0.0.1:22/", "evil.example:443"):
        assert server.ask(target, "CONNECT").problem == "bad_target"


def test_the_verb_is_the_one_of_the_first_line(deck: Deck, server: Address) -> None:
    job_id = deck.run("exec sleep 600")
    for override in OVERRIDES:
        for method in ("GET", "HEAD"):
            reply = server.ask(f"/v1/jobs/{job_id}/cancel", method, headers=[(override, "POST")])
            assert reply.status == 405
        server.ask(f"/v1/jobs/{job_id}?_method=DELETE", headers=[(override, "DELETE")])
        server.ask(
            f"/v1/jobs/{job_id}/cancel?_method=POST&method=POST", headers=[(override, "POST")]
        )
    assert json.loads(server.ask(f"/v1/jobs/{job_id}").body)["state"] in (
        *("queued", "starting", "running"),
    )
    assert json.loads(server.ask(f"/v1/jobs/{job_id}/cancel", "POST").body)["state"] in (
        *("cancelled", "stopping"),
    )


def test_a_method_in_a_forms_body_counts_for_nothing(server: Address) -> None:
    before = len(json.loads(server.ask("/v1/webhooks").body)["webhooks"])
    server.ask("/v1/webhooks", "POST", body=b'{"_method": "DELETE", "url": "x"}')
    assert len(json.loads(server.ask("/v1/webhooks").body)["webhooks"]) == before
