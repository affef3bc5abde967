"""A job waits on a real server, is promised a start, and starts when it was promised to."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.e2e.deck import Deck, until

LINE = r"starts: between \S+ and \S+ \(50 %\), \S+ and \S+ \(90 %\)"


def until_told(mark: Path) -> str:
    """A line that runs until the test makes this file: nothing depends on how quick the machine
    is but how long a wait turns out, of which the bounds allow minutes."""
    return f"until [ -e {mark} ]; do sleep 0.1; done"


def parked(deck: Deck, mark: Path) -> str:
    """A job that has the only node."""
    job_id = deck.run("--gpus", "8", "--name", "train", until_told(mark))
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


def test_a_promised_start_is_kept_and_counted_also_by_a_server_that_was_killed(
    deck: Deck, tmp_path: Path
) -> None:
    marks = [tmp_path / f"go-{number}" for number in range(4)]
    deck.up("--pretend", "dgx-a100:1")
    before = parked(deck, marks[0])
    marks[0].touch()
    assert deck.qd("wait", before).returncode == 0
    assert "no job that was promised" in deck.qd("stats", "promises").stdout

    parked(deck, marks[1])
    wanted = ("--workdir", "none", "--gpus", "8", "--name", "train")
    said = deck.qd("run", "--detach", *wanted, "--", "sh", "-c", until_told(marks[2]))
    waiting = said.stdout.split()[0]
    assert re.search(LINE, said.stdout), said.stdout + said.stderr
    promise = promised(deck, waiting)
    assert re.search(LINE, deck.qd("explain", waiting).stdout)
    assert re.search(LINE, deck.qd("plan", *wanted, "--", "true").stdout)
    marks[1].touch()
    assert is_within(placed_at(deck, waiting), promise["most"])
    until(lambda: stats(deck) == (1, 1))
    assert re.search(r"kept|missed", deck.qd("show", waiting).stdout)

    until(lambda: deck.show(waiting)["state"] == "running")
    later = deck.run("--gpus", "8", "--name", "train", until_told(marks[3]))
    promise = promised(deck, later)
    deck.kill_server()
    marks[2].touch()
    deck.up_again()
    assert is_within(placed_at(deck, later), promise["most"])
    until(lambda: stats(deck) == (2, 2))
    assert "2 (100%)" in deck.qd("stats", "promises").stdout
    marks[3].touch()
