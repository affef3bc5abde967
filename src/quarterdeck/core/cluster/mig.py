"""NVIDIA's Multi-Instance GPU: which slices a GPU can be cut into, and where the next one goes.

A GPU has 8 memory slices (an A30 and an RTX PRO 6000 have 4); a profile covers some of them and may
start only at some places, and that is all there is to it: the limits on compute slices follow.
Placements as `nvidia-smi mig -lgipp` prints them, and NVIDIA's MIG User Guide
(https://docs.nvidia.com/datacenter/tesla/mig-user-guide/). An occupancy is a set of memory slices
as bits, and `MEDIA_BIT` for the one profile with media engines that a GPU can have.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.errors import Invalid
from quarterdeck.core.cluster.models import is_model

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MEDIA_BIT: Final = 1 << 8
OCCUPANCIES: Final = 1 << 9
_GB: Final = 10**9


@dataclass(frozen=True, slots=True)
class Profile:
    """A kind of slice: so many compute slices, and `size` memory slices from one of `starts`."""

    name: str
    compute: int
    size: int
    starts: tuple[int, ...]
    memory_bytes: int
    has_media: bool = False


@dataclass(frozen=True, slots=True)
class _Cut:
    """What the profiles of a GPU model are called: memory in the names of 1g, 1g double, 2g, 3g,
    4g and 7g, for GPUs of about so much memory."""

    models: tuple[str, ...]
    memory_gb: tuple[int, int]
    names_gb: tuple[int, int, int, int, int, int]


_EIGHTHS: Final = (
    _Cut(("A100",), (30, 50), (5, 10, 10, 20, 20, 40)),
    _Cut(("A100", "H100", "A800", "H800"), (60, 90), (10, 20, 20, 40, 40, 80)),
    _Cut(("H100",), (90, 102), (12, 24, 24, 47, 47, 94)),
    _Cut(("GH200", "H100"), (95, 106), (12, 24, 24, 48, 48, 96)),
    _Cut(("H200",), (130, 160), (18, 35, 35, 71, 71, 141)),
    _Cut(("B200",), (170, 205), (23, 45, 45, 90, 90, 180)),
)
_SHAPES: Final = (
    (1, 1, (0, 1, 2, 3, 4, 5, 6)),
    (1, 2, (0, 2, 4, 6)),
    (2, 2, (0, 2, 4)),
    (3, 4, (0, 4)),
    (4, 4, (0,)),
    (7, 8, (0,)),
)
"""Compute slices, memory slices and starts, in the order of `names_gb`."""

_QUARTERS: Final = (
    _Cut(("A30",), (20, 27), (6, 0, 12, 0, 24, 0)),
    _Cut(("RTX-PRO-6000",), (90, 106), (24, 0, 48, 0, 96, 0)),
)
_QUARTER_SHAPES: Final = (
    (1, 1, (0, 1, 2, 3)),
    None,
    (2, 2, (0, 2)),
    None,
    (4, 4, (0,)),
    None,
)


@lru_cache(maxsize=256)
def profiles_of(model: str, memory_bytes: int) -> Mapping[str, Profile]:
    """The profiles of a GPU model as inventories name it, by name; none if it cannot be cut."""
    memory_gb = memory_bytes / _GB
    for cuts, shapes in ((_EIGHTHS, _SHAPES), (_QUARTERS, _QUARTER_SHAPES)):
        for cut in cuts:
            low, high = cut.memory_gb
            if low <= memory_gb < high and any(is_model(model, name) for name in cut.models):
                return MappingProxyType(_profiles(cut, shapes))
    return MappingProxyType({})


def _profiles(
    cut: _Cut, shapes: Sequence[tuple[int, int, tuple[int, ...]] | None]
) -> dict[str, Profile]:
    found: dict[str, Profile] = {}
    for shape, gb in zip(shapes, cut.names_gb, strict=True):
        if shape is None:
            continue
        compute, size, starts = shape
        name = f"{compute}g.{gb}gb"
        found[name] = Profile(name, compute, size, starts, gb * _GB)
        if compute == 1 and size == 1:
            media = f"{name}+me"
            found[media] = Profile(media, compute, size, starts, gb * _GB, has_media=True)
    return found


def profile_for(profiles: Mapping[str, Profile], memory_bytes: int) -> Profile | None:
    """The smallest profile with at least so much memory; those with media engines are for who asks
    for them by name."""
    enough = [
        one for one in profiles.values() if one.memory_bytes >= memory_bytes and not one.has_media
    ]
    return min(enough, key=lambda one: (one.size, one.compute), default=None)


def mask_of(profile: Profile, start: int) -> int:
    """What an instance occupies."""
    media = MEDIA_BIT if profile.has_media else 0
    return ((1 << profile.size) - 1) << start | media


def free_starts(occupied: int, profile: Profile) -> tuple[int, ...]:
    """Where another instance of the profile may start."""
    return tuple(start for start in profile.starts if not occupied & mask_of(profile, start))


@lru_cache(maxsize=512)
def count_table(profile: Profile) -> tuple[int, ...]:
    """How many more instances of the profile fit, for every occupancy."""
    return tuple(_count_free(occupied, profile) for occupied in range(OCCUPANCIES))


def _count_free(occupied: int, profile: Profile) -> int:
    # Starts of one profile are a multiple of its size apart, or one slice: first come is best.
    count = 0
    for start in profile.starts:
        mask = mask_of(profile, start)
        if not occupied & mask:
            occupied |= mask
            count += 1
    return count


@lru_cache(maxsize=512)
def _options(profiles: tuple[Profile, ...]) -> tuple[float, ...]:
    """How much an occupancy can still serve: over the profiles, the memory slices that the most
    instances of each would cover."""
    tables = [(one.size, count_table(one)) for one in profiles if not one.has_media]
    return tuple(
        float(sum(size * table[occupied] for size, table in tables))
        for occupied in range(OCCUPANCIES)
    )


def best_start(profiles: Mapping[str, Profile], occupied: int, profile: Profile) -> int | None:
    """The start that leaves most to serve others with, the highest of several; None if none is
    free. High starts are those that large profiles cannot use."""
    options = _options(tuple(profiles.values()))
    return max(
        free_starts(occupied, profile),
        key=lambda start: (options[occupied | mask_of(profile, start)], start),
        default=None,
    )


@lru_cache(maxsize=512)
def _cost_table(profiles: tuple[Profile, ...], profile: Profile) -> tuple[float, ...]:
    options = _options(profiles)
    by_name = {one.name: one for one in profiles}
    costs = []
    for occupied in range(OCCUPANCIES):
        start = best_start(by_name, occupied, profile)
        left = math.inf if start is None else options[occupied | mask_of(profile, start)]
        costs.append(math.inf if start is None else (options[occupied] - left) / options[0])
    return tuple(costs)


def cost_table(profiles: Mapping[str, Profile], profile: Profile) -> tuple[float, ...]:
    """How much of what a whole GPU can serve is lost by another instance of the profile at its best
    start, for every occupancy; `inf` where there is no room."""
    return _cost_table(tuple(profiles.values()), profile)


def occupancy_of(placements: Iterable[tuple[str, int]], profiles: Mapping[str, Profile]) -> int:
    """What these instances occupy together. `Invalid` for what NVIDIA's driver would refuse."""
    occupied = 0
    for name, start in placements:
        profile = profiles.get(name)
        if profile is None or start not in profile.starts or occupied & mask_of(profile, start):
            raise Invalid(
                f"no {name} can start at memory slice {start} beside what is there",
                field="slices",
                hint=f"profiles: {', '.join(profiles) or 'none'}",
            )
        occupied |= mask_of(profile, start)
    return occupied


def maximal_placements(profiles: Iterable[Profile]) -> list[frozenset[tuple[str, int]]]:
    """All ways to cut a GPU into these profiles to which nothing can be added."""
    known = list(profiles)
    found: set[frozenset[tuple[str, int]]] = set()
    seen: set[frozenset[tuple[str, int]]] = set()
    pending: list[tuple[int, frozenset[tuple[str, int]]]] = [(0, frozenset())]
    while pending:
        occupied, placed = pending.pop()
        more = [(one, start) for one in known for start in free_starts(occupied, one)]
        if not more:
            found.add(placed)
        for one, start in more:
            grown = placed | {(one.name, start)}
            if grown not in seen:
                seen.add(grown)
                pending.append((occupied | mask_of(one, start), grown))
    return sorted(found, key=sorted)


_PROFILE: Final = re.compile(r"[0-9]g\.[0-9]+gb(?:\+me)?")


def is_profile(name: str) -> bool:
    """Whether this is how a profile is written."""
    return _PROFILE.fullmatch(name) is not None
