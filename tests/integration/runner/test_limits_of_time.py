"""A time limit ends a command as a stop does, and every stop is announced."""

from __future__ import annotations

import time
from pathlib import Path

from tests.integration.runner.ground import Ground, until


def said(folder: Path) -> list[str]:
    """The log's lines, without what a shell says of its own children."""
    return [line for line in (folder / "log").read_text().splitlines() if line != "Terminated"]


def test_a_time_limit_warns_then_waits_then_kills(ground: Ground) -> None:
    ground.start_launcher()
    folder = ground.order(
        "trap 'echo warned; [ -e $QD_STOP ] && echo told' TERM; while :; do sleep 0.05; done",
        time_limit_s=0.5,
        grace_s=0.5,
    )
    ground.launch(folder)
    exited = ground.fact(folder, "exited")
    started, stopping = ground.fact(folder, "started"), ground.fact(folder, "stopping")
    assert stopping["reason"] == "timed_out"
    assert 0.5e9 <= stopping["at_ns"] - started["at_ns"] < 3e9
    assert exited["at_ns"] - stopping["at_ns"] >= 0.4e9
    assert exited["reason"] == "timed_out"
    assert "0.5s" in exited["message"]
    assert exited["ranks"] == [{"rank": 0, "code": None, "signal": 9, "stopped": True}]
    # The shell may live long enough to say that its `sleep` was killed.
    assert [line for line in said(folder) if line != "Killed"] == ["warned", "told"]


def test_a_command_that_ends_well_in_its_grace_has_still_run_out_of_time(ground: Ground) -> None:
    _, exited = ground.run_to_end(
        "trap 'exit 0' TERM; while :; do sleep 0.02; done", time_limit_s=0.3, grace_s=100.0
    )
    assert (exited["reason"], exited["ranks"][0]["code"]) == ("timed_out", 0)


def test_a_command_that_is_quicker_than_its_limit_knows_nothing_of_it(ground: Ground) -> None:
    folder, exited = ground.run_to_end("[ -e $QD_STOP ] && echo told; true", time_limit_s=100.0)
    assert exited["reason"] == "completed"
    assert [fact["kind"] for fact in ground.facts(folder)] == ["started", "exited"]
    assert (folder / "log").read_text() == ""


def test_a_limit_that_passes_during_a_stop_changes_nothing(ground: Ground) -> None:
    ground.start_launcher()
    folder = ground.order("trap '' TERM; while :; do sleep 0.05; done", time_limit_s=1.0)
    ground.launch(folder)
    ground.fact(folder, "started")
    ground.ask_to_stop(folder, 2.0)
    assert ground.fact(folder, "exited")["reason"] == "stopped"
    assert not any(fact["kind"] == "stopping" for fact in ground.facts(folder))


def test_a_stop_from_outside_makes_the_sign_before_the_signal(ground: Ground) -> None:
    ground.start_launcher()
    folder = ground.order(
        "trap '[ -e $QD_STOP ] && echo told; exit 0' TERM; [ -e $QD_STOP ] || echo up; "
        "while :; do sleep 0.02; done"
    )
    ground.launch(folder)
    until(lambda: (folder / "log").exists() and (folder / "log").read_text() == "up\n")
    ground.ask_to_stop(folder, 100.0)
    ground.fact(folder, "exited")
    assert said(folder) == ["up", "told"]


def test_a_failed_rank_is_such_a_stop_too(ground: Ground) -> None:
    folder, _ = ground.run_to_end(
        "[ $LOCAL_RANK = 1 ] && sleep 0.5 && exit 3; "
        "trap '[ -e $QD_STOP ] && echo told; exit 0' TERM; while :; do sleep 0.02; done",
        ranks_per_node=2,
    )
    assert said(folder) == ["told"]


def test_a_waiting_limit_costs_nothing(ground: Ground) -> None:
    ground.start_launcher()
    folder = ground.order("exec sleep 1000", time_limit_s=500.0)
    ground.launch(folder)
    stat = Path(f"/proc/{ground.fact(folder, 'started')['pid']}/stat")
    before, since = stat.read_text().split()[13:15], time.monotonic()
    until(lambda: time.monotonic() - since > 1)
    assert sum(map(int, stat.read_text().split()[13:15])) - sum(map(int, before)) <= 1


def test_who_was_warned_has_its_grace_though_the_shell_around_it_ends_at_once(
    ground: Ground,
) -> None:
    saver = "trap 'sleep 0.3; echo saved; exit 0' TERM; while :; do sleep 0.02; done"
    folder, exited = ground.run_to_end(
        f'sh -c "{saver}"; echo never', time_limit_s=0.5, grace_s=100.0
    )
    assert exited["ranks"][0]["signal"] == 15
    assert said(folder) == ["saved"]


def test_who_ignores_the_warning_behind_a_shell_is_killed_after_the_grace(ground: Ground) -> None:
    _, exited = ground.run_to_end(
        "sh -c \"trap '' TERM; while :; do sleep 0.02; done\"; echo never",
        time_limit_s=0.3,
        grace_s=0.4,
    )
    assert exited["reason"] == "timed_out"
