"""Types `qd` commands inside this process, with all verbs that the console script has."""

from __future__ import annotations

from dataclasses import dataclass

from click.testing import CliRunner

from quarterdeck.cli.main import build_cli
from quarterdeck.wiring.entry import WIRED


@dataclass(frozen=True)
class Typed:
    """What came of it."""

    code: int
    out: str
    err: str


def qd(*arguments: str) -> Typed:
    """Run it. An exception that is not of the house fails the test with its traceback."""
    done = CliRunner().invoke(build_cli(WIRED), arguments, prog_name="qd")
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Typed(done.exit_code, done.stdout, done.stderr)


def assert_refused(done: Typed, *told: str, code: int = 3) -> None:
    """One error of two lines for a person: what is wrong with which value, and what to do."""
    lines = done.err.splitlines()
    assert done.code == code, done
    assert done.out == ""
    assert [line.partition(":")[0] for line in lines] == ["error", "hint"], done.err
    assert "Traceback" not in done.err
    assert len(done.err) < 1000
    assert done.err.replace("\n", "").isprintable()
    for one in told:
        assert one in done.err, done.err
