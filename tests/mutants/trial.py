"""A copy of the tree, with a deliberate bug or without, and what a test says to it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

RUN_S_MAX: Final = 180.0
_NOTICED: Final = re.compile(r"assert\b|AssertionError|Failed: |quarterdeck\.")
"""How a failure begins that says that something is wrong: an assertion, a `pytest.raises` without
an error, or an error of the house. A `NameError` says only that the patch is nonsense."""


class Said(StrEnum):
    """What a test said."""

    PASSED = "passed"
    FAILED = "failed"
    """By an assertion or an error of the house."""
    BROKEN = "broken"
    """It was skipped, not found, hung, or failed for another reason: that proves nothing."""


def copy_tree(source: Path, target: Path) -> None:
    """Everything that git tracks or would track, as it lies in the working tree."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=source,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in sorted(set(listed.stdout.split("\0")) - {""}):
        if (source / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, target / name)


def apply_patch(patch: Path, tree: Path, *, is_check: bool = False) -> str:
    """Apply it, or only look whether it would; says what git has against it, nothing if nothing."""
    done = subprocess.run(
        ["git", "apply", *(["--check"] if is_check else []), str(patch)],
        cwd=tree,
        # A temporary folder may lie inside of some repository, and is none of its business.
        env={**os.environ, "GIT_CEILING_DIRECTORIES": str(tree.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr.strip() if done.returncode else ""


def run_test(tree: Path, test: str, report: Path) -> Said:
    """Run a test, up to the first failure, on the code of that tree."""
    paths = os.pathsep.join((str(tree / "src"), str(tree)))
    # With CI the property tests draw the same examples each time.
    env = {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1", "CI": "1"}
    options = ("-q", "-x", "--tb=short", "-p", "no:cacheprovider", f"--junitxml={report}")
    try:
        subprocess.run(
            [sys.executable, "-m", "pytest", *options, test],
            cwd=tree,
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=RUN_S_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Said.BROKEN
    return read_report(report)


def read_report(report: Path) -> Said:
    """What pytest's report amounts to."""
    if not report.exists():
        return Said.BROKEN
    cases = list(ET.parse(report).iter("testcase"))
    outcomes = [child for case in cases for child in case if child.tag != "properties"]
    ends = [one for one in outcomes if one.tag in ("failure", "error", "skipped")]
    if not cases or any(one.tag != "failure" for one in ends):
        return Said.BROKEN
    if not ends:
        return Said.PASSED
    is_noticed = all(_NOTICED.match(one.get("message", "")) for one in ends)
    return Said.FAILED if is_noticed else Said.BROKEN
