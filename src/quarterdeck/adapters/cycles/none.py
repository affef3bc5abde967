"""A log of cycles that keeps none, for a server whose file cannot be opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.adapters.cycles.memory import MemoryCycleLog

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterdeck.ports.cycles import Cycle


class NoCycleLog(MemoryCycleLog):
    """A `CycleLog` that knows of its own start, and of no cycle."""

    def add(self, cycles: Sequence[Cycle]) -> None:
        """They are lost."""
