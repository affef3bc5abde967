"""For how long teams held less than they are guaranteed while they waited for it.

A team's guarantee is violated while a job of it has waited for more than 60 seconds that would fit
into what is left of the guarantee. What no team could have (more than its guarantee) violates none.
"""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING, Final

from quarterdeck.core.scheduling.pools import CellOwners, pool_name
from quarterdeck.sim.fast.measures.usage import Holding, waits_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from quarterdeck.core.cluster.hardware import Node
    from quarterdeck.core.scheduling.pools import Pool
    from quarterdeck.sim.fast.story import Ran, Story

PATIENCE_S: Final = 60.0
_ABOUT: Final = 1e-9
"""Parts of GPUs add up to whole ones but for the last digits."""


def guaranteed_gpus(pools: Iterable[Pool], nodes: Sequence[Node]) -> dict[str, int]:
    """How many GPUs each pool is guaranteed in all, a team's or a person's own (`CellOwners`); a
    whole node counts as the largest there is."""
    largest = max((len(node.devices) for node in nodes), default=0)
    return {
        name: sum(cells.count * min(cells.resources.gpus or largest, largest) for cells in held)
        for name, held in CellOwners(pools).guarantees.items()
    }


def guarantee_figures(story: Story, guarantees: Mapping[str, int]) -> dict[str, float]:
    """Minutes, of all teams together; nothing where nobody is guaranteed anything."""
    if not guarantees:
        return {}
    minutes = violations_of(story, guarantees)
    return {"guarantee_violation_minutes": sum(minutes.values())}


def violations_of(story: Story, guarantees: Mapping[str, int]) -> dict[str, float]:
    """Minutes of each pool with a guarantee."""
    holding = Holding(story.nodes)
    ran: dict[str, list[Ran]] = {name: [] for name in sorted(guarantees)}
    for one in story.ran:
        own = pool_name(one.job.team, one.job.user)
        name = own if own in ran else one.job.team
        if name in ran:
            ran[name].append(one)
    return {name: _violated_s(those, guarantees[name], holding) / 60 for name, those in ran.items()}


def _violated_s(ran: Sequence[Ran], guarantee: int, holding: Holding) -> float:
    held, violated_s, before_s = 0.0, 0.0, 0.0
    waiting: Counter[float] = Counter()
    is_violated = False
    for at_s, changes in groupby(sorted(_changes(ran, holding)), lambda change: change[0]):
        violated_s += (at_s - before_s) * is_violated
        for _, got, wanted, sign in changes:
            held += got
            if wanted:
                waiting[wanted] += sign
        least = min((size for size, count in waiting.items() if count > 0), default=None)
        is_violated = least is not None and held + least <= guarantee + _ABOUT
        before_s = at_s
    return violated_s


def _changes(ran: Sequence[Ran], holding: Holding) -> Iterator[tuple[float, float, float, int]]:
    """When, by how much what is held changes, and a size of which one more or less has waited."""
    for one in ran:
        for span in one.spans:
            gpus = holding.gpus_of(span)
            yield span.start_s, gpus, 0.0, 0
            yield span.end_s, -gpus, 0.0, 0
        for since_s, until_s in waits_of(one):
            if until_s - since_s > PATIENCE_S and one.job.gpus:
                yield since_s + PATIENCE_S, 0.0, one.job.gpus, 1
                yield until_s, 0.0, one.job.gpus, -1
