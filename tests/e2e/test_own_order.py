"""On a real server: somebody's own order is there as a whole or not at all, and it is followed."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from quarterdeck.basics.errors import QuarterdeckError
from tests.e2e.deck import Deck, until

WHOLE = ("-G", "8")
KILLS = 3


def _reorder_until(deck: Deck, orders: list[list[str]], is_over: threading.Event) -> int:
    """One order after the other, as long as a server answers; says how many were answered."""
    done = 0
    while not is_over.is_set():
        with suppress(QuarterdeckError), deck.client() as client:
            client.patience_s = 0.0
            while not is_over.is_set():
                client.reorder(orders[done % 2])
                done += 1
    return done


def test_an_order_holds_whole_or_not_at_all_whenever_the_server_is_killed(
    deck: Deck, tmp_path: Path
) -> None:
    deck.up("--pretend", "dgx-a100:1")
    go, story = tmp_path / "go", tmp_path / "story"
    first = deck.run(*WHOLE, f"while [ ! -e {go} ]; do sleep 0.05; done")
    until(lambda: deck.show(first)["state"] == "running")
    jobs = [deck.run(*WHOLE, f"echo $QD_JOB_ID >> {story}") for _ in range(5)]
    orders = [jobs[::-1], jobs]
    for _ in range(KILLS):
        is_over = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            asking = pool.submit(_reorder_until, deck, orders, is_over)
            threading.Event().wait(0.3)
            deck.kill_server()
            is_over.set()
            assert asking.result(timeout=60) > 0
        deck.up_again()
        assert deck.qd("queue", "-o", "name").stdout.split() in orders
    wanted = [jobs[place] for place in (3, 0, 4, 1, 2)]
    told = deck.qd_json("reorder", *wanted)
    assert [(one["id"], one["position"]) for one in told["jobs"]] == [
        (job_id, place) for place, job_id in enumerate(wanted, start=1)
    ]
    go.touch()
    for job_id in jobs:
        assert deck.qd("wait", job_id).returncode == 0
    assert story.read_text().split() == wanted
    replayed = deck.qd("sim", "replay", "--from", "1h")
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
