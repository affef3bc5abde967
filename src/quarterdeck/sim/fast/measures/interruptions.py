"""Runs that were cut off, and the GPU time that had to be spent again for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.sim.fast.measures.usage import Holding
from quarterdeck.sim.fast.story import Cut

if TYPE_CHECKING:
    from quarterdeck.sim.fast.story import Story


def interruption_figures(story: Story) -> dict[str, float]:
    """Counts, GPU hours, and these as a share of all GPU hours that were held."""
    holding = Holding(story.nodes)
    cuts = [span.cut for one in story.ran for span in one.spans]
    lost_s = sum(one.lost_s * holding.gpus_of(one.spans[0]) for one in story.ran if one.lost_s)
    held_s = sum(
        (span.end_s - span.start_s) * holding.gpus_of(span)
        for one in story.ran
        for span in one.spans
    )
    return {
        "preemptions": float(cuts.count(Cut.PREEMPTED)),
        "runs_lost_with_nodes": float(cuts.count(Cut.NODE_LOST)),
        "runs_drained": float(cuts.count(Cut.DRAINED)),
        "lost_gpu_hours": lost_s / 3600,
        "lost_share": lost_s / held_s if held_s else 0.0,
    }
