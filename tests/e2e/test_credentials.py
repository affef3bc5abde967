"""What a job may ask the server by the token that lies beside it, and what it may not."""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.deck import Deck, until

if TYPE_CHECKING:
    from collections.abc import Iterator

WAITS = "touch $QD_RESULTS/begun; while ! test -e $QD_RESULTS/go; do sleep 0.05; done"
ASKS = """
import json, os, pathlib, time, urllib.error, urllib.request

def ask(path, method="GET", body=None):
    told = json.loads(pathlib.Path(os.environ["QD_CREDENTIALS"]).read_text())
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(told["url"] + path, data, method=method)
    request.add_header("Authorization", "Bearer " + told["token"])
    request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code

own, other = "/v1/jobs/" + os.environ["QD_JOB_ID"], "/v1/jobs/" + os.environ["OTHER"]
print(ask(own), ask(own + "/notes", "POST", {"text": "half way"}), ask(other))
print(ask("/v1/jobs", "POST", {"run": "touch owned"}), ask(own + "/cancel", "POST"))
print(ask(other + "/logs"), ask("/v1/nodes"), ask("/v1/users"), ask("/v1/audit"))
"""


@pytest.fixture
def deck(tmp_path: Path) -> Iterator[Deck]:
    made = Deck(tmp_path / "home")
    try:
        made.up("--pretend", "dgx-a100:1")
        yield made
    finally:
        made.end()


def credentials_of(deck: Deck, job_id: str) -> dict[str, str]:
    path = deck.site / "attempts" / job_id / "1" / "0" / "credentials.json"
    assert path.stat().st_mode & 0o077 == 0
    told: dict[str, str] = json.loads(path.read_text())
    return told


def status_of(told: dict[str, str], path: str) -> int:
    request = urllib.request.Request(told["url"] + path)
    request.add_header("Authorization", f"Bearer {told['token']}")
    try:
        with urllib.request.urlopen(request) as answer:
            status: int = answer.status
            return status
    except urllib.error.HTTPError as error:
        return error.code


def results_of(deck: Deck, job_id: str) -> Path:
    return until(
        lambda: next(iter((deck.site / "results" / job_id).glob("*/0/begun")), None)
    ).parent


def test_a_job_reads_and_notes_itself_and_nothing_else(deck: Deck, tmp_path: Path) -> None:
    other = deck.run("exec sleep 600")
    script = tmp_path / "asks.py"
    script.write_text(ASKS)
    job_id = deck.run(f"OTHER={other} python3 {script}")
    assert deck.qd("wait", job_id).returncode == 0
    said = deck.qd("logs", job_id).stdout.split()
    assert said == ["200", "200", "404", "403", "403", "404", "403", "403", "403"]
    assert "half way" in deck.qd("show", job_id).stdout


def test_the_token_ends_with_its_attempt(deck: Deck) -> None:
    job_id = deck.run(WAITS)
    results = results_of(deck, job_id)
    told = credentials_of(deck, job_id)
    assert status_of(told, f"/v1/jobs/{job_id}") == 200
    (results / "go").touch()
    assert deck.qd("wait", job_id).returncode == 0
    assert status_of(told, f"/v1/jobs/{job_id}") == 401
    until(lambda: not list(deck.site.rglob("credentials.json")))


def test_a_job_finds_the_server_that_was_started_again(deck: Deck) -> None:
    """Also on another port: `qd up` takes a free one here."""
    job_id = deck.run(WAITS)
    results = results_of(deck, job_id)
    before = credentials_of(deck, job_id)
    deck.kill_server()
    deck.up_again()
    until(lambda: credentials_of(deck, job_id) != before)
    after = credentials_of(deck, job_id)
    assert status_of(after, f"/v1/jobs/{job_id}") == 200
    (results / "go").touch()
    assert deck.qd("wait", job_id).returncode == 0


def test_the_token_is_nowhere_else(deck: Deck) -> None:
    """Not in the order, which retention keeps, and not in the job's environment, which whoever
    has the same account can read and which ends up in crash reports."""
    job_id = deck.run(f"env; {WAITS}")
    results = results_of(deck, job_id)
    token = credentials_of(deck, job_id)["token"].encode()
    folder = deck.site / "attempts" / job_id / "1" / "0"
    held = {
        path.name for path in folder.rglob("*") if path.is_file() and token in path.read_bytes()
    }
    assert held == {"credentials.json"}
    assert os.fspath(folder / "credentials.json") in deck.qd("logs", job_id).stdout
    (results / "go").touch()
    assert deck.qd("wait", job_id).returncode == 0


def test_qd_inside_a_job_asks_as_the_job(deck: Deck) -> None:
    job_id = deck.run(
        f"{sys.executable} -m quarterdeck.wiring.entry note $QD_JOB_ID 'epoch three'; "
        f"{sys.executable} -m quarterdeck.wiring.entry run -- true"
    )
    deck.qd("wait", job_id)
    assert "epoch three" in deck.qd("show", job_id).stdout
    told = deck.qd_json("audit", "search", "--actor", f"runner:{job_id}/1")
    assert {one["code"]: one["status"] for one in told} == {"": 200, "not_allowed": 403}
    assert "may not create" in deck.qd("logs", job_id).stdout
    assert len(deck.qd_json("ps", "-a")["jobs"]) == 1
