"""What the nodes with GPUs took from the wall.

A node whose GPUs are all held takes its full power, one that is idle a fixed share of it, and in
between it follows the GPUs that are held. That is an upper bound: full power is the most that the
catalogue says of a type, and held is not the same as busy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quarterdeck.sim.fast.measures.usage import Holding, bounds_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quarterdeck.sim.fast.story import Story

IDLE_SHARE: Final = 0.372
"""Of full power. BLOOM's training: 256.6 MWh idle beside 433.2 MWh for computing (Luccioni, Viguier
and Ligozat, 2022), and idle / (idle + computing) is 0.372."""
WATTS_PER_GPU: Final = 812.5
"""Of a node whose power nobody has said: a DGX A100's 6.5 kW at most, for each of its eight GPUs
(NVIDIA DGX A100 User Guide)."""


def energy_figures(story: Story, watts: Mapping[str, float]) -> dict[str, float]:
    """`watts` are nodes' full power, by their names."""
    holding = Holding(story.nodes)
    held_s = dict.fromkeys((node.name for node in story.nodes), 0.0)
    for one in story.ran:
        for span in one.spans:
            for grant in span.grants:
                held_s[grant.node] += holding.gpus(grant) * (span.end_s - span.start_s)
    begin_s, end_s = bounds_of(story)
    joules = 0.0
    for node in story.nodes:
        if node.devices:
            full = watts.get(node.name) or WATTS_PER_GPU * len(node.devices)
            all_s = end_s - begin_s
            busy_s = held_s[node.name] / len(node.devices)
            joules += full * (busy_s + IDLE_SHARE * (all_s - busy_s))
    return {"energy_kwh": joules / 3.6e6}
