"""How others choose the GPU and the start of a MIG slice: six rules, and chance.

Each rule looks at the occupancy of one GPU at a time, so it is a table: for every profile and every
occupancy what the slice costs there, and where it starts. Less is better, and ties go to the first
GPU. What does not fit when it is asked for is lost, and nothing is ever moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from quarterdeck.core.cluster.mig import free_starts, mask_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from quarterdeck.core.cluster.mig import Profile

    Score = Callable[[int, int, tuple[Profile, ...]], tuple[float, float]]

OCCUPANCIES: Final = 1 << 8
"""Sets of memory slices."""


class Rule(Protocol):
    """Chooses a GPU and a start by what is occupied of each GPU."""

    def choose(self, occupied: NDArray[np.int64], profile: Profile) -> tuple[int, int] | None:
        """None if there is no room."""
        ...


class AnyFit:
    """Any of all free starts of all GPUs."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def choose(self, occupied: NDArray[np.int64], profile: Profile) -> tuple[int, int] | None:
        """See `Rule`."""
        masks = np.array([mask_of(profile, start) for start in profile.starts])
        found = np.argwhere((occupied[:, None] & masks) == 0)
        if not len(found):
            return None
        gpu, which = found[self._rng.integers(len(found))]
        return int(gpu), profile.starts[which]


@dataclass(frozen=True)
class TableRule:
    """A score of an occupancy and of what is added to it: the cost of that GPU, and that of the
    start among those that cost the same."""

    profiles: tuple[Profile, ...]
    score: Score

    def choose(self, occupied: NDArray[np.int64], profile: Profile) -> tuple[int, int] | None:
        """See `Rule`."""
        costs, starts = _tables(self.score, self.profiles, profile)
        gpu = int(costs[occupied].argmin())
        held = int(occupied[gpu])
        return None if costs[held] == np.inf else (gpu, int(starts[held]))


@cache
def _tables(
    score: Score, profiles: tuple[Profile, ...], profile: Profile
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    costs, starts = np.full(OCCUPANCIES, np.inf), np.zeros(OCCUPANCIES, np.int64)
    for occupied in range(OCCUPANCIES):
        free = free_starts(occupied, profile)
        if free:
            scores = [score(occupied, mask_of(profile, start), profiles) for start in free]
            best = min(range(len(free)), key=scores.__getitem__)
            costs[occupied], starts[occupied] = scores[best][0], free[best]
    return costs, starts


def first_fit(_occupied: int, added: int, _profiles: tuple[Profile, ...]) -> tuple[float, float]:
    """The first GPU with room, and its lowest start."""
    return 0.0, added


def best_fit_low(occupied: int, added: int, _profiles: tuple[Profile, ...]) -> tuple[float, float]:
    """The GPU with the least free memory, and its lowest start."""
    return -occupied.bit_count(), added


def best_fit_high(occupied: int, added: int, _profiles: tuple[Profile, ...]) -> tuple[float, float]:
    """The GPU with the least free memory, and its highest start."""
    return -occupied.bit_count(), -added


def worst_fit(occupied: int, added: int, _profiles: tuple[Profile, ...]) -> tuple[float, float]:
    """The GPU with the most free memory, and its highest start."""
    return occupied.bit_count(), -added


def least_blocked(occupied: int, added: int, profiles: tuple[Profile, ...]) -> tuple[float, float]:
    """Where blocked starts grow least (a reading of the rule of arXiv 2511.18906)."""
    grown = float(blocked(occupied | added, profiles) - blocked(occupied, profiles))
    return grown, grown


def most_options(occupied: int, added: int, profiles: tuple[Profile, ...]) -> tuple[float, float]:
    """Where the fewest places for others are lost."""
    lost = float(options(occupied, profiles) - options(occupied | added, profiles))
    return lost, lost


@cache
def blocked(occupied: int, profiles: tuple[Profile, ...]) -> int:
    """Over the profiles that the free slices would be enough for, the memory slices times the
    starts that something is in the way of."""
    free = max(one.size for one in profiles) - occupied.bit_count()
    return sum(
        one.size * (len(one.starts) - len(free_starts(occupied, one)))
        for one in profiles
        if one.size <= free
    )


@cache
def options(occupied: int, profiles: tuple[Profile, ...]) -> int:
    """All free starts of all profiles."""
    return sum(len(free_starts(occupied, one)) for one in profiles)


RULES: Final = {
    "first fit": first_fit,
    "best low": best_fit_low,
    "best high": best_fit_high,
    "worst fit": worst_fit,
    "least blocked": least_blocked,
    "most options": most_options,
}
