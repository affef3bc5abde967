"""A job waits on a real server, is promised a start, and starts when it was promised to."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from tests.e2e.deck import Deck, until

WAITED_S = 6


def parked(deck: Deck, line: str) -> str:
    """A job that has the only node."""
    job_id = deck.run("--gpus", "8", "--name", "train", line)
    until(lambda: deck.show(job_id)["state"] == "running")
    return job_id


def promised(deck: Deck, job_id: str) -> Any:
    return until(lambda: deck.qd_json("explain", job_id)["promise"])


def placed_at(deck: Deck, job_id: str) -> str:
    until(lambda: deck.show(job_id)["attempts"])
    return str(deck.show(job_id)["attempts"][0]["placed_at"])


def is_within(at: str, span: Any) -> bool:
    earliest, moment, latest = map(datetime.fromisoformat, (span["earliest"], at, span["latest"]))
    return earliest <= moment <= latest


def stats(deck: Deck) -> tuple[int, int]:
    days = deck.qd_json("stats", "promises")["days"]
    return sum(day["starts"] for day in days), sum(day["most_kept"] for day in days)


def test_a_promised_start_is_kept_and_counted_also_by_a_server_that_was_killed(deck: Deck) -> None:
    deck.up("--pretend", "dgx-a100:1")
    for _ in range(3):
        ended = parked(deck, f"sleep {WAITED_S}")
        assert deck.qd("wait", ended).returncode == 0
    assert "no job that was promised" in deck.qd("stats", "promises").stdout

    parked(deck, f"sleep {WAITED_S}")
    said = deck.qd("run", "--detach", "--workdir", "none", "--gpus", "8", "--name", "train",
                   "--", "sleep", str(WAITED_S))  # fmt: skip
    waiting = said.stdout.split()[0]
    line = r"starts: between \S+ and \S+ \(50 %\), \S+ and \S+ \(90 %\)"
    assert re.search(line, said.stdout), said.stdout + said.stderr
    promise = promised(deck, waiting)
    assert re.search(line, deck.qd("explain", waiting).stdout)
    assert is_within(placed_at(deck, waiting), promise["most"])
    until(lambda: stats(deck) == (1, 1))
    shown = deck.qd("show", waiting).stdout
    assert "kept" in shown

    until(lambda: deck.show(waiting)["state"] == "running")
    later = deck.run("--gpus", "8", "--name", "train", f"sleep {WAITED_S}")
    promise = promised(deck, later)
    deck.kill_server()
    deck.up_again()
    assert is_within(placed_at(deck, later), promise["most"])
    until(lambda: stats(deck) == (2, 2))
    assert "(100%)" in deck.qd("stats", "promises").stdout
    planned = deck.qd("plan", "--gpus", "8", "--", "true").stdout
    assert "it would start now" in planned or re.search(line, planned)
