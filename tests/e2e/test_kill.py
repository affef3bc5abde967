"""A hard kill at any moment loses nothing and runs nothing twice."""

from __future__ import annotations

import os
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from quarterdeck.basics.chance import Chance
from quarterdeck.sdk import Client, JobRequest
from tests.e2e.deck import Deck, kill_and_wait, until

KILLS = int(os.environ.get("QD_TEST_KILLS", "20"))
KILLS_PER_ROUND = 5
JOBS = 50
PRETEND = ("--pretend", "dgx-a100:4")


@pytest.mark.slow
def test_the_server_killed_at_seeded_moments_loses_nothing(deck: Deck, tmp_path: Path) -> None:
    """Each round: 50 jobs, and five kills while they are submitted, run and end. The moments are
    seeded and include the server's start, which is not waited for."""
    chance = Chance(2026)
    deck.up(*PRETEND)
    for number in range(max(1, KILLS // KILLS_PER_ROUND)):
        shared = tmp_path / f"shared-{number}"
        with ThreadPoolExecutor(1) as pool:
            submitting = pool.submit(_submit_all, deck, shared, chance.split())
            for _ in range(KILLS_PER_ROUND):
                threading.Event().wait(chance.between(0.0, 0.7))
                _kill_whatever_runs(deck)
                deck.spawn_up()
                threading.Event().wait(chance.between(0.0, 1.2))
            _settle(deck)
            ids = submitting.result(timeout=120)
        with deck.client() as client:
            jobs = [client.wait(job_id, timeout_s=60) for job_id in ids]
        assert {job.state for job in jobs} == {"succeeded"}, [j for j in jobs if j.exit_code]
        assert {len(job.attempts) for job in jobs} == {1}
        lines = Counter(shared.read_text().split())
        assert lines == dict.fromkeys(ids, 1)
    until(lambda: not deck.processes_of())


def test_server_and_runners_killed_together(deck: Deck, tmp_path: Path) -> None:
    deck.up(*PRETEND)
    shared = tmp_path / "shared"
    line = f"echo $QD_JOB_ID $QD_ATTEMPT >> {shared}; (setsid sleep 1000 &) ; sleep 1000"
    once = [deck.run(line) for _ in range(3)]
    with deck.client() as client:
        request = JobRequest.model_validate({"run": line, "retry": {"limit": 1, "backoff": "0s"}})
        again = [client.submit(request).id for _ in range(3)]
    until(lambda: shared.exists() and len(shared.read_text().splitlines()) == 6)
    deck.kill_server()
    for pid in [*deck.launcher_pids(), *deck.runner_pids()]:
        kill_and_wait(pid)
    deck.up_again()
    for job_id in once:
        assert deck.qd("wait", job_id, "--timeout", "60").returncode == 1
        job = deck.show(job_id)
        assert (job["state"], job["reason"]) == ("failed", "node_failure")
    until(lambda: len(shared.read_text().splitlines()) == 9)
    for job_id in again:
        job = deck.show(job_id)
        assert [attempt["number"] for attempt in job["attempts"]] == [1, 2]
        assert job["attempts"][0]["reason"] == "node_failure"
    assert len(set(shared.read_text().splitlines())) == 9
    alive = {mark.rpartition("/")[0] for _, mark in deck.processes_of()}
    assert alive == {f"{job_id}/2" for job_id in again}


def test_a_killed_runner_fails_its_attempt_and_takes_its_children_along(deck: Deck) -> None:
    deck.up(*PRETEND)
    job_id = deck.run("(setsid sh -c 'sleep 1000 & sleep 1000' &) ; sleep 1000")
    until(lambda: len(deck.processes_of(job_id)) >= 4)
    (runner,) = deck.runner_pids()
    kill_and_wait(runner)
    assert deck.qd("wait", job_id, "--timeout", "30").returncode == 1
    job = deck.show(job_id)
    assert (job["state"], job["reason"]) == ("failed", "node_failure")
    assert "runner" in job["message"]
    assert deck.processes_of(job_id) == []


def test_jobs_go_on_when_the_server_goes_down_and_are_found_again(
    deck: Deck, tmp_path: Path
) -> None:
    deck.up(*PRETEND)
    go_on = tmp_path / "go-on"
    job_id = deck.run(f"echo first; until [ -e {go_on} ]; do sleep 0.05; done; echo second")
    until(lambda: deck.show(job_id)["state"] == "running")
    assert deck.qd("down").returncode == 0
    assert deck.processes_of(job_id)
    go_on.touch()
    until(lambda: not deck.processes_of(job_id))
    deck.up_again()
    assert deck.qd("wait", job_id, "--timeout", "30").returncode == 0
    assert deck.qd("logs", job_id).stdout == "first\nsecond\n"
    assert len(deck.show(job_id)["attempts"]) == 1


def test_down_with_stop_jobs_leaves_nothing(deck: Deck) -> None:
    deck.up(*PRETEND)
    running = deck.run("sleep 1000")
    until(lambda: deck.show(running)["state"] == "running")
    assert deck.qd("down", "--stop-jobs").returncode == 0
    assert deck.processes_of() == []
    deck.up_again()
    assert deck.show(running)["state"] == "cancelled"


def test_down_with_stop_jobs_stops_also_what_is_submitted_meanwhile(deck: Deck) -> None:
    deck.up(*PRETEND)
    with deck.client() as client:
        slow = {"run": "trap 'sleep 1; exit 0' TERM; echo up; while :; do sleep 0.05; done"}
        first = client.submit(JobRequest.model_validate(slow)).id
        until(lambda: client.read_log(first).data)
        client.shut_down(stop_jobs=True)
        until(lambda: client.get_job(first).state == "stopping")
        late = client.submit(JobRequest(run="sleep 1000")).id
    until(lambda: not deck.server_pids())
    deck.up_again()
    assert deck.show(late)["state"] == "cancelled"
    assert deck.processes_of() == []


def test_a_second_server_on_one_home_is_refused(deck: Deck) -> None:
    deck.up(*PRETEND)
    done = deck.qd("up", "--detach", *PRETEND)
    assert done.returncode == 3
    assert str(deck.server_pid()) in done.stderr
    assert "qd down" in done.stderr


def test_the_state_is_rebuilt_from_the_log_alone(deck: Deck) -> None:
    deck.up(*PRETEND)
    ids = [deck.run(f"exit {code}") for code in (0, 1)]
    for job_id in ids:
        deck.qd("wait", job_id)
    before = deck.qd_json("ps", "-a")
    deck.qd("down")
    done = deck.qd("restore")
    assert done.returncode == 0, done.stderr
    assert "2 jobs" in done.stdout
    deck.up_again()
    assert deck.qd_json("ps", "-a") == before


def _submit_all(deck: Deck, shared: Path, chance: Chance) -> list[str]:
    """Submit through a client that finds the server again whenever it comes back."""
    ids = []
    with Client(home=deck.home, patience_s=60.0) as client:
        for _ in range(JOBS):
            line = f"sleep {chance.between(0.1, 3.0):.2f}; echo $QD_JOB_ID >> {shared}"
            ids.append(client.submit(JobRequest(run=line)).id)
    return ids


def _kill_whatever_runs(deck: Deck) -> None:
    """The server, whether it has announced itself yet or is still starting."""
    for pid in deck.server_pids():
        kill_and_wait(pid)


def _settle(deck: Deck) -> None:
    """Let a server that was just spawned come up, or start one."""
    for pid in deck.server_pids():
        kill_and_wait(pid)
    deck.up_again()
