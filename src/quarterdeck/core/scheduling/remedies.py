"""The cheapest change that would start a waiting job now. Whatever is told here was tried."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from quarterdeck.core.cluster.demand import GpuUnit, Wish
from quarterdeck.core.cluster.gpus import format_gpus
from quarterdeck.core.cluster.mig import profiles_of
from quarterdeck.core.scheduling.gangs import largest_gang
from quarterdeck.core.scheduling.node_costs import count_gpus
from quarterdeck.core.scheduling.placer import Placer
from quarterdeck.core.scheduling.wants import want_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from quarterdeck.core.cluster.demand import Demand, Resources
    from quarterdeck.core.scheduling.placer import Sites
    from quarterdeck.core.scheduling.survey import Survey

GIB = 2**30


class Remedy(NamedTuple):
    """What to change: in words, as a demand, and as keys of the job file."""

    words: str
    demand: Demand
    change: tuple[tuple[str, str], ...]


def find_remedy(placer: Placer, demand: Demand, sites: Sites, survey: Survey) -> Remedy | None:
    """The first of the changes to the job, cheapest first, with which it would start now."""
    for remedy in _remedies(placer, demand, survey):
        if placer.could_place(remedy.demand, sites):
            return remedy
    return None


def find_resumable(placer: Placer, demand: Demand, sites: Sites, survey: Survey) -> tuple[str, ...]:
    """Which cordoned nodes would have to be resumed, in whole or their GPUs, for the gang to start
    now; none if that alone does not help."""
    free = placer.free
    shut = survey.able[free.capacity.is_cordoned[survey.able]].tolist()
    if not shut:
        return ()
    opened = free.opened(shut)
    if not Placer(opened, placer.insists).could_place(demand, sites):
        return ()
    fits = opened.fits(demand.resources)
    fitted = free.fits(demand.resources)
    helpful = [row for row in shut if fits[row] and not fitted[row]]
    # As few as do: one more after the other, and then without those that were in vain.
    chosen = list(helpful)
    for count in range(1, len(helpful) + 1):
        if Placer(free.opened(helpful[:count]), placer.insists).could_place(demand, sites):
            chosen = helpful[:count]
            break
    for row in list(chosen):
        fewer = [one for one in chosen if one != row]
        if fewer and Placer(free.opened(fewer), placer.insists).could_place(demand, sites):
            chosen = fewer
    return tuple(free.fleet.nodes[row].name for row in chosen)


def _remedies(placer: Placer, demand: Demand, survey: Survey) -> Iterator[Remedy]:
    """Everything that might be tried, cheapest first: what loses no GPU goes before what does."""
    wish = demand.topology
    if wish.require is not None:
        yield Remedy(
            f"with `topology: {{prefer: {wish.require.value}}}` instead of require",
            replace(demand, topology=Wish(prefer=wish.require)),
            (("topology.require", ""), ("topology.prefer", wish.require.value)),
        )
    yield from _other_shapes(demand)
    yield from _other_gpus(placer, demand, survey)
    yield from _fewer_nodes(placer, demand, survey)
    yield from _less_per_node(placer, demand, survey)


def _other_shapes(demand: Demand) -> Iterator[Remedy]:
    """As many whole GPUs in all, on more nodes."""
    gpus, nodes = demand.resources.gpus, demand.nodes
    if demand.resources.gpu_unit is not GpuUnit.WHOLE or demand.nodes_max is not None:
        return
    for parts in (2, 4, 8):
        if gpus % parts == 0 and gpus > parts // 2:
            per_node, count = gpus // parts, nodes * parts
            wanted = replace(demand.resources, gpus=per_node)
            changed = replace(demand, nodes=count, resources=wanted)
            yield Remedy(
                f"with {count} nodes × {per_node} GPU{'s'[: per_node > 1]}",
                changed,
                (("nodes", str(count)), _gpu_change(wanted)),
            )


def _other_gpus(placer: Placer, demand: Demand, survey: Survey) -> Iterator[Remedy]:
    """Another model, or a slice of another size."""
    wanted = demand.resources
    found = placer.free.fleet.kinds_at(survey.site)
    if wanted.gpu_unit is GpuUnit.WHOLE and wanted.gpu_models:
        for kind in found:
            changed = replace(wanted, gpu_model=kind.model)
            yield Remedy(
                f"with {kind.model} instead of {wanted.gpu_model}",
                replace(demand, resources=changed),
                (_gpu_change(changed),),
            )
    if wanted.gpu_profile:
        profiles = {
            name: profile
            for kind in found
            if kind.may_slice
            for name, profile in profiles_of(kind.model, kind.memory_bytes).items()
        }
        own = profiles[wanted.gpu_profile].size if wanted.gpu_profile in profiles else 0
        order = sorted(
            (one for one in profiles.values() if own and not one.has_media),
            key=lambda one: (one.size < own, abs(one.size - own), -one.compute),
        )
        for profile in order:
            changed = replace(wanted, gpu_profile=profile.name)
            yield Remedy(
                f"with mig-{profile.name} instead of mig-{wanted.gpu_profile}",
                replace(demand, resources=changed),
                (_gpu_change(changed),),
            )


def _fewer_nodes(placer: Placer, demand: Demand, survey: Survey) -> Iterator[Remedy]:
    fleet = placer.free.fleet
    count, _ = largest_gang(fleet, survey.site, survey.fitting, demand.topology)
    if 0 < count < demand.nodes:
        yield Remedy(
            f"with {count} node{'s'[: count > 1]} instead of {demand.nodes}",
            replace(demand, nodes=count, nodes_max=None),
            (("nodes", str(count)),),
        )


def _less_per_node(placer: Placer, demand: Demand, survey: Survey) -> Iterator[Remedy]:
    """Fewer GPUs, CPUs, or less memory: as much as so many nodes have."""
    free, wanted, rows = placer.free, demand.resources, survey.up
    if len(survey.able) == 0:
        rows = survey.rows[free.is_open[survey.rows]]
    if len(rows) < demand.nodes:
        return
    has_cpus = free.cpus[rows] >= wanted.cpus
    has_memory = free.memory_bytes[rows] >= wanted.memory_bytes
    gpus = free.gpus_free[rows]
    if wanted.gpus:
        gpus = count_gpus(free, want_of(wanted, free.fleet.kinds), rows)
    has_gpus = gpus >= wanted.gpus
    if wanted.gpus > 1:
        most = _kth_largest(gpus[has_cpus & has_memory], demand.nodes)
        if 0 < most < wanted.gpus:
            fewer = replace(wanted, gpus=most)
            yield Remedy(
                f"with {most} GPU{'s'[: most > 1]} per node instead of {wanted.gpus}",
                replace(demand, resources=fewer),
                (_gpu_change(fewer),),
            )
    most = _kth_largest(free.cpus[rows][has_gpus & has_memory], demand.nodes)
    if 0 < most < wanted.cpus:
        yield Remedy(
            f"with {most} CPU{'s'[: most > 1]} per node instead of {wanted.cpus}",
            replace(demand, resources=replace(wanted, cpus=most)),
            (("resources.cpu", str(most)),),
        )
    most = _kth_largest(free.memory_bytes[rows][has_gpus & has_cpus], demand.nodes) // GIB
    if 0 < most * GIB < wanted.memory_bytes:
        yield Remedy(
            f"with {most} GiB per node instead of {wanted.memory_bytes / GIB:.4g} GiB",
            replace(demand, resources=replace(wanted, memory_bytes=most * GIB)),
            (("resources.memory", f"{most}GiB"),),
        )


def _kth_largest(values: NDArray[np.int64], count: int) -> int:
    """What at least so many of them have, or 0."""
    return int(np.sort(values)[-count]) if len(values) >= count else 0


def _gpu_change(wanted: Resources) -> tuple[str, str]:
    return "resources.gpu", format_gpus(wanted)
