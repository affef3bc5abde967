"""Retention as a person sees it."""

from __future__ import annotations

import json

from tests.e2e.deck import Deck, until

PRETEND = ("--pretend", "dgx-a100:1")


def test_what_was_deleted_is_planned_first_and_told_afterwards(deck: Deck) -> None:
    deck.up(*PRETEND, "--keep", "logs=1s", "--keep", "results=1s")
    job_id = deck.run("echo hi; echo 42 > $QD_RESULTS/x; echo 1 > $QD_CHECKPOINT/step")
    assert deck.qd("wait", job_id).returncode == 0
    until(lambda: deck.qd_json("gc", "--plan")["count"] == 2)
    assert deck.qd("logs", job_id).stdout == "hi\n"
    planned = deck.qd("gc", "--plan").stdout
    assert f"{job_id}/1" in planned
    assert "2 would be deleted" in planned
    swept = deck.qd_json("gc")
    assert {kind["kind"] for kind in swept["kinds"]} == {"logs", "results"}
    assert (swept["count"], swept["dry_run"], swept["is_complete"]) == (2, False, True)
    for verb in ("logs", "results"):
        gone = deck.qd(verb, job_id)
        assert gone.returncode == 3
        assert "deleted on" in gone.stderr
        assert "by retention" in gone.stderr
    assert "deleted on" in deck.qd("logs", "-f", job_id).stderr
    assert list((deck.site / "checkpoints" / job_id).iterdir())


def test_the_server_sweeps_by_itself(deck: Deck) -> None:
    deck.up(*PRETEND)
    job_id = deck.run("echo hi")
    assert deck.qd("wait", job_id).returncode == 0
    until((deck.site / "ended" / job_id / "1" / "0").exists)
    deck.environment["QD_KEEP_LOGS"] = "0s"
    deck.kill_server()
    deck.up_again()
    until(lambda: not (deck.site / "ended" / job_id / "1" / "0").exists())
    assert "deleted on" in deck.qd("logs", job_id).stderr


def test_a_requeue_without_its_work_folder_is_refused(deck: Deck) -> None:
    deck.up(*PRETEND)
    folder = deck.home.parent / "project"
    folder.mkdir()
    (folder / "said.txt").write_text("hi\n")
    done = deck.qd("run", "-o", "json", "--detach", "--", "cat", "said.txt", cwd=folder)
    job_id = str(json.loads(done.stdout)["id"])
    assert deck.qd("wait", job_id).returncode == 0
    deck.kill_server()
    for blob in (deck.home / "blobs").glob("??/*"):
        blob.unlink()
    deck.up_again()
    refused = deck.qd("requeue", job_id)
    assert refused.returncode == 3
    assert "work folder" in refused.stderr
    assert "submit the job anew" in refused.stderr
