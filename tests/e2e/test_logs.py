"""Logs through a real server: parts of them, and a flood that is in nobody's way."""

from __future__ import annotations

from tests.e2e.deck import Deck, until


def test_a_part_of_a_log_by_lines_time_and_text(deck: Deck) -> None:
    deck.up("--pretend", "dgx-a100:1")
    job_id = deck.run("seq 1000; sleep 2.5; echo late 1; printf 'late 2'")
    assert deck.qd("wait", job_id).returncode == 0
    whole = deck.qd("logs", job_id).stdout
    assert whole == "".join(f"{n}\n" for n in range(1, 1001)) + "late 1\nlate 2"
    assert deck.qd("logs", job_id, "--tail", "3").stdout == "1000\nlate 1\nlate 2"
    assert deck.qd("logs", job_id, "--grep", "late").stdout == "late 1\nlate 2"
    assert deck.qd("logs", job_id, "--grep", "99", "--tail", "10").stdout == "993\n".replace(
        "993\n", "".join(f"{n}\n" for n in range(993, 1000))
    )
    assert deck.qd("logs", job_id, "-f", "--grep", "late 2").stdout == "late 2"
    assert deck.qd("logs", job_id, "--since", "1h").stdout == whole
    assert deck.qd("logs", job_id, "--tail", "0").stdout == ""


def test_since_leaves_out_what_is_older(deck: Deck) -> None:
    deck.up("--pretend", "dgx-a100:1")
    job_id = deck.run("echo early; sleep 4; echo late; sleep 1000")
    until(lambda: "late" in deck.qd("logs", job_id).stdout)
    assert deck.qd("logs", job_id, "--since", "2s").stdout == "late\n"
    deck.qd("cancel", job_id)


def test_a_flood_is_marked_and_followed_to_its_last_word(deck: Deck) -> None:
    deck.up("--pretend", "dgx-a100:1")
    job_id = deck.run("head -c 150000000 /dev/zero | tr '\\0' x | fold -w 100; echo; echo end")
    followed = deck.qd("logs", job_id, "-f").stdout
    assert "bytes left out here: more than 10MiB/s]\n" in followed
    assert followed.endswith("\nend\n")
    assert followed == deck.qd("logs", job_id).stdout
