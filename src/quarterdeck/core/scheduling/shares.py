"""Which GPU a share of one is taken from: where least is expected to stay unused of it.

A GPU of which shares are held fills up with those that come. Each that fits comes with the chance
that it is asked for; it is also possible that nobody comes, and that the rest stays unused. So what
is expected to stay unused of `left` percent follows from what is of less:

    unused(left) = (nobody * left + sum(p(s) * unused(left - s))) / (nobody + sum(p(s)))

over the shares s that fit, p(s) being their part of what was asked for lately, submission by
submission. Where most ask for half a GPU, one that has half left is worth more to others than it
seems. While few have asked for any, nobody is likely to come.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from quarterdeck.core.scheduling.capacity import FREE, SHARED, STATES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

Shares = tuple[tuple[int, float], ...]
"""Percents of a GPU that are asked for, with the chance of each; what is missing to 1 is that of
nobody."""

USUAL_SHARES: Final = 20
"""Nobody counts as much as so many submissions: the first few do not yet say what is typical."""
OPENING: Final = 0.1
"""What a GPU with nothing held yet is worth, in GPUs: jobs that want a whole one may come."""
LEFT: Final = 0.1
"""Among GPUs that promise alike the fuller one is taken; this is per GPU that is left."""


def shares_of(counts: Mapping[int, int]) -> Shares:
    """The chances, from how often so many percent were asked for."""
    total = sum(counts.values()) + USUAL_SHARES
    return tuple((percent, count / total) for percent, count in sorted(counts.items()))


@lru_cache(maxsize=64)
def unused_of(shares: Shares) -> NDArray[np.float64]:
    """How much of a GPU is expected to stay unused, by how many percent of it are left."""
    nobody = 1 - sum(part for _, part in shares)
    found = [0.0]
    for left in range(1, 101):
        chance, unused = nobody, nobody * left / 100
        for percent, part in shares:
            if percent <= left:
                chance += part
                unused += part * found[left - percent]
        found.append(unused / chance)
    return np.array(found)


@lru_cache(maxsize=256)
def costs_of(percent: int, shares: Shares) -> NDArray[np.float64]:
    """What taking so many percent costs, by the state of the GPU; `inf` where they do not fit."""
    unused = unused_of(shares)
    costs = np.full(STATES, np.inf)
    costs[FREE] = OPENING + unused[100 - percent]
    left = np.arange(99, percent - 1, -1)
    costs[SHARED + 100 - left] = unused[left - percent] - unused[left] + LEFT * left / 100
    return costs
