"""A real server with pretended GPUs keeps to its calendar, also when it is killed."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from quarterdeck.sdk import JobRequest
from tests.e2e.deck import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.deck import Deck

PRETEND = ("--pretend", "dgx-a100:1")
AHEAD_S = 25


def job(deck: Deck, line: str = "sleep 1000", **changes: Any) -> str:
    """All GPUs of a node, with a second to end in."""
    body = {"run": line, "resources": {"gpu": 8}, "checkpoint": {"grace": "1s"}, **changes}
    with deck.client() as client:
        return client.submit(JobRequest.model_validate(body)).id


def reserve(deck: Deck, *options: str) -> Any:
    done = deck.qd("reserve", "--zone", "Europe/Berlin", *options, "-o", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def state_of(deck: Deck, job_id: str) -> str:
    return str(deck.show(job_id)["state"])


def test_a_reservation_is_kept_over_a_hard_kill(deck: Deck) -> None:
    """A long job waits and hears why and what to do, a short one starts, and when the time has
    come the owner's job has the node, though the server was killed meanwhile."""
    deck.up(*PRETEND)
    deck.qd("team", "create", "vision")
    deck.qd("team", "add", "vision", deck.qd_json("whoami")["name"])
    made = reserve(deck, "-t", "vision", "-N", "1", "--start", f"+{AHEAD_S}s", "--span", "10m")
    assert made["state"] == "approved"
    times = deck.qd_json("calendar")["times"]
    begins = datetime.fromisoformat(times[0]["start"])
    long = job(deck, time_limit="1h")
    told = until(lambda: deck.qd_json("explain", long)["verdict"])
    assert told["blocked_by"] == "reserved"
    assert made["id"] in told["message"]
    assert f"reservation {made['id']} needs nodes that have room from" in told["message"]
    short = job(deck, "echo short", time_limit="2s")
    assert deck.qd("wait", short, "--timeout", "20").returncode == 0
    deck.kill_server()
    deck.up_again()
    assert [one["id"] for one in deck.qd_json("calendar")["bookings"]] == [made["id"]]
    assert state_of(deck, long) == "queued"
    started = deck.show(short)["attempts"][0]["started_at"]
    assert datetime.fromisoformat(started) < begins
    until(lambda: "keeps the nodes" in deck.qd("explain", long).stdout, within_s=AHEAD_S + 20)
    own = job(deck, team="vision", time_limit="1h")
    until(lambda: state_of(deck, own) == "running")
    assert datetime.fromisoformat(deck.show(own)["attempts"][0]["started_at"]) >= begins
    assert state_of(deck, long) == "queued"


def test_what_is_proposed_starts_the_job(deck: Deck) -> None:
    deck.up(*PRETEND)
    deck.qd("team", "create", "vision")
    reserve(deck, "-t", "vision", "-N", "1", "--start", "+1h", "--span", "1h")
    long = job(deck, "true")
    view = until(lambda: deck.qd_json("explain", long)["verdict"])
    assert list(view["change"]) == ["time_limit"]
    for command in view["commands"]:
        assert deck.qd(*command.removeprefix("qd ").split()).returncode == 0, command
    jobs = deck.qd_json("ps", "-a")["jobs"]
    cloned = next(one for one in jobs if one["id"] != long)
    assert deck.qd("wait", cloned["id"], "--timeout", "20").returncode == 0


def test_a_maintenance_drains_its_nodes_and_the_job_goes_on_afterwards(
    deck: Deck, tmp_path: Path
) -> None:
    deck.up(*PRETEND)
    go_on = tmp_path / "go-on"
    line = "[ $QD_ATTEMPT = 2 ] && exit 0; trap 'exit 0' TERM; while :; do sleep 0.1; done"
    running = job(deck, f"touch {go_on}; {line}")
    until(go_on.exists)
    node = deck.qd_json("node")["nodes"][0]["name"]
    done = deck.qd("reserve", "--maintenance", "--nodes", node, "--start", "+3s", "--span", "5s")
    assert done.returncode == 0, done.stderr
    assert deck.qd("wait", running, "--timeout", "40").returncode == 0
    attempts = deck.show(running)["attempts"]
    assert [one["reason"] for one in attempts] == ["node_drained", "completed"]


def test_a_conflict_is_explained_and_nothing_is_booked(deck: Deck) -> None:
    deck.up(*PRETEND)
    deck.qd("team", "create", "vision")
    reserve(deck, "-t", "vision", "-N", "1", "--start", "2027-12-06 09:00", "--span", "8h")
    for dry in ((), ("--dry-run",)):
        done = deck.qd(
            "reserve", "-t", "default", "-N", "1", "--start", "2027-12-06 10:00", "--span", "1h",
            "--zone", "Europe/Berlin", *dry,
        )  # fmt: skip
        assert done.returncode == 3
        assert "0 of 1 would be left Mon 6 Dec 2027 10:00–11:00 Europe/Berlin" in done.stderr
        assert "of team vision has 1 node" in done.stderr
        assert "all of it would fit from Mon 6 Dec 2027 17:00 Europe/Berlin" in done.stderr
    assert len(deck.qd_json("calendar")["bookings"]) == 1
