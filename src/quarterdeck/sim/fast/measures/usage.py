"""How much of the cluster was held and how long the queue was, over time."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from quarterdeck.core.cluster.mig import profiles_of
from quarterdeck.core.cluster.parts import parse_part
from quarterdeck.core.scheduling.capacity import MEMORY_SLICES
from quarterdeck.sim.fast.measures.steps import Steps, steps_of_spans

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quarterdeck.core.cluster.demand import Grant
    from quarterdeck.core.cluster.hardware import Node
    from quarterdeck.sim.fast.story import Ran, Span, Story


class Holding:
    """How many GPUs a grant is: a share counts as its percentage, a slice as its memory."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._kinds = {
            device.id: (device.model, device.memory_bytes)
            for node in nodes
            for device in node.devices
        }

    def gpus(self, grant: Grant) -> float:
        """Of one grant."""
        return sum(self._part(device) for device in grant.devices)

    def gpus_of(self, span: Span) -> float:
        """Of all grants of a span."""
        return sum(self.gpus(grant) for grant in span.grants)

    def _part(self, device: str) -> float:
        if "/" not in device:
            return 1.0
        part = parse_part(device)
        if not part.profile:
            return part.percent / 100
        kind = self._kinds.get(part.gpu)
        return _slice(*kind, part.profile) if kind is not None else 0.0


@lru_cache(maxsize=256)
def _slice(model: str, memory_bytes: int, profile: str) -> float:
    found = profiles_of(model, memory_bytes).get(profile)
    return found.size / MEMORY_SLICES if found is not None else 0.0


def bounds_of(story: Story) -> tuple[float, float]:
    """From the first submission to the last end."""
    begin_s = min((one.job.submit_s for one in story.ran), default=0.0)
    return begin_s, max((one.end_s for one in story.ran), default=begin_s)


def gpus_of(story: Story) -> int:
    """How many the cluster has."""
    return sum(len(node.devices) for node in story.nodes)


def waits_of(one: Ran) -> Iterator[tuple[float, float]]:
    """When a job waited: for its first start, and again after each time it was cut off."""
    since_s = one.job.submit_s
    for span in one.spans:
        yield since_s, span.start_s
        since_s = span.end_s


def held_gpus(story: Story) -> Steps:
    """GPUs that jobs hold."""
    holding = Holding(story.nodes)
    return steps_of_spans(
        (span.start_s, span.end_s, holding.gpus_of(span)) for one in story.ran for span in one.spans
    )


def waiting_jobs(story: Story) -> Steps:
    """Jobs that wait."""
    return steps_of_spans((*wait, 1.0) for one in story.ran for wait in waits_of(one))


def usage_figures(story: Story) -> dict[str, float]:
    """Span, use and queue."""
    begin_s, end_s = bounds_of(story)
    gpus, span_s = gpus_of(story), end_s - begin_s
    held_s = held_gpus(story).area(begin_s, end_s)
    waiting = waiting_jobs(story)
    return {
        "makespan_s": span_s,
        "gpu_hours": held_s / 3600,
        "utilisation": held_s / (gpus * span_s) if gpus and span_s else 0.0,
        "queue_mean": waiting.mean(begin_s, end_s),
        "queue_most": waiting.most,
    }
