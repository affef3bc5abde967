"""A job that fits nowhere since what is free is scattered: another one moves, and both go on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.e2e.deck import Deck, until

if TYPE_CHECKING:
    from pathlib import Path

TRAIN = """
trap 'while [ ! -e {may_end} ]; do sleep 0.05; done; echo $step > $QD_CHECKPOINT/step; exit 0' TERM
step=0
[ -f $QD_CHECKPOINT/step ] && step=$(cat $QD_CHECKPOINT/step) && echo going on at $step
while :; do step=$((step+1)); sleep 0.05; done
"""
POLICY = "moves: 2\nmoves_percent: 100\nmin_runtime: 1s\n"


def test_one_of_two_halves_moves_for_a_whole_node_and_goes_on_from_its_checkpoint(
    deck: Deck, tmp_path: Path
) -> None:
    """The server is killed while it stops, and somebody waits who would like what is free."""
    deck.up("--pretend", "dgx-a100:2")
    (deck.home / "policy.yaml").write_text(POLICY)
    until(lambda: deck.qd_json("policy", "show")["moves"] == 2)
    may_end, folder = tmp_path / "may-end", tmp_path / "work"
    folder.mkdir()

    def submit(name: str, gpus: int, run: str, **keys: Any) -> str:
        job = {"name": name, "run": run, "resources": {"gpu": gpus}, **keys}
        (folder / "job.yaml").write_text(json.dumps(job))
        done = deck.qd("submit", "job.yaml", "-q", cwd=folder)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def states(*jobs: str) -> list[str]:
        return [deck.show(job_id)["state"] for job_id in jobs]

    def half(name: str) -> str:
        keys = {"checkpoint": {"path": "ckpt", "grace": "5m"}, "workdir": "."}
        return submit(name, 4, TRAIN.format(may_end=may_end), **keys)

    between = submit("between", 8, "sleep 600")
    until(lambda: states(between) == ["running"])
    # Two halves fill the other node, and a third waits until there is a node for it.
    first, second, third = half("first"), half("second"), half("third")
    until(lambda: states(first, second) == ["running"] * 2)
    assert deck.qd("cancel", between).returncode == 0
    until(lambda: states(third) == ["running"])
    assert deck.qd("cancel", second).returncode == 0
    may_end.touch()
    until(lambda: states(second) == ["cancelled"])
    may_end.unlink()
    had = {job_id: nodes_of(deck, job_id) for job_id in (first, third)}
    assert had[first] != had[third]

    whole = submit("whole", 8, "sleep 600")
    moved = until(
        lambda: next((one for one in (first, third) if states(one) == ["stopping"]), None),
        within_s=60,
    )
    (stayed,) = {first, third} - {moved}
    (to,) = had[stayed]
    shown = deck.show(moved)
    assert shown["reason"] == "preempted"
    assert shown["message"] == (
        f"it moves to {to} so that a job fits that needs 8 GPUs of one node, and goes on there"
    )
    assert f"then it goes on at {to}" in deck.qd("explain", moved).stdout
    assert "a job moves for it" in deck.qd("explain", whole).stdout
    greedy = submit("greedy", 4, "sleep 600", priority="high")
    deck.kill_server()
    may_end.touch()
    deck.up_again()
    until(lambda: states(moved, whole) == ["running"] * 2)

    assert (nodes_of(deck, moved), nodes_of(deck, whole)) == (had[stayed], had[moved])
    until(lambda: "going on at" in deck.qd("logs", moved).stdout)
    again = deck.show(moved)
    assert [(one["number"], one["reason"]) for one in again["attempts"]] == [
        (1, "preempted"), (2, None),
    ]  # fmt: skip
    assert again["retries"] == 0
    assert "it moved here" in deck.qd("explain", moved).stdout
    assert states(stayed, greedy) == ["running", "queued"]
    told = deck.qd_json("sim", "replay", "--from", "1h")
    assert (told["cycles"] == told["same"], told["differences"]) == (True, [])


def nodes_of(deck: Deck, job_id: str) -> set[str]:
    return {grant["node"] for grant in deck.show(job_id)["placement"]}
