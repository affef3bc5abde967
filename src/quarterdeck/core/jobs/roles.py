"""What runs beside a job's own command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MAIN: Final = "main"
"""The role of the job's own command."""


@dataclass(frozen=True, slots=True)
class Role:
    """A command that runs beside the job's own on nodes of its own; `Demand.beside` says on how
    many, and what each needs. It is stopped when the job's own command has ended everywhere."""

    name: str
    command: tuple[str, ...]
    ranks_per_node: int = 1


def variable_part(name: str) -> str:
    """A role's name as a part of a variable's name."""
    return name.upper().replace("-", "_")
