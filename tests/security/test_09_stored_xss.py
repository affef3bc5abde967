"""Family 9, MLflow CVE-2023-6568 and 2024-27132: what one user stores runs in another's browser."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from quarterdeck.cli.plot import Curve, draw_svg
from tests.security.wire import METHODS, fill, operations, paths

if TYPE_CHECKING:
    from tests.e2e.deck import Deck
    from tests.security.wire import Address

SCRIPTS = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "javascript:alert(1)",
    "<svg/onload=alert(1)>", "{{7*7}}", "${7*7}", "[x](javascript:alert(1))", "</script><script>",
)  # fmt: skip
SAFE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
INERT = (
    "application/json", "application/problem+json", "application/octet-stream",
    "text/plain; charset=utf-8", "text/event-stream; charset=utf-8", "application/x-ndjson",
    "text/calendar; charset=utf-8",
)  # fmt: skip


def check_inert(headers: dict[str, str]) -> None:
    for name, value in SAFE.items():
        assert headers.get(name) == value, (name, headers)
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert headers.get("content-type", INERT[0]) in INERT


@pytest.mark.parametrize("path", paths())
def test_stored_xss_every_answer_says_that_it_is_no_page(server: Address, path: str) -> None:
    for method in METHODS:
        for token in ("", None):
            if path == "/v1/events" and method == "GET" and token is None:
                continue
            if path == "/v1/server/shutdown" and method == "POST" and token is None:
                continue
            check_inert(server.ask(path, method, token=token).headers)
    for page in (f"{path}/<script>alert(1)</script>", f"{path}?x=<script>"):
        if path != "/v1/events":
            reply = server.ask(page, headers=[("Accept", "text/html")])
            check_inert(reply.headers)


@pytest.mark.parametrize("name", ["page.html", "picture.svg", "sub/out.txt"])
def test_stored_xss_a_result_is_a_download_and_no_page(
    server: Address, job_id: str, name: str
) -> None:
    reply = server.ask(f"/v1/jobs/{job_id}/results/0/{name}", headers=[("Accept", "text/html")])
    check_inert(reply.headers)
    assert reply.headers["content-type"] == "application/octet-stream"
    assert reply.headers["content-disposition"].startswith("attachment;")


def test_stored_xss_a_log_is_a_download_and_no_page(server: Address, job_id: str) -> None:
    reply = server.ask(f"/v1/jobs/{job_id}/logs")
    check_inert(reply.headers)
    assert b"<img src=x onerror=alert(1)>" in reply.body
    assert reply.headers["content-disposition"].startswith("attachment;")


def test_stored_xss_a_file_name_makes_no_header(server: Address, job_id: str) -> None:
    listed = json.loads(server.ask(f"/v1/jobs/{job_id}/results").body)
    (name,) = (one["path"] for one in listed["files"] if "X-Evil" in one["path"])
    encoded = "".join(f"%{byte:02x}" for byte in name.encode())
    reply = server.ask(f"/v1/jobs/{job_id}/results/0/{encoded}")
    assert reply.status == 200
    assert reply.body == b"import os"
    assert "x-evil" not in reply.headers
    assert "\r" not in reply.headers["content-disposition"]


@pytest.mark.parametrize("script", SCRIPTS)
def test_stored_xss_names_are_refused_and_free_texts_are_only_json(
    server: Address, job_id: str, script: str
) -> None:
    for field in ("name", "team"):
        body = json.dumps({"run": "true", field: script}).encode()
        reply = server.ask("/v1/jobs", "POST", body=body)
        assert reply.problem == "invalid"
        check_inert(reply.headers)
    note = json.dumps({"text": script}).encode()
    reply = server.ask(f"/v1/jobs/{job_id}/notes", "POST", body=note)
    assert script in [one["text"] for one in json.loads(reply.body)["notes"]]
    check_inert(reply.headers)
    check_inert(server.ask(f"/v1/jobs/{job_id}").headers)


def test_stored_xss_metric_names_are_data(deck: Deck, server: Address) -> None:
    tell = (
        "import sys\nfrom quarterdeck import job\n"
        "for step, name in enumerate(sys.argv[1:]): job.log(step=step, **{name: 1.0})\n"
    )
    words = ("run", "--workdir", "none", "--", sys.executable, "-c", tell, *SCRIPTS)
    assert deck.qd(*words).returncode == 0
    (newest,) = json.loads(server.ask("/v1/jobs?limit=1").body)["jobs"]
    reply = server.ask(f"/v1/jobs/{newest['id']}/metrics")
    assert SCRIPTS[0] in json.loads(reply.body)["names"]
    check_inert(reply.headers)


@pytest.mark.parametrize("script", SCRIPTS)
def test_stored_xss_a_saved_picture_has_no_script(script: str) -> None:
    picture = draw_svg(Curve(script, (1.0, 2.0), (1.0, 2.0), ()))
    assert "<script" not in picture
    assert "<img" not in picture
    assert "<svg/" not in picture


def test_stored_xss_no_route_answers_with_html() -> None:
    assert not [path for _, path in operations() if "html" in fill(path)]
