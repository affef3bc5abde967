"""What a job would cost on one node, reckoned from the node alone, slowly and without arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from quarterdeck.core.cluster.demand import GpuUnit, Resources
from quarterdeck.core.cluster.hardware import Device
from quarterdeck.core.cluster.mig import Profile, profiles_of
from quarterdeck.core.cluster.models import is_model
from quarterdeck.core.cluster.parts import Part, parse_part
from quarterdeck.core.cluster.room import Room

USUAL = ((1, 0.5), (2, 0.15), (4, 0.15), (8, 0.2))


@dataclass(frozen=True)
class Gpu:
    """One GPU of a room with what is held of it; `is_closed` when nothing may be taken."""

    device: Device
    parts: tuple[Part, ...]
    is_closed: bool

    @property
    def is_free(self) -> bool:
        """Whether all of it may be taken."""
        return not self.is_closed and not self.parts

    @property
    def percent_held(self) -> int:
        """By shares."""
        return sum(part.percent for part in self.parts if not part.profile)


def gpus_of(room: Room) -> list[Gpu]:
    """The room's GPUs in the order of the node."""
    held: dict[str, list[Part]] = {device.id: [] for device in room.node.devices}
    for text in room.parts:
        part = parse_part(text)
        held[part.gpu].append(part)
    shut = {cordon.device for cordon in room.cordons}
    return [
        Gpu(
            device,
            tuple(held[device.id]),
            device.id in shut or (device.id not in room.free_devices and not held[device.id]),
        )
        for device in room.node.devices
    ]


def choice_of(wanted: Resources, device: Device) -> int | None:
    """Which of the models that were named it is, 0 where none was; None if it will not do."""
    if wanted.gpu_models:
        places = [n for n, one in enumerate(wanted.gpu_models) if is_model(device.model, one)]
        if not places:
            return None
        choice = places[0]
    else:
        choice = 0
    if wanted.gpu_unit is not GpuUnit.SLICE and device.memory_bytes < wanted.gpu_memory_bytes:
        return None
    return choice


def slice_of(wanted: Resources, room: Room, device: Device) -> tuple[Profile | None, bool]:
    """The slice wanted of this GPU, None for all of it; and whether there is such a thing."""
    known = profiles_of(device.model, device.memory_bytes) if room.node.may_slice else {}
    if wanted.gpu_unit is GpuUnit.SHARE and room.node.whole_gpus_only:
        return None, False
    if wanted.gpu_profile:
        return known.get(wanted.gpu_profile), wanted.gpu_profile in known
    enough = [
        one
        for one in known.values()
        if one.memory_bytes >= wanted.gpu_memory_bytes and not one.has_media
    ]
    if enough:
        return min(enough, key=lambda one: (one.size, one.compute)), True
    return None, device.memory_bytes >= wanted.gpu_memory_bytes


def most_slices(parts: Sequence[Part], profile: Profile, known: dict[str, Profile]) -> int:
    """The largest number of instances that can be added, by trying every set of starts."""
    taken = {
        place
        for part in parts
        for place in range(part.start, part.start + known[part.profile].size)
    }
    has_media = any(known[part.profile].has_media for part in parts)
    for count in range(len(profile.starts), 0, -1):
        if profile.has_media and (has_media or count > 1):
            continue
        for starts in combinations(profile.starts, count):
            places = [start + n for start in starts for n in range(profile.size)]
            if len(set(places)) == len(places) and taken.isdisjoint(places):
                return count
    return 0


def use_of(parts: Sequence[Part], known: dict[str, Profile]) -> int:
    """What a GPU cut like this can still serve: the memory slices that each profile could cover."""
    return sum(
        one.size * most_slices(parts, one, known) for one in known.values() if not one.has_media
    )


def count_on(wanted: Resources, room: Room, gpu: Gpu) -> int:
    """How many of what is wanted this GPU could give."""
    if gpu.is_closed or choice_of(wanted, gpu.device) is None:
        return 0
    if wanted.gpu_unit is GpuUnit.WHOLE:
        return int(gpu.is_free)
    is_cut = any(part.profile for part in gpu.parts)
    if wanted.gpu_unit is GpuUnit.SHARE:
        is_able = not is_cut and not room.node.whole_gpus_only
        return (100 - gpu.percent_held) // wanted.gpu_percent if is_able else 0
    profile, is_able = slice_of(wanted, room, gpu.device)
    if not is_able or gpu.percent_held:
        return 0
    if profile is None:
        return int(gpu.is_free)
    known = dict(profiles_of(gpu.device.model, gpu.device.memory_bytes))
    return most_slices(gpu.parts, profile, known)


