"""Which share of the free GPUs a typical job could not have used, over time.

The measure is `core/scheduling/fragments`; typical is what all jobs of the story asked for. GPUs of
nodes that are lost, drained or cordoned are not free.
"""

from __future__ import annotations

import math
from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from quarterdeck.core.cluster.parts import gpu_of
from quarterdeck.core.scheduling.fragments import typical_of
from quarterdeck.sim.fast.measures.steps import Steps, steps_of_values
from quarterdeck.sim.fast.measures.usage import bounds_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quarterdeck.core.cluster.demand import Grant
    from quarterdeck.core.cluster.hardware import Node
    from quarterdeck.core.scheduling.fragments import Typical
    from quarterdeck.sim.fast.story import Story


class Fragmentation(NamedTuple):
    """Free GPUs, and those of them that a typical job could not use, on average."""

    free: Steps
    unusable: Steps

    def share(self, begin_s: float, end_s: float) -> float:
        """Of the free GPU time in a span; 0 where nothing was free."""
        free = self.free.area(begin_s, end_s)
        return self.unusable.area(begin_s, end_s) / free if free > 0 else 0.0


def fragmentation_of(story: Story) -> Fragmentation:
    """From the first submission on, or from an outage before it."""
    asked = Counter(part.resources for one in story.ran for part in one.job.demand.parts)
    present = _Present(story.nodes, typical_of(asked.items()))
    changes = sorted(_changes(story), key=_at)
    begin_s = min([bounds_of(story)[0], *(one.at_s for one in changes[:1])])
    times, free, unusable = [begin_s], [present.free], [present.unusable]
    for at_s, together in groupby(changes, _at):
        present.apply(list(together))
        times.append(at_s)
        free.append(present.free)
        unusable.append(present.unusable)
    return Fragmentation(steps_of_values(times, free), steps_of_values(times, unusable))


def fragmentation_figures(story: Story) -> dict[str, float]:
    """Over the whole story."""
    return {"fragmentation": fragmentation_of(story).share(*bounds_of(story))}


class _Change(NamedTuple):
    """A grant is taken (1) or given back (-1), or without one a node closes or opens again."""

    at_s: float
    node: str
    grant: Grant | None
    sign: int


def _at(one: _Change) -> float:
    return one.at_s


def _changes(story: Story) -> Iterator[_Change]:
    for one in story.ran:
        for span in one.spans:
            for grant in span.grants:
                yield _Change(span.start_s, grant.node, grant, 1)
                yield _Change(span.end_s, grant.node, grant, -1)
    for away in story.outages:
        yield _Change(away.at_s, away.node, None, 1)
        if math.isfinite(away.for_s):
            yield _Change(away.at_s + away.for_s, away.node, None, -1)


class _Present:
    """What is free on each node, as arrays; of a node that changes, everything is reckoned anew."""

    def __init__(self, nodes: tuple[Node, ...], typical: Typical) -> None:
        self._typical = typical
        self._nodes = nodes
        self._rows = {node.name: row for row, node in enumerate(nodes)}
        self._held: list[Counter[str]] = [Counter() for _ in nodes]
        self._closed = [0] * len(nodes)
        self._gpus = np.array([len(node.devices) for node in nodes], np.int64)
        self._cpus = np.array([node.cpus for node in nodes], np.int64)
        self._memory_bytes = np.array([node.memory_bytes for node in nodes], np.int64)
        self._lost = typical.fragments(self._gpus, self._cpus, self._memory_bytes)

    @property
    def free(self) -> float:
        """GPUs of which nobody holds any part."""
        return float(self._gpus.sum())

    @property
    def unusable(self) -> float:
        """Of the free ones."""
        return float(self._lost.sum())

    def apply(self, changes: list[_Change]) -> None:
        """Everything that changes at one moment."""
        touched = sorted({self._rows[one.node] for one in changes})
        for one in changes:
            self._take(self._rows[one.node], one)
        for row in touched:
            held = sum(count > 0 for count in self._held[row].values())
            total = len(self._nodes[row].devices)
            self._gpus[row] = 0 if self._closed[row] else total - held
        self._lost[touched] = self._typical.fragments(
            self._gpus[touched], self._cpus[touched], self._memory_bytes[touched]
        )

    def _take(self, row: int, one: _Change) -> None:
        if one.grant is None:
            self._closed[row] += one.sign
            return
        self._cpus[row] -= one.sign * one.grant.cpus
        self._memory_bytes[row] -= one.sign * one.grant.memory_bytes
        for device in one.grant.devices:
            gpu = gpu_of(device)
            self._held[row][gpu] += one.sign
            if not self._held[row][gpu]:
                del self._held[row][gpu]
