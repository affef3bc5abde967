"""What a run was like, in figures: each by its name, with its unit in the name.

The formulas and their sources are in `measures`, one subject a module.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from quarterdeck.sim.fast.measures.energy import energy_figures
from quarterdeck.sim.fast.measures.fairness import fairness_figures
from quarterdeck.sim.fast.measures.fragmentation import fragmentation_figures
from quarterdeck.sim.fast.measures.guarantees import guarantee_figures
from quarterdeck.sim.fast.measures.interruptions import interruption_figures
from quarterdeck.sim.fast.measures.topology import topology_figures
from quarterdeck.sim.fast.measures.usage import usage_figures
from quarterdeck.sim.fast.measures.waits import wait_figures

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quarterdeck.sim.fast.story import Story


@dataclass(frozen=True, slots=True)
class Setting:
    """What figures depend on beside the story: how many GPUs each team is guaranteed, and the full
    power of nodes by their names."""

    guarantees: Mapping[str, int] = field(default_factory=dict)
    watts: Mapping[str, float] = field(default_factory=dict)


def figures_of(story: Story, setting: Setting | None = None) -> dict[str, float]:
    """All of them."""
    given = setting or Setting()
    return {
        **wait_figures(story),
        **usage_figures(story),
        **fragmentation_figures(story),
        **topology_figures(story),
        **fairness_figures(story),
        **guarantee_figures(story, given.guarantees),
        **interruption_figures(story),
        **energy_figures(story, given.watts),
    }