def has_room(wanted: Resources, room: Room) -> bool:
    """Whether a replica fits now. All whole GPUs of a replica are alike."""
    if not room.is_open or room.free_cpus < wanted.cpus:
        return False
    if room.free_memory_bytes < wanted.memory_bytes:
        return False
    counts: dict[tuple[str, int], int] = {}
    for gpu in gpus_of(room):
        kind = (gpu.device.model, gpu.device.memory_bytes)
        kind = kind if wanted.gpu_unit is GpuUnit.WHOLE else ("any", 0)
        counts[kind] = counts.get(kind, 0) + count_on(wanted, room, gpu)
    return wanted.gpus == 0 or max(counts.values(), default=0) >= wanted.gpus


def fragment(gpus: int, cpus: int, memory_bytes: int) -> float:
    """Free GPUs that a usual job could not use; the usual ones ask for no CPUs here."""
    del cpus, memory_bytes
    return gpus * (1.0 - sum(share for want, share in USUAL if gpus >= want))


def cost_on(wanted: Resources, room: Room, most_cpus: int) -> float:
    """What a replica costs on the node; `inf` where it does not fit."""
    if not has_room(wanted, room):
        return math.inf
    gpus = gpus_of(room)
    free = sum(gpu.is_free for gpu in gpus)
    is_whole = wanted.gpu_unit is GpuUnit.WHOLE
    left = free - wanted.gpus if is_whole else free
    cost = 0.01 * (room.free_cpus - wanted.cpus) / most_cpus + 0.05 * left
    if wanted.gpus:
        choices = [choice_of(wanted, gpu.device) for gpu in gpus]
        best = min(
            (choice + gpu.device.memory_bytes / 2**50, choice)
            for choice, gpu in zip(choices, gpus, strict=True)
            if choice is not None and (is_whole or slice_of(wanted, room, gpu.device)[1])
        )
        cost += 10.0 * best[0]
        trusted = sum(count_on(wanted, room, gpu) for gpu in gpus if not gpu.device.is_suspect)
        cost += 100.0 * max(0, wanted.gpus - trusted)
        if not is_whole:
            least, place = min((_small_cost(wanted, room, gpu), n) for n, gpu in enumerate(gpus))
            cost += least
            if wanted.gpu_unit is GpuUnit.SHARE and gpus[place].is_free:
                left -= 1
    before = fragment(free, room.free_cpus, room.free_memory_bytes)
    return cost + fragment(left, 0, 0) - before


def _small_cost(wanted: Resources, room: Room, gpu: Gpu) -> float:
    """What taking one slice or share of this GPU spoils for others."""
    if count_on(wanted, room, gpu) == 0:
        return math.inf
    if wanted.gpu_unit is GpuUnit.SHARE:
        # Where nobody is known to ask for shares, all that is left is expected to stay unused.
        left = (100 - gpu.percent_held) / 100
        taken = wanted.gpu_percent / 100
        return 0.1 + left - taken if gpu.is_free else 0.1 * left - taken
    profile, _ = slice_of(wanted, room, gpu.device)
    if profile is None:
        return 1.0
    known = dict(profiles_of(gpu.device.model, gpu.device.memory_bytes))
    after = [
        use_of((*gpu.parts, Part(gpu.device.id, profile.name, start)), known)
        for start in profile.starts
        if _is_legal((*gpu.parts, Part(gpu.device.id, profile.name, start)), known)
    ]
    return (use_of(gpu.parts, known) - max(after)) / use_of((), known)


def _is_legal(parts: Sequence[Part], known: dict[str, Profile]) -> bool:
    places = [
        place
        for part in parts
        for place in range(part.start, part.start + known[part.profile].size)
    ]
    media = sum(known[part.profile].has_media for part in parts)
    return len(set(places)) == len(places) and media <= 1
