"""Why there is no room for a job: one dominant reason, the numbers behind it, what would help."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from quarterdeck.basics.ids import JobId
from quarterdeck.basics.quantities import format_bytes, format_span
from quarterdeck.core.cluster.demand import GpuUnit
from quarterdeck.core.cluster.mig import profiles_of
from quarterdeck.core.scheduling.capacity import capacity_of
from quarterdeck.core.scheduling.fragments import typical_of
from quarterdeck.core.scheduling.free import Free
from quarterdeck.core.scheduling.gangs import largest_gang
from quarterdeck.core.scheduling.holders import largest_holders
from quarterdeck.core.scheduling.nearness import ON_NOTHING
from quarterdeck.core.scheduling.others import outsiders_of
from quarterdeck.core.scheduling.placer import Placer
from quarterdeck.core.scheduling.plan import Blocker, Verdict
from quarterdeck.core.scheduling.remedies import find_remedy, find_resumable
from quarterdeck.core.scheduling.survey import numbers_of, survey_of
from quarterdeck.core.scheduling.terms import (
    as_one_gang,
    is_one_gang,
    list_obstacles,
    needs_same_gpus,
)
from quarterdeck.core.scheduling.wants import want_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from quarterdeck.core.cluster.demand import Demand, Resources
    from quarterdeck.core.cluster.room import Room
    from quarterdeck.core.scheduling.fleet import Kind
    from quarterdeck.core.scheduling.placer import Sites
    from quarterdeck.core.scheduling.snapshot import Holder
    from quarterdeck.core.scheduling.survey import Survey

_NOBODY: Final = JobId("")


def explain_no_room(
    demand: Demand, placer: Placer, sites: Sites, holders: Sequence[Holder], now_ns: int
) -> Verdict:
    """The verdict on a demand for which no site has enough room now. It names no job yet."""
    suited = frozenset(placer.sites_for(demand, sites))
    obstacles = list_obstacles(demand, placer.free.fleet.gang_terms, sites)
    if obstacles and not suited:
        return _unsatisfiable(*obstacles[0])
    where = suited if obstacles else sites
    explain = _explain_groups if demand.beside else _explain
    return _with_obstacles(explain(demand, placer, where, holders, now_ns), obstacles)


def _explain_groups(
    demand: Demand, placer: Placer, sites: Sites, holders: Sequence[Holder], now_ns: int
) -> Verdict:
    if is_one_gang(placer.free.fleet.gang_terms, placer.sites_for(demand, sites)):
        return _without_change(_explain(as_one_gang(demand), placer, sites, holders, now_ns))
    lacking = _lacking_part(demand, placer, sites)
    if lacking is demand:
        return _explain(demand, placer, sites, holders, now_ns)
    return _of_part(lacking, demand, placer, sites, holders, now_ns)


def _explain(
    demand: Demand, placer: Placer, sites: Sites, holders: Sequence[Holder], now_ns: int
) -> Verdict:
    """Of one group; of several by the first one."""
    free, wanted = placer.free, demand.resources
    survey = survey_of(free, wanted, placer.sites_for(demand, sites))
    never = _never(demand, free, survey)
    if survey is None:
        assert never is not None
        return never
    if never is not None:
        remedy = find_remedy(placer, demand, sites, survey)
        if remedy is None:
            return never
        hint = f"{never.hint}; {remedy.words} it would start now"
        return replace(never, hint=hint, change=remedy.change)
    numbers = numbers_of(free, survey, wanted, demand.nodes)
    outsiders = outsiders_of(free.capacity, survey.able.tolist())
    numbers |= outsiders.numbers(now_ns)
    held_by = largest_holders(survey.site, holders, with_gpus=bool(wanted.gpus))
    resumable = find_resumable(placer, demand, sites, survey)
    if resumable:
        told = ", ".join(f"`qd node resume {node}`" for node in resumable)
        change = tuple(("resume", node) for node in resumable)
        message = _not_now(demand, survey, numbers)
        hint = f"with {told} it would start now"
        return Verdict(_NOBODY, Blocker.CORDONED, message, hint, numbers, held_by, change)
    blocker, message = _dominant(demand, free, survey, numbers)
    if blocker is Blocker.NO_CAPACITY and wanted.gpu_models:
        other = replace(demand, resources=replace(wanted, gpu_model=None))
        if placer.could_place(other, sites):
            blocker = Blocker.GPU_MODEL
            message += "; there is room on GPUs of another model"
    remedy = find_remedy(placer, demand, sites, survey)
    if remedy is not None:
        hint = f"{remedy.words} it would start now"
    elif held_by:
        hint = f"it starts when enough of {', '.join(held_by)} has ended"
    elif outsiders.is_anybody:
        hint = "it starts when enough of what others run at the site has ended"
    else:
        hint = "it starts when nodes come back or jobs end"
    change = remedy.change if remedy is not None else ()
    return Verdict(_NOBODY, blocker, message, hint, numbers, held_by, change)


def _lacking_part(demand: Demand, placer: Placer, sites: Sites) -> Demand | None:
    """The group of a gang that finds no room by itself: the gang if it is the first one, None if
    each of them would."""
    for part in demand.parts:
        survey = survey_of(placer.free, part.resources, placer.sites_for(part, sites))
        if _never(part, placer.free, survey) is not None:
            return part
    first, *beside = demand.parts
    if not placer.could_place(first, sites, ON_NOTHING):
        return demand
    return next((part for part in beside if not placer.could_place(part, sites, ON_NOTHING)), None)


def _of_part(
    part: Demand | None,
    demand: Demand,
    placer: Placer,
    sites: Sites,
    holders: Sequence[Holder],
    now_ns: int,
) -> Verdict:
    """The verdict on a gang of which a part that is not the first is what there is no room for."""
    if part is None:
        is_near = demand.topology.require is not None
        level = f" within one {demand.topology.require}" if is_near else ""
        message = f"waiting for {demand}{level}: each part of it has room, but not all together"
        hint = "it starts when jobs end"
        return Verdict(_NOBODY, Blocker.TOPOLOGY if is_near else Blocker.NO_CAPACITY, message, hint)
    verdict = _without_change(_explain(part, placer, sites, holders, now_ns))
    return replace(verdict, message=f"{verdict.message}; that is a part of {demand}")


def _without_change(verdict: Verdict) -> Verdict:
    """It would help a part of a gang, and was not tried with the others."""
    if not verdict.change:
        return verdict
    return replace(verdict, hint="it starts when jobs end", change=())


def never_fits(demand: Demand, rooms: Sequence[Room]) -> Verdict | None:
    """A verdict if no site could fit the demand even when empty and up; None if one could."""
    free = Free(capacity_of(rooms), typical_of(()))
    sites = list(Placer(free).sites_for(demand, None))
    obstacles = list_obstacles(demand, free.fleet.gang_terms, None)
    if obstacles and not sites:
        return _unsatisfiable(*obstacles[0])
    parts = (as_one_gang(demand),) if is_one_gang(free.fleet.gang_terms, sites) else demand.parts
    found = (_never(part, free, survey_of(free, part.resources, sites)) for part in parts)
    never = next((verdict for verdict in found if verdict is not None), None)
    return None if never is None else _with_obstacles(never, obstacles)


def _with_obstacles(verdict: Verdict, obstacles: Sequence[tuple[str, str]]) -> Verdict:
    """Where no other site will ever do, why the rest does not is told, too."""
    if verdict.blocked_by is not Blocker.UNSATISFIABLE:
        return verdict
    for message, hint in obstacles:
        told, hints = f"{verdict.message}; {message}", f"{verdict.hint}; or {hint}"
        verdict = replace(verdict, message=told, hint=hints)
    return verdict


def _dominant(
    demand: Demand, free: Free, survey: Survey, numbers: dict[str, int]
) -> tuple[Blocker, str]:
    """What it is that keeps a job back, and the sentence that says so."""
    wanted, wish = demand.resources, demand.topology
    told = _not_now(demand, survey, numbers)
    if wish.require is not None and len(survey.fitting) >= demand.nodes:
        most, domain = largest_gang(free.fleet, survey.site, survey.fitting, wish)
        level = wish.require.value
        numbers["nodes_in_one_domain"] = most
        where = f"{most} of them are in one {level}" if most else f"no two of them share a {level}"
        return Blocker.TOPOLOGY, (
            f"waiting for {demand} within one {level}: {len(survey.fitting)} nodes of site "
            f"{survey.site} have room, but at most {where}{f' ({domain})' if domain else ''}"
        )
    if wanted.gpu_unit is GpuUnit.SLICE and wanted.gpus:
        parts = _memory_free(free, survey.up)
        if parts:
            numbers["gpus_cut"] = parts
            gpus = "GPU is" if parts == 1 else "GPUs are"
            return Blocker.MIG_SHAPE, f"{told}; {parts} {gpus} cut into slices of another shape"
    is_same = needs_same_gpus(demand, free.fleet.gang_terms[survey.site])
    if is_same and len(survey.fitting) >= demand.nodes:
        return Blocker.FRAGMENTED, (
            f"{told}, but not the same GPUs of each, and site {survey.site} gives the nodes of a "
            f"job no others"
        )
    if wanted.gpus > 1 and numbers["gpus_free_now"] >= numbers["gpus_wanted"]:
        most = numbers["largest_free_gpus_on_a_node"]
        return Blocker.FRAGMENTED, f"{told}, but at most {most} of them on one node"
    return Blocker.NO_CAPACITY, told


def _memory_free(free: Free, rows: NDArray[np.int64]) -> int:
    """How many GPUs are cut and have some memory slice left."""
    states = free.state[rows]
    return int(((states > 0) & (states < 0xFF)).sum())


def _never(demand: Demand, free: Free, survey: Survey | None) -> Verdict | None:
    wanted, wish = demand.resources, demand.topology
    if survey is None:
        known = ", ".join(free.fleet.sites) or "none"
        if demand.site is None:
            return _unsatisfiable(
                "no site has any node yet", "wait until a site's agent has reported its nodes"
            )
        return _unsatisfiable(f"there is no site {demand.site!r}", f"sites: {known}")
    numbers = {"nodes_wanted": demand.nodes, "nodes_able": len(survey.able)}
    if len(survey.able) == 0:
        return _unsatisfiable(*_no_node_is_able(wanted, free, survey), numbers)
    if len(survey.able) < demand.nodes:
        message = (
            f"{demand.nodes} nodes wanted, but only {len(survey.able)} of site {survey.site}'s "
            f"{len(survey.rows)} nodes could ever fit {_per_node(wanted)}"
        )
        return _unsatisfiable(message, f"ask for at most {len(survey.able)} nodes", numbers)
    if wish.require is not None and demand.nodes > 1:
        most, domain = largest_gang(free.fleet, survey.site, survey.able, wish)
        if most < demand.nodes:
            level = wish.require.value
            numbers["nodes_in_one_domain"] = most
            if not most:
                message = f"site {survey.site} has not said in which {level} its nodes are"
                return _unsatisfiable(message, f"leave out `require: {level}`", numbers)
            message = (
                f"{demand.nodes} nodes within one {level} wanted, but no {level} has more than "
                f"{most} that could ever fit {_per_node(wanted)} ({domain} has)"
            )
            hint = f"ask for at most {most} nodes, or for `topology: {{prefer: {level}}}`"
            return _unsatisfiable(message, hint, numbers)
    return None


def _unsatisfiable(message: str, hint: str, numbers: dict[str, int] | None = None) -> Verdict:
    return Verdict(_NOBODY, Blocker.UNSATISFIABLE, message, hint, numbers or {})


def _per_node(wanted: Resources) -> str:
    parts = []
    if wanted.gpus:
        parts.append(f"{wanted.gpus} {wanted.gpu_kind + ' ' if wanted.gpu_kind else ''}GPUs")
    parts.append(f"{wanted.cpus} CPUs")
    if wanted.memory_bytes:
        parts.append(f"{wanted.memory_bytes / 2**30:.4g} GiB")
    return ", ".join(parts)


def _no_node_is_able(wanted: Resources, free: Free, survey: Survey) -> tuple[str, str]:
    """The first need that no node meets, and the most that one node has."""
    fleet, rows = free.fleet, survey.rows
    if wanted.gpus:
        want = want_of(wanted, fleet.kinds)
        here = {number for number in np.unique(fleet.kind[rows]).tolist() if number >= 0}
        if not any(want.counts[number, 0] for number in here):
            return _no_gpu_is_able(wanted, [fleet.kinds[number] for number in sorted(here)])
        counts = want.counts[fleet.kind[rows], 0].sum(axis=1)
        rows = rows[counts > 0]
        most_gpus = int(counts.max())
    else:
        most_gpus = 0
    memory = int(fleet.memory_bytes[rows].max())
    for need, have, wish, most in (
        (wanted.gpus, most_gpus, "{} GPUs", "{} GPUs"),
        (wanted.cpus, int(fleet.cpus[rows].max()), "{} CPUs", "{} CPUs"),
        (wanted.memory_bytes, memory, format_bytes(wanted.memory_bytes), format_bytes(memory)),
    ):
        if need > have:
            asked, there = wish.format(need), most.format(have)
            message = f"{asked} on one node wanted, but the largest node has {there}"
            if have:
                return message, f"ask for at most {there} per node, or for more nodes"
            return message, f"ask for no {wish.removeprefix('{} ')}"
    return (
        f"no single node has {_per_node(wanted)} together",
        "ask for less of one of them per node",
    )


def _no_gpu_is_able(wanted: Resources, kinds: Sequence[Kind]) -> tuple[str, str]:
    """No GPU of the site is what is wanted."""
    if not kinds and not wanted.gpu_kind:
        return (
            f"{wanted.gpus} GPUs on one node wanted, but the largest node has 0 GPUs",
            "ask for no GPUs",
        )
    models = ", ".join(sorted({kind.model for kind in kinds})) or "none"
    if wanted.gpu_unit is GpuUnit.SHARE and kinds and all(kind.is_whole_only for kind in kinds):
        return (
            f"{wanted.gpu_kind or 'a part of a GPU'} wanted, and no node gives parts of GPUs",
            "ask for whole GPUs, or use a site that packs jobs by itself",
        )
    if wanted.gpu_profile:
        profiles = [
            name
            for kind in kinds
            if kind.may_slice
            for name in profiles_of(kind.model, kind.memory_bytes)
        ]
        listed = ", ".join(f"mig-{name}" for name in dict.fromkeys(profiles))
        return (
            f"no GPU can be cut into a {wanted.gpu_profile}",
            f"slices here: {listed}" if listed else "no GPU here can be cut into slices",
        )
    if wanted.gpu_memory_bytes:
        largest = max((kind.memory_bytes for kind in kinds), default=0)
        return (
            f"no GPU has {format_bytes(wanted.gpu_memory_bytes)} of memory",
            f"the largest has {format_bytes(largest)}; GPU models here: {models}",
        )
    return f"no node has a {wanted.gpu_kind} GPU", f"GPU models here: {models}"


def _not_now(demand: Demand, survey: Survey, numbers: dict[str, int]) -> str:
    wanted = demand.resources
    message = (
        f"waiting for {demand}: {_nodes_free(numbers)} at site {survey.site} "
        f"({numbers['nodes_able']} could fit it)"
    )
    if wanted.gpus and wanted.gpu_unit is GpuUnit.WHOLE:
        message += f"; {numbers['gpus_free_now']} of {numbers['gpus_total']} GPUs are free"
    elif wanted.gpus:
        message += f"; {numbers['gpus_free_now']} {wanted.gpu_kind} are free"
    for what, state in (("nodes", "down"), ("nodes", "cordoned"), ("gpus", "cordoned")):
        count = numbers[f"{what}_{state}"]
        if count:
            word = {"nodes": "node", "gpus": "GPU"}[what]
            message += (
                f"; {count} {word} is {state}" if count == 1 else (f"; {count} {word}s are {state}")
            )
    drained = numbers.get("nodes_drained", 0)
    if drained:
        message += f"; the site has drained {drained} node{'s'[: drained != 1]}"
    return message + _told_of_others(wanted, numbers)


def _told_of_others(wanted: Resources, numbers: Mapping[str, int]) -> str:
    """What others of the site use, and when some of it comes free."""
    gpus, cpus = numbers.get("gpus_of_others", 0), numbers.get("cpus_of_others", 0)
    if wanted.gpus and gpus:
        used = f"{gpus} of {numbers['gpus_total']} GPUs are"
    elif cpus and not wanted.gpus:
        used = f"{cpus} of {numbers['cpus_total']} CPUs are"
    else:
        return ""
    told = f"; {used} used by jobs that are not Quarterdeck's"
    if "others_end_s" not in numbers:
        return told
    span = format_span(numbers["others_end_s"])
    return f"{told}; the first of them ends in {span} at the latest"


def _nodes_free(numbers: dict[str, int]) -> str:
    free, wanted = numbers["nodes_free_now"], numbers["nodes_wanted"]
    if wanted == 1:
        return "no node is free for it now"
    return f"{free} of the {wanted} nodes needed {'is' if free == 1 else 'are'} free now"
