"""On a real server: what a dry run promises is what then happens, and it changes nothing itself."""

from __future__ import annotations

import json
import sqlite3

from tests.e2e.deck import Deck, until


def test_the_server_itself_can_be_tried_dry(deck: Deck) -> None:
    tried = deck.qd("up", "--dry-run", "--pretend", "dgx-a100:1")
    assert (tried.returncode, deck.home.exists()) == (0, False)
    assert deck.qd("up", "--dry-run", "--pretend", "cray-1:1").returncode == 3
    started = json.loads(deck.qd("up", "--detach", "--pretend", "cpu:1", "-o", "json").stdout)
    assert started["pid"] == deck.server_pid()
    refused = deck.qd("up", "--dry-run")
    assert (refused.returncode, str(started["pid"]) in refused.stderr) == (3, True)
    told = json.loads(deck.qd("down", "--dry-run", "-o", "json").stdout)
    assert (told["pid"], told["ended"]) == (started["pid"], False)
    assert deck.qd("ps").returncode == 0
    assert deck.qd("down", "-q").stdout == ""
    assert deck.qd("ps").returncode == 4
    replayed = json.loads(deck.qd("restore", "--dry-run", "-o", "json").stdout)
    assert replayed["restored"] is False
    assert replayed["events"] >= 1
    with sqlite3.connect(deck.home / "quarterdeck.db") as store:
        store.execute("DELETE FROM sites")
    assert deck.qd("restore", "--dry-run").returncode == 0
    with sqlite3.connect(deck.home / "quarterdeck.db") as store:
        assert store.execute("SELECT count(*) FROM sites").fetchone() == (0,)
    assert deck.qd("restore", "-q").stdout == ""
    with sqlite3.connect(deck.home / "quarterdeck.db") as store:
        assert store.execute("SELECT count(*) FROM sites").fetchone() == (1,)


def test_dry_runs_leave_jobs_and_the_log_as_they_are(deck: Deck) -> None:
    deck.up("--pretend", "cpu:1")
    waiting = deck.run("--hold", "true")
    running = deck.run("sleep 300")
    until(lambda: deck.show(running)["state"] == "running")
    with deck.client() as client:
        before = client.get_server().last_event
        assert before is not None
        for words in (
            ("cancel", running), ("release", waiting), ("requeue", running),
            ("note", running, "x"), ("clone", running), ("gc",),
            ("run", "--workdir", "none", "--", "true"),
        ):  # fmt: skip
            done = deck.qd(words[0], "--dry-run", *words[1:])
            assert done.returncode == 0, done.stderr
        assert client.get_server().last_event == before
    assert deck.qd("hold", "--dry-run", running).returncode == 3
    assert [deck.show(one)["state"] for one in (waiting, running)] == ["held", "running"]
