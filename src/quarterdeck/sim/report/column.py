"""One of several runs that are compared side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quarterdeck.sim.fast.figures import Setting, figures_of
from quarterdeck.sim.fast.measures.guarantees import violations_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quarterdeck.sim.fast.story import Story


@dataclass(frozen=True, slots=True)
class Column:
    """A run by its name. `violations` are, of each team with a guarantee, minutes below it."""

    name: str
    story: Story
    figures: Mapping[str, float]
    violations: Mapping[str, float]


def column_of(name: str, story: Story, setting: Setting | None = None) -> Column:
    """A run with its figures."""
    given = setting or Setting()
    return Column(name, story, figures_of(story, given), violations_of(story, given.guarantees))
