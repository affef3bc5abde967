"""`python -m tests.mutants [NN…]`: every deliberate bug is noticed by the tests that it names.

Each is tried on a copy of the tree. First the tests have to pass on a copy without it, because a
test that fails anyway notices nothing. Exits with 1 if one of the bugs survives.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Final

from tests.mutants.patches import ROOT, load_mutants
from tests.mutants.trial import Said, apply_patch, copy_tree, run_test

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.mutants.patches import Mutant

AT_ONCE: Final = 2


def main(numbers: Sequence[str]) -> int:
    """Try these, or all."""
    mutants = [one for one in load_mutants() if not numbers or one.number in numbers]
    if unknown := set(numbers) - {one.number for one in mutants}:
        _say(f"there is no patch {', '.join(sorted(unknown))}")
        return 2
    started_s = monotonic()
    with tempfile.TemporaryDirectory(prefix="qd-mutants-") as folder:
        base = Path(folder) / "as-it-is"
        copy_tree(ROOT, base)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            tests = sorted({test for one in mutants for test in one.killers})
            reports = [Path(folder) / f"as-it-is-{number}.xml" for number in range(len(tests))]
            said = pool.map(lambda pair: run_test(base, *pair), zip(tests, reports, strict=True))
            healthy = {test for test, one in zip(tests, said, strict=True) if one is Said.PASSED}
            survived = 0
            _say("NN  invariant  |  bug  |  killed by  |  seconds")
            for line, is_killed in pool.map(lambda one: _try(one, base, healthy), mutants):
                _say(line)
                survived += not is_killed
    _say(f"{len(mutants) - survived} of {len(mutants)} killed in {monotonic() - started_s:.0f} s")
    return 1 if survived else 0


def _try(mutant: Mutant, base: Path, healthy: set[str]) -> tuple[str, bool]:
    """A row of the table, and whether every test that it names has noticed."""
    started_s = monotonic()
    tree = base.parent / mutant.number
    copy_tree(ROOT, tree)
    told = apply_patch(mutant.patch, tree)
    is_killed = not told
    for number, test in enumerate(mutant.killers):
        if told:
            break
        if test not in healthy:
            told = f"{test} does not pass without it"
        else:
            said = run_test(tree, test, tree.parent / f"{mutant.number}-{number}.xml")
            told = "" if said is Said.FAILED else f"{test} {said}"
        is_killed = not told
    shutil.rmtree(tree, ignore_errors=True)
    by = ", ".join(test.rpartition("::")[2] for test in mutant.killers)
    outcome = by if is_killed else f"NOT KILLED: {told.splitlines()[0]}"
    spent_s = monotonic() - started_s
    row = f"{mutant.number}  {mutant.invariant}  |  {mutant.bug}  |  {outcome}  |  {spent_s:.1f}"
    return row, is_killed


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("numbers", nargs="*", metavar="NN", help="only these")
    sys.exit(main(parser.parse_args().numbers))
