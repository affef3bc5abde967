"""docs/states.md is what the tables give."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from quarterdeck.core.jobs import states
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.states import JOB_STEPS, JobSignal, JobState
from quarterdeck.core.scheduling.plan import Blocker
from quarterdeck.testing.state_diagram import draw_states


def test_the_drawing_is_what_the_tables_give(root: Path) -> None:
    assert (root / "docs" / "states.md").read_text(encoding="utf-8") == draw_states(), (
        "draw it again: python -m quarterdeck.testing.state_diagram > docs/states.md"
    )


def test_the_drawing_can_be_made_from_the_command_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "quarterdeck.testing.state_diagram"],
        capture_output=True,
        check=True,
        env={"PYTHONPATH": str(Path(states.__file__).parents[3]), "PYTHONUTF8": "1"},
    )
    assert done.stdout.decode() == draw_states()


def test_every_step_is_drawn_and_no_other() -> None:
    job = draw_states().split("## Attempt")[0]
    drawn = set(re.findall(r"^    (\w+) --> (\w+): (\w+)$", job, re.MULTILINE))
    assert drawn == {
        (state, target, signal)
        for state, row in JOB_STEPS.items()
        for signal, target in row.items()
    }


def test_a_changed_table_changes_the_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = draw_states()
    row = {**JOB_STEPS[JobState.QUEUED], JobSignal.FAIL: JobState.FAILED}
    monkeypatch.setitem(JOB_STEPS, JobState.QUEUED, row)
    assert draw_states() != before


@pytest.mark.parametrize("codes", [Reason, Blocker])
def test_every_code_is_explained(codes: type[Reason] | type[Blocker]) -> None:
    for code in codes:
        assert re.search(rf"^\| `{code}` \| [A-Z].{{10,}}[.] \|$", draw_states(), re.MULTILINE)
