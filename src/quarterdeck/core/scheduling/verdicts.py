"""Why a job does not start: one dominant reason, the numbers behind it, and what would help."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from quarterdeck.basics.ids import JobId
from quarterdeck.basics.quantities import format_bytes, format_span
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.cluster.demand import Demand, Resources
from quarterdeck.core.cluster.hardware import NodeState
from quarterdeck.core.cluster.room import Room, could_ever_fit, has_model
from quarterdeck.core.scheduling.plan import Blocker, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from quarterdeck.core.scheduling.allowances import Allowance, Party
    from quarterdeck.core.scheduling.snapshot import Holder, Waiting

HOLDERS_SHOWN_MAX = 5


def behind(waiting: Waiting, ahead: Waiting) -> Verdict:
    """The verdict of a job that may not pass another one any more."""
    return Verdict(
        waiting.job_id,
        Blocker.BEHIND_OTHERS,
        f"{ahead.job_id} is before it ({ahead.demand}) and has waited so long that nothing may "
        "pass it any more",
        hint=f"it is looked at again once {ahead.job_id} has started; `qd explain {ahead.job_id}`",
        held_by=(ahead.job_id,),
    )


def not_ready(waiting: Waiting, placed: int, now_ns: int) -> Verdict:
    """The verdict of a job of which nothing more may be placed, whatever is free."""
    if waiting.unmet:
        shown = ", ".join(waiting.unmet[:HOLDERS_SHOWN_MAX])
        more = len(waiting.unmet) - HOLDERS_SHOWN_MAX
        return Verdict(
            waiting.job_id,
            Blocker.NEEDS,
            f"it needs {shown}{f' and {more} more' if more > 0 else ''} to succeed first",
            hint=f"`qd explain {waiting.unmet[0]}`",
            numbers={"needs_unmet": len(waiting.unmet)},
            held_by=waiting.unmet[:HOLDERS_SHOWN_MAX],
        )
    if placed >= waiting.room:
        return Verdict(
            waiting.job_id,
            Blocker.ARRAY_LIMIT,
            f"{waiting.parallel} of its tasks may run at once, and so many do; "
            f"{len(waiting.tasks) - placed} wait",
            hint="a larger number after the % of `array` lets more run",
            numbers={"tasks_waiting": len(waiting.tasks) - placed},
        )
    next_ns = waiting.next_ready_ns(now_ns) or now_ns
    left_s = (next_ns - now_ns) / NS_PER_S
    return Verdict(
        waiting.job_id,
        Blocker.BACKOFF,
        f"its last attempt failed; the next one waits another {format_span(left_s)}",
        hint="`retry.backoff` in the job file says how long",
        numbers={"wait_s": math.ceil(left_s)},
    )


def at_limit(waiting: Waiting, narrowest: tuple[int, Party, Allowance]) -> Verdict:
    """The verdict of a job whose team or owner runs as many as may at once."""
    left, (whose, name), allowance = narrowest
    who = f"team {name}" if whose == "team" else f"user {name}"
    assert allowance.running_max is not None
    running = allowance.running_max - max(0, left)
    return Verdict(
        waiting.job_id,
        Blocker.LIMIT,
        f"{who} may run {allowance.running_max} jobs at once, and {running} run or start",
        hint="it starts when one of them has ended; an admin may raise the limit",
        numbers={"running": running, "running_max": allowance.running_max},
    )


def shut_out(waiting: Waiting, sites: Collection[str]) -> Verdict:
    """The verdict of a job that would fit somewhere, but nowhere that its team or owner may use."""
    named = f"only the sites {', '.join(sorted(sites))}" if sites else "no site at all"
    return Verdict(
        waiting.job_id,
        Blocker.LIMIT,
        f"its team and its owner together may use {named}, and it could never fit there",
        hint="an admin may let them use more sites",
        numbers={"sites": len(sites)},
    )


def explain_no_room(waiting: Waiting, rooms: Sequence[Room], holders: Iterable[Holder]) -> Verdict:
    """The verdict of a job for which no site has enough room now."""
    never = never_fits(waiting.demand, rooms)
    if never is not None:
        return Verdict(
            waiting.job_id, Blocker.UNSATISFIABLE, never.message, never.hint, never.numbers
        )
    site, candidates = _closest_site(waiting.demand, rooms)
    demand, wanted = waiting.demand, waiting.demand.resources
    able = [room for room in candidates if could_ever_fit(room.node, wanted)]
    up = [room for room in able if room.is_open]
    numbers = {
        "nodes_wanted": demand.nodes,
        "nodes_free_now": sum(room.fits(wanted) for room in able),
        "nodes_able": len(able),
        "nodes_down": sum(room.node.state is not NodeState.READY for room in able),
        "nodes_cordoned": sum(room.cordon is not None for room in able),
        "gpus_cordoned": sum(one.device is not None for room in up for one in room.cordons),
        "gpus_wanted": demand.nodes * wanted.gpus,
        "gpus_free_now": sum(len(room.free_devices) for room in up),
        "gpus_total": sum(len(room.node.devices) for room in able),
        "largest_free_gpus_on_a_node": max((len(room.free_devices) for room in up), default=0),
    }
    held_by = _largest_holders(site, wanted, holders)
    return Verdict(
        waiting.job_id,
        Blocker.NO_CAPACITY,
        _not_now_message(demand, site, numbers),
        hint=_cheapest_change(demand, able, numbers["nodes_free_now"], held_by)
        if not (resumable := _cordons_in_the_way(demand, able))
        else f"with {resumable} it would start now",
        numbers=numbers,
        held_by=held_by,
    )


def never_fits(demand: Demand, rooms: Sequence[Room]) -> Verdict | None:
    """A verdict if no site could fit the demand even when empty and up; None if one could."""
    site, candidates = _closest_site(demand, rooms)
    wanted = demand.resources
    able = [room for room in candidates if could_ever_fit(room.node, wanted)]
    if len(able) >= demand.nodes:
        return None
    nobody = JobId("")
    if demand.site is not None and not candidates:
        known = ", ".join(sorted({room.site for room in rooms})) or "none"
        return Verdict(
            nobody,
            Blocker.UNSATISFIABLE,
            f"there is no site {demand.site!r}",
            hint=f"sites: {known}",
        )
    if not able:
        message, hint = _no_node_is_able(wanted, candidates)
    else:
        message = (
            f"{demand.nodes} nodes wanted, but only {len(able)} of site {site}'s "
            f"{len(candidates)} nodes could ever fit {_per_node(wanted)}"
        )
        hint = f"ask for at most {len(able)} nodes"
    numbers = {"nodes_wanted": demand.nodes, "nodes_able": len(able)}
    return Verdict(nobody, Blocker.UNSATISFIABLE, message, hint, numbers)


def _closest_site(demand: Demand, rooms: Sequence[Room]) -> tuple[str, list[Room]]:
    """The site that comes closest to fitting: most nodes that could, then most that do now."""
    by_site: dict[str, list[Room]] = {}
    for room in rooms:
        if demand.site in (None, room.site):
            by_site.setdefault(room.site, []).append(room)
    wanted = demand.resources

    def closeness(site: str) -> tuple[int, int, str]:
        fitting = sum(room.fits(wanted) for room in by_site[site])
        able = sum(could_ever_fit(room.node, wanted) for room in by_site[site])
        return (-able, -fitting, site)

    if not by_site:
        return demand.site or "", []
    site = min(by_site, key=closeness) if len(by_site) > 1 else next(iter(by_site))
    return site, by_site[site]


def _per_node(wanted: Resources) -> str:
    parts = []
    if wanted.gpus:
        parts.append(f"{wanted.gpus} {wanted.gpu_model + ' ' if wanted.gpu_model else ''}GPUs")
    parts.append(f"{wanted.cpus} CPUs")
    if wanted.memory_bytes:
        parts.append(f"{wanted.memory_bytes / 2**30:.4g} GiB")
    return ", ".join(parts)


def _no_node_is_able(wanted: Resources, candidates: Sequence[Room]) -> tuple[str, str]:
    """The first need that no node meets, and the most that one node has."""
    if not candidates:
        return "no site has any node yet", "wait until a site's agent has reported its nodes"
    with_model = [room.node for room in candidates if has_model(room.node, wanted)]
    if not with_model:
        models = sorted({d.model for room in candidates for d in room.node.devices[:1]})
        return (
            f"no node has a {wanted.gpu_model} GPU",
            f"GPU models here: {', '.join(models) or 'none'}",
        )
    memory = max(node.memory_bytes for node in with_model)
    for need, have, wish, most in (
        (wanted.gpus, max(len(node.devices) for node in with_model), "{} GPUs", "{} GPUs"),
        (wanted.cpus, max(node.cpus for node in with_model), "{} CPUs", "{} CPUs"),
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


def _not_now_message(demand: Demand, site: str, numbers: dict[str, int]) -> str:
    wanted = demand.resources
    message = (
        f"waiting for {demand}: {_nodes_free(numbers)} at site {site} "
        f"({numbers['nodes_able']} could fit it)"
    )
    if wanted.gpus:
        message += f"; {numbers['gpus_free_now']} of {numbers['gpus_total']} GPUs are free"
    if numbers["nodes_down"]:
        are = "node is" if numbers["nodes_down"] == 1 else "nodes are"
        message += f"; {numbers['nodes_down']} {are} down"
    if numbers["nodes_cordoned"]:
        are = "node is" if numbers["nodes_cordoned"] == 1 else "nodes are"
        message += f"; {numbers['nodes_cordoned']} {are} cordoned"
    if numbers["gpus_cordoned"]:
        are = "GPU is" if numbers["gpus_cordoned"] == 1 else "GPUs are"
        message += f"; {numbers['gpus_cordoned']} {are} cordoned"
    return message


def _cordons_in_the_way(demand: Demand, able: Sequence[Room]) -> str:
    """What would have to be resumed for the gang to start now, if that is all that is missing."""
    wanted = demand.resources
    missing = demand.nodes - sum(room.fits(wanted) for room in able)
    behind = [room for room in able if not room.fits(wanted) and room.opened().fits(wanted)]
    if not 0 < missing <= len(behind):
        return ""
    return ", ".join(f"`qd node resume {room.node.name}`" for room in behind[:missing])


def _nodes_free(numbers: dict[str, int]) -> str:
    free, wanted = numbers["nodes_free_now"], numbers["nodes_wanted"]
    if wanted == 1:
        return "no node is free for it now"
    return f"{free} of the {wanted} nodes needed {'is' if free == 1 else 'are'} free now"


def _cheapest_change(
    demand: Demand, able: Sequence[Room], free: int, held_by: tuple[JobId, ...]
) -> str:
    wanted = demand.resources
    if free:
        return f"with {free} node{'s'[: free > 1]} instead of {demand.nodes} it would start now"
    gpus = _gpus_that_start_now(demand, able)
    if gpus:
        return (
            f"with {gpus} GPU{'s'[: gpus > 1]} per node instead of {wanted.gpus} it would start now"
        )
    if held_by:
        return f"it starts when enough of {', '.join(held_by)} has ended"
    return "it starts when nodes come back or jobs end"


def _gpus_that_start_now(demand: Demand, able: Sequence[Room]) -> int:
    """The most GPUs per node with which the gang fits, all its other needs as they are, or 0."""
    if demand.resources.gpus < 2:
        return 0
    one = replace(demand.resources, gpus=1)
    most_free = sorted((len(room.free_devices) for room in able if room.fits(one)), reverse=True)
    return most_free[demand.nodes - 1] if len(most_free) >= demand.nodes else 0


def _largest_holders(site: str, wanted: Resources, holders: Iterable[Holder]) -> tuple[JobId, ...]:
    here = [holder for holder in holders if holder.site == site]
    if wanted.gpus:
        here = [holder for holder in here if holder.gpus]
    here.sort(key=lambda holder: (-holder.gpus, -holder.cpus, holder.job_id))
    return tuple(holder.job_id for holder in here[:HOLDERS_SHOWN_MAX])
