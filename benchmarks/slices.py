"""Requests for MIG slices that come and go: Poisson arrivals, exponential lives, a mix of profiles.

Load is how many compute slices are asked for at a time, as a share of those of all GPUs: an A100
has seven.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from quarterdeck.basics.quantities import GIB
from quarterdeck.core.cluster.mig import profiles_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterdeck.core.cluster.mig import Profile

LIFE_S: Final = 100.0
REQUESTS: Final = 4000
GPUS: Final = 100
WARM_UP: Final = 0.25
"""The first part of the requests finds the cluster emptier than it will be, and is not counted."""
PLAIN: Final = "A100-SXM4-80GB"
"""The model of all comparisons unless another is said."""
MEMORY_GIB: Final = {PLAIN: 80, "H100-NVL": 94, "A30": 24}
MIXES: Final = {
    "uniform": (1, 1, 1, 1, 1, 1),
    "small": (45, 15, 20, 10, 5, 5),
    "big": (5, 5, 10, 20, 25, 35),
    "bimodal": (30, 10, 5, 5, 15, 35),
}
"""How often each profile is asked for, from the smallest (1g, 1g double, 2g, 3g, 4g, 7g)."""


@dataclass(frozen=True, slots=True)
class Request:
    """A slice that is asked for at a time, for so long."""

    profile: Profile
    at_s: float
    life_s: float


def profiles_to_ask_for(model: str = PLAIN) -> tuple[Profile, ...]:
    """Those of a model, smallest first, without the one with media engines."""
    known = profiles_of(model, MEMORY_GIB[model] * GIB)
    return tuple(one for one in known.values() if not one.has_media)


def draw_mixes(count: int, model: str = PLAIN) -> dict[str, tuple[float, ...]]:
    """Mixes that nobody chose: any is as likely as any other (Dirichlet)."""
    rng = np.random.default_rng(count)
    shares = rng.dirichlet(np.ones(len(profiles_to_ask_for(model))), count)
    return {f"drawn-{number}": tuple(mix) for number, mix in enumerate(shares.tolist(), 1)}


def draw_requests(
    mix: Sequence[float], load: float, seed: int, profiles: Sequence[Profile]
) -> list[Request]:
    """The requests of one seed, the same for whoever serves them."""
    rng = np.random.default_rng(seed)
    shares = np.array(mix, float) / sum(mix)
    compute = np.array([one.compute for one in profiles])
    whole = max(one.compute for one in profiles)
    per_s = load * whole * GPUS / (LIFE_S * float(shares @ compute))
    chosen = rng.choice(len(profiles), REQUESTS, p=shares)
    at_s = rng.exponential(1 / per_s, REQUESTS).cumsum()
    lives = rng.exponential(LIFE_S, REQUESTS)
    return [
        Request(profiles[number], float(at), float(life))
        for number, at, life in zip(chosen, at_s, lives, strict=True)
    ]
