"""Family 4, Ray CVE-2023-6019 (a shell in a parameter), 6020, 6021 and 48023 (URLs)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from tests.security.wire import document, fill, operations

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.deck import Deck
    from tests.security.wire import Address

SHELL = (
    "; touch {mark} #",
    "$(touch {mark})",
    "`touch {mark}`",
    "| touch {mark}",
    "&& touch {mark}",
    "\n touch {mark}\n",
    "x\r\nX-Evil: 1",
    "x\0; touch {mark}",
    "' ; touch {mark} ; '",
    "--output={mark}",
)
WITH_PARAMETERS = [
    (method, path, [one["name"] for one in described.get("parameters", ()) if one["in"] != "path"])
    for path, methods in document()["paths"].items()
    for method, described in methods.items()
    if any(one["in"] != "path" for one in described.get("parameters", ()))
]


@pytest.mark.parametrize(("method", "path", "names"), WITH_PARAMETERS)
def test_no_parameter_of_any_route_reaches_a_shell(
    server: Address, tmp_path: Path, method: str, path: str, names: list[str]
) -> None:
    mark = tmp_path / "owned"
    for attack in SHELL:
        text = attack.format(mark=mark)
        if "stream" in path or path == "/v1/events":
            # A stream that is let in would not end: a wrong job does, for every parameter.
            names = [name for name in names if name in ("job_id", "attempt", "task", "node_rank")]
        for name in names:
            target = f"{fill(path)}?{name}={quote(text, safe='')}"
            reply = server.ask(target, method.upper())
            assert reply.status < 500, (target, reply)
            assert "x-evil" not in reply.headers
    assert not mark.exists()


@pytest.mark.parametrize(("method", "path"), [one for one in operations() if "{" in one[1]])
def test_no_part_of_a_path_reaches_a_shell(
    server: Address, tmp_path: Path, method: str, path: str
) -> None:
    mark = tmp_path / "owned"
    for attack in SHELL:
        text = quote(attack.format(mark=mark), safe="")
        reply = server.ask(fill(path, text), method)
        assert reply.status in (400, 404, 405, 422), (path, reply)
    assert not mark.exists()


def test_an_argument_list_is_never_a_shell_line(deck: Deck, tmp_path: Path) -> None:
    mark = tmp_path / "owned"
    words = [attack.format(mark=mark) for attack in SHELL if "\0" not in attack]
    done = deck.qd(
        "run", "--workdir", "none", "--env", f"A=$(touch {mark})", "--", "printf", "%s\n", *words
    )
    assert done.returncode == 0, done.stderr
    assert f"$(touch {mark})" in done.stdout
    assert not mark.exists()


@pytest.mark.parametrize("field", ["name", "team", "site", "priority", "time_limit", "snapshot"])
def test_no_text_of_a_job_is_taken_as_a_command(
    server: Address, tmp_path: Path, field: str
) -> None:
    mark = tmp_path / "owned"
    for attack in SHELL:
        body: dict[str, Any] = {"run": ["true"], field: attack.format(mark=mark)}
        reply = server.ask("/v1/jobs", "POST", body=json.dumps(body).encode())
        assert reply.status == 422, (field, reply)
    assert not mark.exists()


URLS = (
    "http://127.0.0.1/", "http://localhost/", "http://[::1]/", "http://0.0.0.0/", "http://0/",
    "http://169.254.169.254/latest/meta-data/", "http://[fe80::1]/", "http://10.0.0.1/",
    "http://192.168.0.1/", "http://172.16.0.1/", "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:169.254.169.254]/", "http://2130706433/", "http://0x7f000001/",
    "http://0177.0.0.1/", "http://127.1/", "http://[fc00::1]/", "http://100.64.0.1/",
    "http://[64:ff9b::7f00:1]/", "http://[2002:7f00:1::]/",
    "file:///etc/passwd", "gopher://127.0.0.1:70/", "ftp://127.0.0.1/", "http://user:pw@127.0.0.1/",
    "http://127.0.0.1\r\nX: 1/", "//127.0.0.1/", "http:127.0.0.1", "",
)  # fmt: skip


@pytest.mark.parametrize("url", URLS)
def test_no_url_that_is_taken_leads_to_this_machine_or_its_network(
    server: Address, url: str
) -> None:
    """Names that resolve so, and redirects: tests/integration/webhooks/test_notifier.py."""
    reply = server.ask("/v1/webhooks", "POST", body=json.dumps({"url": url}).encode())
    if reply.status == 201:
        made = json.loads(reply.body)["id"]
        sent = json.loads(server.ask(f"/v1/webhooks/{made}/test", "POST").body)
        server.ask(f"/v1/webhooks/{made}", "DELETE")
        assert (sent["delivered"], sent["status"]) == (False, None), sent
        return
    assert reply.problem in ("private_address", "invalid"), reply


def test_the_only_field_that_is_a_url_is_a_webhooks() -> None:
    """Another one would need the corpus above."""
    found = {
        f"{model}.{name}"
        for model, schema in document()["components"]["schemas"].items()
        for name in schema.get("properties", {})
        if "url" in name.lower() or "uri" in name.lower()
    }
    assert {one for one in found if one.split(".")[0].endswith("Request")} == {"WebhookRequest.url"}
    parameters = {
        one["name"]
        for methods in document()["paths"].values()
        for described in methods.values()
        for one in described.get("parameters", ())
    }
    assert not {name for name in parameters if "url" in name or "host" in name}
