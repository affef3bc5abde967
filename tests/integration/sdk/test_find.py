"""Which server is asked, and who is shown the token."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from quarterdeck.basics.errors import Invalid, NotAllowed
from quarterdeck.sdk.find import Address, find_server
from quarterdeck.sdk.problems import NoServer
from tests.integration.sdk.scripted import TOKEN, make_home

URL = "http://127.0.0.1:4711"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("QD_URL", "QD_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("QD_HOME", str(tmp_path / "home"))
    return make_home(tmp_path / "home", URL + "/")


def dead_pid() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_the_home_says_where_the_server_is(home: Path) -> None:
    assert find_server() == Address(URL, TOKEN)


def test_the_environment_goes_before_the_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QD_URL", "https://deck.example.org")
    monkeypatch.setenv("QD_TOKEN", "other")
    assert find_server() == Address("https://deck.example.org", "other")
    assert find_server(home=home) == Address(URL, TOKEN)


def test_the_homes_token_is_not_sent_to_other_machines(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QD_URL", "https://deck.example.org")
    with pytest.raises(NotAllowed) as caught:
        find_server()
    assert "QD_TOKEN" in caught.value.hint
    monkeypatch.setenv("QD_URL", "http://localhost:1")
    assert find_server().token == TOKEN


def test_the_token_is_not_shown_to_who_took_a_dead_servers_port(home: Path) -> None:
    make_home(home, URL, pid=dead_pid())
    with pytest.raises(NoServer) as caught:
        find_server()
    assert caught.value.is_announced
    assert "qd up" in caught.value.hint


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"url": "x"}'])
def test_a_home_without_a_server_says_how_to_start_one(home: Path, text: str | None) -> None:
    (home / "server.json").unlink()
    if text is not None:
        (home / "server.json").write_text(text)
    with pytest.raises(NoServer) as caught:
        find_server()
    assert not caught.value.is_announced
    assert "qd up" in caught.value.hint
    assert str(home) in caught.value.message


@pytest.mark.parametrize(
    "url", ["127.0.0.1:80", "ftp://a", "http://", "http://a:b@c", "http://a:x"]
)
def test_what_is_no_address_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("QD_URL", url)
    with pytest.raises(Invalid):
        find_server()


def test_inside_a_job_it_is_the_jobs_own_server_and_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("QD_URL", "QD_TOKEN", "QD_HOME", "QD_SERVER"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "credentials.json"
    path.write_text(json.dumps({"url": "http://127.0.0.1:9", "token": "for one attempt"}))
    monkeypatch.setenv("QD_CREDENTIALS", str(path))
    assert find_server() == Address("http://127.0.0.1:9", "for one attempt")
    path.write_text(json.dumps({"url": "http://127.0.0.1:8", "token": "a newer one"}))
    assert find_server() == Address("http://127.0.0.1:8", "a newer one")
    monkeypatch.setenv("QD_TOKEN", "given")
    assert find_server() == Address("http://127.0.0.1:8", "given")
    path.write_text("{")
    with pytest.raises(NoServer) as caught:
        find_server()
    assert "credentials.json" in str(caught.value)
    monkeypatch.setenv("QD_HOME", str(make_home(tmp_path / "home", URL)))
    assert find_server().url == URL
