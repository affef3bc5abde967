"""Draws docs/states.md from the state tables, so that the drawing cannot be wrong.

`python -m quarterdeck.testing.state_diagram > docs/states.md`; a test compares the two.
"""

from __future__ import annotations

import ast
import inspect
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.states import (
    ATTEMPT_STEPS,
    JOB_STEPS,
    REPLICA_STEPS,
    AttemptSignal,
    AttemptState,
    JobSignal,
    JobState,
    ReplicaSignal,
    ReplicaState,
)
from quarterdeck.core.scheduling.plan import Blocker

if TYPE_CHECKING:
    from collections.abc import Mapping

_HEAD: Final = """\
<!-- Written by `python -m quarterdeck.testing.state_diagram`; change the tables, not this file. -->

# States

A job has numbered attempts, an attempt has one replica per node. Each of the three moves by its own
table and by nothing else; a step that no table holds is a bug and raises `IllegalStep` with the
job's story. In the tables, `–` marks a signal that cannot come in that state.
"""


class _Machine(NamedTuple):
    """One table, with what a reader should know of it."""

    title: str
    about: str
    states: type[StrEnum]
    signals: type[StrEnum]
    steps: Mapping[StrEnum, Mapping[StrEnum, StrEnum]]


def draw_states() -> str:
    """The whole document."""
    machines = (
        _Machine(
            "Job",
            "`cancel` and `requeue` of a job that holds devices are a `stop` first: what follows "
            "comes when nothing of the attempt lives any more.",
            JobState,
            JobSignal,
            _plain(JOB_STEPS),
        ),
        _Machine(
            "Attempt",
            "Its devices are held until it has `ended`. Its number is its fence: what is said of "
            "a former attempt is ignored.",
            AttemptState,
            AttemptSignal,
            _plain(ATTEMPT_STEPS),
        ),
        _Machine(
            "Replica",
            "A site reports levels, so steps in between may be left out.",
            ReplicaState,
            ReplicaSignal,
            _plain(REPLICA_STEPS),
        ),
    )
    reasons = describe_codes(
        "Reasons", "Why a job or an attempt is where it is: codes that are never renamed.", Reason
    )
    blockers = describe_codes("Verdicts", "Why a queued job does not start now.", Blocker)
    return "\n".join((_HEAD, *map(_section, machines), reasons, blockers))


def _plain(
    steps: Mapping[JobState, Mapping[JobSignal, JobState]]
    | Mapping[AttemptState, Mapping[AttemptSignal, AttemptState]]
    | Mapping[ReplicaState, Mapping[ReplicaSignal, ReplicaState]],
) -> Mapping[StrEnum, Mapping[StrEnum, StrEnum]]:
    return {state: dict(row.items()) for state, row in steps.items()}


def _section(machine: _Machine) -> str:
    return "\n".join(
        (
            f"## {machine.title}\n\n{machine.about}\n",
            *_diagram(machine),
            "",
            *_table(machine),
            "",
        )
    )


def _diagram(machine: _Machine) -> list[str]:
    first = next(iter(machine.states))
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {first}"]
    for state in machine.states:
        row = machine.steps[state]
        lines += [f"    {state} --> {target}: {signal}" for signal, target in row.items()]
        if not row or getattr(state, "is_final", False):
            lines.append(f"    {state} --> [*]")
    return [*lines, "```"]


def _table(machine: _Machine) -> list[str]:
    signals = list(machine.signals)
    lines = [
        f"| {machine.title.lower()} is | {' | '.join(f'`{signal}`' for signal in signals)} |",
        "|---" * (len(signals) + 1) + "|",
    ]
    for state in machine.states:
        row = machine.steps[state]
        cells = [str(row.get(signal, "–")) for signal in signals]
        lines.append(f"| `{state}` | {' | '.join(cells)} |")
    return lines


def describe_codes(title: str, about: str, codes: type[StrEnum]) -> str:
    """A section with every code and what its member's docstring says of it."""
    told = _docstrings(codes)
    lines = [f"| `{code}` | {told[code.name]} |" for code in codes]
    return "\n".join((f"## {title}\n\n{about}\n", "| code | meaning |", "|---|---|", *lines, ""))


def _docstrings(codes: type[StrEnum]) -> dict[str, str]:
    """The text under each member, which Python itself does not keep."""
    (definition,) = ast.parse(inspect.getsource(codes)).body
    assert isinstance(definition, ast.ClassDef)
    told: dict[str, str] = {}
    name = ""
    for part in definition.body:
        if isinstance(part, ast.Assign) and isinstance(part.targets[0], ast.Name):
            name = part.targets[0].id
        elif name and isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant):
            told[name] = " ".join(str(part.value.value).split())
    return told


if __name__ == "__main__":
    sys.stdout.write(draw_states())
