"""The deliberate bugs still fit the code: each applies, is small, and says what it breaks and what
notices.

That they are noticed is tried by `make mutants`, which takes minutes.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.mutants.patches import INVARIANTS, ROOT, Mutant, load_mutants, parse_patch
from tests.mutants.trial import Said, apply_patch, read_report

MUTANTS = load_mutants()
LINES_MAX = 10
BUG_CHARS_MAX = 200


def test_there_are_two_for_each_invariant() -> None:
    assert Counter(one.invariant for one in MUTANTS) == dict.fromkeys(INVARIANTS, 2)
    assert [one.number for one in MUTANTS] == [f"{n:02d}" for n in range(1, len(MUTANTS) + 1)]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: one.number)
def test_each_is_small_and_in_the_source(mutant: Mutant) -> None:
    assert 1 <= len(mutant.changed) <= LINES_MAX
    assert all(file.startswith("src/quarterdeck/") for file in mutant.files)
    assert mutant.bug.endswith(".")
    assert len(mutant.bug) <= BUG_CHARS_MAX
    assert 1 <= len(mutant.killers) <= 2


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: one.number)
def test_each_applies_to_the_code_as_it_is(mutant: Mutant) -> None:
    if shutil.which("git") is None:
        pytest.skip("there is no git here")
    assert apply_patch(mutant.patch, ROOT, is_check=True) == ""


def test_the_tests_that_they_name_are_there() -> None:
    """Pytest ends with 4 when one of the names is of nothing."""
    tests = sorted({test for one in MUTANTS for test in one.killers})
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider", *tests],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_list_in_the_docs_is_theirs() -> None:
    listed = (ROOT / "docs" / "testing.md").read_text()
    assert [one.bug for one in MUTANTS if f"| {one.number} | {one.bug} |" not in listed] == []
    assert [one for one in INVARIANTS if one not in listed] == []


CASES = {
    "": Said.BROKEN,
    "<testcase/>": Said.PASSED,
    '<testcase><failure message="assert 1 == 2"/></testcase>': Said.FAILED,
    '<testcase/><testcase><failure message="AssertionError: no"/></testcase>': Said.FAILED,
    '<testcase><failure message="Failed: DID NOT RAISE"/></testcase>': Said.FAILED,
    '<testcase><failure message="quarterdeck.basics.errors.Invalid: x"/></testcase>': Said.FAILED,
    '<testcase><failure message="NameError: x"/></testcase>': Said.BROKEN,
    '<testcase><error message="collection failure"/></testcase>': Said.BROKEN,
    '<testcase><skipped message="no torch"/></testcase>': Said.BROKEN,
}


@pytest.mark.parametrize(("cases", "said"), CASES.items())
def test_only_a_failure_that_says_something_is_wrong_counts(
    tmp_path: Path, cases: str, said: Said
) -> None:
    report = tmp_path / "report.xml"
    assert read_report(report) is Said.BROKEN
    report.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    assert read_report(report) is said


def test_a_patch_that_does_not_say_who_it_is_is_no_patch(tmp_path: Path) -> None:
    nameless = tmp_path / "bug.patch"
    nameless.write_text(MUTANTS[0].patch.read_text())
    with pytest.raises(AssertionError, match="NN-short-name"):
        parse_patch(nameless)
    without = tmp_path / "01-bug.patch"
    without.write_text("Invariant: none\n")
    with pytest.raises(AssertionError, match="no diff"):
        parse_patch(without)
