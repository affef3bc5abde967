"""An array is one job: right counts, right order, one screen of output."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from tests.e2e.deck import Deck

PRETEND = ("--pretend", "dgx-a100:4")
ONCE_BAD = (
    'echo $QD_TASK_INDEX >> "$OUT/runs"; '
    '[ "$QD_TASK_INDEX" != 500 ] || [ -e "$QD_CHECKPOINT/tried" ] '
    '|| { touch "$QD_CHECKPOINT/tried"; exit 3; }'
)


def submit(deck: Deck, folder: Path, text: str) -> list[str]:
    (folder / "job.yaml").write_text(text)
    done = deck.qd("submit", "job.yaml", "-o", "name", cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_thousand_tasks_fifty_at_a_time_one_retried_and_a_job_that_needs_them(
    deck: Deck, tmp_path: Path
) -> None:
    deck.up(*PRETEND)
    (array,) = submit(
        deck,
        tmp_path,
        f"name: many\nrun: {json.dumps(ONCE_BAD)}\narray: 0-999%50\nenv: {{OUT: {tmp_path}}}\n"
        "retry: {limit: 1, on: [user_error], backoff: 1s}\n",
    )
    line = f"wc -l < {tmp_path}/runs > {tmp_path}/after"
    after = deck.run("--needs", array, line)
    assert deck.qd("wait", after, within_s=120).returncode == 0

    job = deck.show(array)
    assert (job["state"], job["array"]["counts"]) == ("succeeded", {"succeeded": 1000})
    runs = Counter((tmp_path / "runs").read_text().split())
    assert runs.pop("500") == 2
    assert set(runs.values()) == {1}
    assert len(runs) == 999
    # Who needs the array starts after the last of its tasks, and sees what all of them did.
    assert (tmp_path / "after").read_text().strip() == "1001"
    assert deck.show(after)["started_at"] >= job["ended_at"]
    client = deck.client()
    live: set[int] = set()
    most = 0
    for event in client.stream_events(job_id=array):
        if event.kind == "placed":
            live.add(event.data["attempt"])
            most = max(most, len(live))
        elif event.kind == "ended":
            live.discard(event.data["attempt"])
            if event.state is not None:
                break
    client.close()
    assert (most, live) == (50, set())
    assert len(deck.qd("ps", "-a").stdout.splitlines()) == 3
    assert len(deck.qd("show", array).stdout.splitlines()) < 25


def test_a_task_has_its_own_log_and_results_and_a_failed_one_is_named(
    deck: Deck, tmp_path: Path
) -> None:
    deck.up(*PRETEND)
    line = (
        "echo I am $QD_TASK_INDEX of $QD_TASK_COUNT | tee $QD_RESULTS/me; test $QD_TASK_INDEX != 7"
    )
    array = deck.run("--hold", "--array", "5-9:2", line)
    dependent = deck.run("--needs", array, "echo never")
    assert deck.qd("release", array).returncode == 0
    assert deck.qd("wait", array).returncode == 1
    assert deck.qd("logs", array, "--task", "9").stdout == "I am 9 of 3\n"
    assert deck.qd("logs", "-f", array, "--task", "5").stdout == "I am 5 of 3\n"
    assert "task 8" in deck.qd("logs", array, "--task", "8").stderr
    assert "--task 7" in deck.qd("logs", array).stderr
    assert deck.qd("results", array, "-o", "out", cwd=tmp_path).returncode == 0
    kept = sorted((tmp_path / "out").rglob("me"))
    assert [path.parent.name for path in kept] == ["task-5", "task-7", "task-9"]

    job = deck.show(array)
    assert (job["array"]["failed"], job["exit_code"]) == ([7], 1)
    assert deck.qd("wait", dependent).returncode == 1
    ended = deck.show(dependent)
    assert (ended["state"], ended["reason"], ended["attempts"]) == ("cancelled", "needs_failed", [])
    # Only what failed is run again.
    assert deck.qd("requeue", array).returncode == 0
    assert deck.qd("wait", array).returncode == 1
    assert [task["attempt"] for task in tasks_of(deck, array)] == [1, 4, 3]


def test_a_cancelled_array_stops_what_runs_and_forgets_what_waits(deck: Deck) -> None:
    deck.up(*PRETEND)
    array = deck.run("--array", "0-99%3", "sleep 300")
    assert deck.qd("hold", array).returncode == 0
    assert deck.qd("release", array).returncode == 0
    assert deck.qd("cancel", array).returncode == 0
    assert deck.qd("wait", array, within_s=60).returncode == 1
    assert deck.show(array)["array"]["counts"] == {"cancelled": 100}
    assert deck.processes_of(array) == []


def tasks_of(deck: Deck, job_id: str) -> list[dict[str, object]]:
    client = deck.client()
    listed = client.list_tasks(job_id)
    client.close()
    return [task.model_dump() for task in listed.tasks]
