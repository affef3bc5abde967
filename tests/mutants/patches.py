"""The deliberate bugs: patches against `src`, each with an invariant that it breaks and a test that
has to notice.

A patch says who it is in plain lines above the diff, which `git apply` passes over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = Path(__file__).parent
INVARIANTS: Final = (
    "nothing is held twice",
    "gangs run whole or not at all",
    "no accepted job is lost across a crash",
    "nothing runs twice",
    "every waiting job has a verdict, and what is told as a remedy works",
    "the log replays to the same state",
    "limits of teams and people hold",
    "nothing passes a job that is before it",
    "nobody is stopped in vain",
    "who may not see or do is refused",
)
_NAME: Final = re.compile(r"([0-9]{2})-[a-z0-9-]+")
_LINE: Final = re.compile(r"(Invariant|Bug|Killed by): (.+)")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One deliberate bug. `killers` are the tests that have to fail with it, as pytest names them;
    `changed` are the lines of the diff that are taken out or put in."""

    number: str
    patch: Path
    invariant: str
    bug: str
    killers: tuple[str, ...]
    files: tuple[str, ...]
    changed: tuple[str, ...]


def load_mutants() -> list[Mutant]:
    """All of them, by number."""
    return [parse_patch(path) for path in sorted(FOLDER.glob("*.patch"))]


def parse_patch(path: Path) -> Mutant:
    """One of them. Raises `AssertionError` for a file that does not say who it is."""
    name = _NAME.fullmatch(path.stem)
    assert name is not None, f"{path.name} is not called NN-short-name.patch"
    text = path.read_text()
    above, divider, diff = text.partition("\n--- ")
    assert divider, f"{path.name} has no diff"
    told: dict[str, list[str]] = {"Invariant": [], "Bug": [], "Killed by": []}
    for line in above.splitlines():
        if match := _LINE.fullmatch(line):
            told[match[1]].append(match[2])
    (invariant,), (bug,), killers = told["Invariant"], told["Bug"], told["Killed by"]
    lines = f"--- {diff}".splitlines()
    return Mutant(
        name[1],
        path,
        invariant,
        bug,
        tuple(killers),
        tuple(line.removeprefix("+++ b/") for line in lines if line.startswith("+++ ")),
        tuple(line for line in lines if re.match(r"[+-](?!\+\+ |-- )", line)),
    )
