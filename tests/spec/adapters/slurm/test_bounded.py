"""A command that hangs, floods or is not there does not hold us up."""

from __future__ import annotations

import os
from pathlib import Path
from time import monotonic

import pytest

from quarterdeck.adapters.engines.slurm.bounded import ERROR_BYTES_MAX, Finished, run_bounded

ENV = {"PATH": os.environ["PATH"], "ONLY": "this"}


def run(script: str, *, stdin: bytes = b"", timeout_s: float = 20, most: int = 1 << 20) -> Finished:
    return run_bounded(
        ["sh", "-c", script], ENV, stdin=stdin, timeout_s=timeout_s, output_bytes_max=most
    )


def test_what_it_says_and_how_it_ends() -> None:
    done = run("cat; echo $ONLY $HOME; echo wrong >&2; exit 3", stdin=b"given \xff ")
    assert done == Finished(3, "given \N{REPLACEMENT CHARACTER} this\n", "wrong\n")


def test_one_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    began = monotonic()
    done = run(f"echo before; sleep 300 & echo $! >{tmp_path}/pid; wait", timeout_s=0.5)
    assert done.is_late
    assert done.output == "before\n"
    assert monotonic() - began < 10
    stat = Path(f"/proc/{int((tmp_path / 'pid').read_text())}/stat")
    assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_flood_is_stopped() -> None:
    done = run("yes", most=10_000)
    assert done.is_too_long
    assert not done.is_late


def test_a_flood_of_errors_is_cut() -> None:
    done = run("yes wrong | head -c 5000000 >&2; echo said")
    assert (done.code, done.output) == (0, "said\n")
    assert len(done.error) <= ERROR_BYTES_MAX


def test_one_that_closes_its_ends_and_stays_is_ended_at_the_deadline() -> None:
    began = monotonic()
    assert run("exec >&- 2>&-; sleep 300", timeout_s=0.5).is_late
    assert monotonic() - began < 10


def test_one_that_is_not_there() -> None:
    with pytest.raises(OSError, match="nowhere"):
        run_bounded(["/nowhere/x"], ENV, timeout_s=1, output_bytes_max=1)
