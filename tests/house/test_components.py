"""A test that needs what is not here is skipped with a reason, unless it was promised."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

NEEDY = """
import pytest

@pytest.mark.needs_slurm
def test_needy():
    pass
"""


@pytest.fixture
def outcome(tmp_path: Path, root: Path, request: pytest.FixtureRequest) -> str:
    """What pytest says of a test that needs Slurm, on a machine without it."""
    shutil.copy(root / "tests" / "conftest.py", tmp_path)
    shutil.copy(root / "pyproject.toml", tmp_path)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_needy.py").write_text(NEEDY)
    env = {**os.environ, "PATH": "/nowhere", "QD_TEST_REQUIRE": request.param}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("outcome", ["", "postgres"], indirect=True)
def test_a_missing_component_is_a_skip_with_a_reason(outcome: str) -> None:
    assert "1 skipped" in outcome
    assert "needs slurm: no sinfo and sbatch" in outcome


@pytest.mark.parametrize("outcome", ["slurm", "postgres, slurm"], indirect=True)
def test_a_missing_component_that_was_promised_is_a_failure(outcome: str) -> None:
    assert "1 error" in outcome or "1 failed" in outcome
    assert "QD_TEST_REQUIRE names slurm, but: no sinfo and sbatch" in outcome


@pytest.mark.parametrize("outcome", ["postgers"], indirect=True)
def test_a_misspelt_promise_is_refused(outcome: str) -> None:
    assert "QD_TEST_REQUIRE names ['postgers']" in outcome
