"""Which GPUs will do for a job, and how many of them a node has, on arrays."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from quarterdeck.core.cluster.demand import GpuUnit, Resources
from quarterdeck.core.cluster.mig import cost_table, count_table, profile_for, profiles_of
from quarterdeck.core.cluster.models import is_model
from quarterdeck.core.scheduling.capacity import CLOSED, FREE, MEMORY_SLICES, SHARED, STATES
from quarterdeck.core.scheduling.fleet import MIXED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from quarterdeck.core.cluster.mig import Profile
    from quarterdeck.core.scheduling.fleet import Kind


@dataclass(frozen=True, slots=True, eq=False)
class Want:
    """What a job needs of a node, said in a fleet's kinds of GPUs.

    `preference` has an entry for each kind: how far it stands from the first choice, `inf` for a
    kind that will not do. `profiles` are the slices wanted of each kind; None is the whole GPU.
    `counts` say how many of what is wanted a GPU of a kind has left in a state, `costs` what taking
    one there spoils for others. Their last row is for what is not there.
    """

    resources: Resources
    preference: NDArray[np.float64]
    profiles: tuple[Profile | None, ...]
    counts: NDArray[np.int64]
    costs: NDArray[np.float64]
    part: float = 1.0
    """How much of a GPU one of them is, at least."""
    is_whole: bool = field(init=False)
    """Whether it is whole GPUs that are wanted."""
    is_able: NDArray[np.bool_] = field(init=False)
    """Of each kind, whether it will do, and of what is not there."""

    def __post_init__(self) -> None:
        """What is asked again and again."""
        object.__setattr__(self, "is_whole", self.resources.gpu_unit is GpuUnit.WHOLE)
        object.__setattr__(self, "is_able", np.isfinite(self.preference))

    def count(
        self, kind_of_node: NDArray[np.int16], kind: NDArray[np.int16], state: NDArray[np.int16]
    ) -> NDArray[np.int64]:
        """How many of the wanted GPUs each node of these could give. All whole GPUs of a replica
        are of one kind, so of a node of several kinds it is the best of them."""
        counts: NDArray[np.int64] = self.counts[kind, state].sum(axis=1)
        if self.is_whole:
            for row in np.flatnonzero(kind_of_node == MIXED):
                mine = self.counts[kind[row], state[row]]
                counts[row] = max(
                    int(mine[kind[row] == one].sum()) for one in range(len(self.profiles))
                )
        return counts


@lru_cache(maxsize=4096)
def want_of(resources: Resources, kinds: tuple[Kind, ...]) -> Want:
    """The need, in these kinds. It is looked up again and again, so it is kept."""
    preference = np.full(len(kinds) + 1, np.inf)
    counts = np.zeros((len(kinds) + 1, STATES), np.int64)
    costs = np.full((len(kinds) + 1, STATES), np.inf)
    profiles: list[Profile | None] = []
    for number, kind in enumerate(kinds):
        profile = None
        choice = _choice(resources, kind)
        if choice is not None:
            profile, is_able = _unit_of(resources, kind)
            if is_able:
                preference[number] = choice
                _fill(resources, kind, profile, counts[number], costs[number])
        profiles.append(profile)
    part = resources.gpu_percent / 100
    sizes = [one.size / MEMORY_SLICES for one in profiles if one is not None]
    return Want(resources, preference, tuple(profiles), counts, costs, min(sizes, default=part))


def _choice(resources: Resources, kind: Kind) -> float | None:
    """How far a kind is from the first choice, or None if it will not do. Who names several models
    would rather have the first of them; who names none gets the smallest that will do, so that the
    large ones stay for those who need them."""
    models = resources.gpu_models
    place = next((n for n, wish in enumerate(models) if is_model(kind.model, wish)), None)
    if models and place is None:
        return None
    if resources.gpu_unit is not GpuUnit.SLICE and kind.memory_bytes < resources.gpu_memory_bytes:
        return None
    return float(place or 0) + kind.memory_bytes / 2**50


def _unit_of(resources: Resources, kind: Kind) -> tuple[Profile | None, bool]:
    """The slice of this kind that is wanted, None for a whole GPU, and whether there is one."""
    if resources.gpu_unit is not GpuUnit.SLICE:
        return None, resources.gpu_unit is GpuUnit.WHOLE or not kind.is_whole_only
    profiles = profiles_of(kind.model, kind.memory_bytes) if kind.may_slice else {}
    if resources.gpu_profile:
        profile = profiles.get(resources.gpu_profile)
        return profile, profile is not None
    profile = profile_for(profiles, resources.gpu_memory_bytes) if profiles else None
    return profile, profile is not None or kind.memory_bytes >= resources.gpu_memory_bytes


def _fill(
    resources: Resources,
    kind: Kind,
    profile: Profile | None,
    counts: NDArray[np.int64],
    costs: NDArray[np.float64],
) -> None:
    if profile is not None:
        profiles = profiles_of(kind.model, kind.memory_bytes)
        counts[:SHARED] = count_table(profile)
        costs[:SHARED] = cost_table(profiles, profile)
        return
    counts[FREE], costs[FREE] = 1, 1.0
    if resources.gpu_unit is GpuUnit.SHARE:
        counts[FREE] = 100 // resources.gpu_percent
        for percent in range(1, 101):
            left = (100 - percent) // resources.gpu_percent
            counts[SHARED + percent] = left
            # What it costs depends on what others ask for: see `shares`.
            costs[SHARED + percent] = 1.0 if left else math.inf
    assert counts[CLOSED] == 0
