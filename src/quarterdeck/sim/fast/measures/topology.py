"""How near to each other the nodes of a gang lay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.core.cluster.demand import Level
from quarterdeck.sim.fast.measures.steps import mean

if TYPE_CHECKING:
    from quarterdeck.sim.fast.story import Story


def topology_figures(story: Story) -> dict[str, float]:
    """Of the jobs on several nodes: how many racks, units and pods each was spread over on average,
    and which share of them lay within one."""
    where = {node.name: node.location for node in story.nodes}
    counts: dict[Level, list[float]] = {Level.RACK: [], Level.UNIT: [], Level.POD: []}
    for one in story.ran:
        nodes = {grant.node for grant in one.grants}
        if len(nodes) > 1:
            places = [where[node] for node in nodes]
            counts[Level.RACK].append(len({(at.pod, at.unit, at.rack) for at in places}))
            counts[Level.UNIT].append(len({(at.pod, at.unit) for at in places}))
            counts[Level.POD].append(len({at.pod for at in places}))
    found = {"gangs": float(len(counts[Level.RACK]))}
    for level, numbers in counts.items():
        found[f"{level.value}s_per_gang"] = mean(numbers)
    for level, numbers in counts.items():
        found[f"gangs_in_one_{level.value}"] = mean([float(number == 1) for number in numbers])
    return found
