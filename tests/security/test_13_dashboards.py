"""Families 13 and 14, Kubeflow's open dashboards, Aim CVE-2021-43775, Gradio CVE-2021-43831 and
2023-34239: pages, static files and proxies that stand open beside the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.security.test_05_path_traversal import CORPUS
from tests.security.wire import PROBES, operations

if TYPE_CHECKING:
    from tests.security.wire import Address

PAGES = (
    "/", "/index.html", "/ui", "/dashboard", "/admin", "/login", "/docs", "/redoc", "/static/x.js",
    "/assets/x.css", "/favicon.ico", "/robots.txt", "/.env", "/.git/config", "/metrics", "/debug",
    "/debug/pprof", "/console", "/graphql", "/server-status", "/actuator", "/proxy", "/file",
    "/static-files/x", "/_stcore/health", "/openapi.yaml", "/.well-known/openid-configuration",
)  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
def test_an_open_dashboard_is_nowhere(server: Address, path: str) -> None:
    assert server.ask(path, token="").status == 401
    assert server.ask(path).problem == "no_such_path"


def test_the_two_probes_tell_nothing_about_the_server(server: Address) -> None:
    assert set(operations()) >= PROBES
    for path, said in (("/healthz", b'{"status":"ok"}'), ("/readyz", b'{"status":"ready"}')):
        reply = server.ask(path, token="")
        assert reply.body == said
        assert "server" not in reply.headers


@pytest.mark.parametrize("prefix", ["/static/", "/file=", "/proxy/", "/v1/static/", "/healthz/"])
def test_static_files_lead_nowhere(server: Address, prefix: str) -> None:
    for name, attack in CORPUS.items():
        for token in ("", None):
            reply = server.ask(prefix + attack, token=token)
            assert reply.status in (400, 401, 404, 414), (name, reply)


@pytest.mark.parametrize(
    "target",
    ["http://evil.example/", "https://127.0.0.1:1/v1/jobs", "http://127.0.0.1/v1/server",
     "ftp://x/", "*", "evil.example:80", "v1/jobs", "?x", "http:/v1/server"],
)  # fmt: skip
def test_it_is_nobodys_proxy(server: Address, target: str) -> None:
    for method in ("GET", "OPTIONS", "POST"):
        reply = server.ask(target, method)
        assert reply.problem == "bad_target", (method, reply)
