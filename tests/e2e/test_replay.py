"""A server that lost a node, was killed and started again, told again plan for plan."""

from __future__ import annotations

import json
from pathlib import Path

from tests.e2e.deck import Deck, until

TIMES = ("--from", "1h")


def test_a_lost_node_ends_what_runs_there_and_comes_back(deck: Deck) -> None:
    deck.up("--pretend", "dgx-a100:2")
    job_id = deck.run("--gpus", "8", "--nodes", "2", "echo $$ > $QD_RESULTS/pid; exec sleep 600")
    pids = until(lambda: find_pids(deck, job_id))
    (deck.site / "lost-nodes").write_text("dgx-2\nno-such-node\n")
    job = until(lambda: ended(deck, job_id))
    assert (job["state"], job["reason"]) == ("failed", "node_failure")
    until(lambda: not any(map(is_alive, pids)))
    assert states(deck) == {"dgx-1": "ready", "dgx-2": "down"}
    waiting = deck.run("--gpus", "8", "--nodes", "2", "true")
    assert deck.qd("wait", waiting, "--timeout", "2").returncode != 0
    (deck.site / "lost-nodes").unlink()
    assert deck.qd("wait", waiting).returncode == 0
    assert states(deck) == {"dgx-1": "ready", "dgx-2": "ready"}
    assert "names 1 that are no node: 'no-such-node'" in deck.server_log()


def test_every_plan_of_a_server_that_was_killed_is_made_again(deck: Deck) -> None:
    deck.up("--pretend", "dgx-a100:2")
    for nodes in ("1", "2", "1"):
        deck.run("--gpus", "8", "--nodes", nodes, "sleep 1")
    deck.kill_server()
    deck.up_again()
    last = deck.run("--gpus", "8", "true")
    assert deck.qd("wait", last).returncode == 0
    beside = deck.qd("sim", "replay", *TIMES, "-o", "json")
    assert beside.returncode == 0, beside.stderr + beside.stdout
    told = json.loads(beside.stdout)
    assert told["cycles"] == told["same"] > 3
    assert told["differences"] == []
    assert [start["start"] for start in told["starts"]] == [1, 2]
    assert any("did not end in order" in remark for remark in told["remarks"])
    deck.qd("down")
    after = deck.qd("sim", "replay", *TIMES)
    assert after.returncode == 0
    assert " the same; 4 placements as the log of events has them" in after.stdout


def find_pids(deck: Deck, job_id: str) -> list[int]:
    files = [*deck.site.glob(f"results/{job_id}/1/*/pid")]
    texts = [path.read_text().strip() for path in files]
    return [int(text) for text in texts] if len(texts) == 2 and all(texts) else []


def ended(deck: Deck, job_id: str) -> dict[str, str] | None:
    job: dict[str, str] = deck.show(job_id)
    return job if job["state"] in ("failed", "succeeded", "cancelled") else None


def states(deck: Deck) -> dict[str, str]:
    return {node["name"]: node["state"] for node in deck.qd_json("node")["nodes"]}


def is_alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
