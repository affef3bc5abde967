"""What a site has for one demand: the nodes that could ever do, those that do now, and the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from quarterdeck.core.cluster.hardware import NodeState
from quarterdeck.core.scheduling.capacity import CLOSED, FREE
from quarterdeck.core.scheduling.gangs import largest_gang
from quarterdeck.core.scheduling.node_costs import count_gpus
from quarterdeck.core.scheduling.wants import want_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from quarterdeck.core.cluster.demand import Demand, Resources
    from quarterdeck.core.cluster.room import Room
    from quarterdeck.core.scheduling.fleet import Fleet
    from quarterdeck.core.scheduling.free import Free
    from quarterdeck.core.scheduling.wants import Want


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """Rows of the site `site`. `able`: would do if empty and up; `up`: those of them that are open
    to new work; `fitting`: those with room now."""

    site: str
    rows: NDArray[np.int64]
    able: NDArray[np.int64]
    up: NDArray[np.int64]
    fitting: NDArray[np.int64]


def able_rows(fleet: Fleet, wanted: Resources, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Those that would do if nothing else ran on them and they were up."""
    fits = (fleet.cpus[rows] >= wanted.cpus) & (fleet.memory_bytes[rows] >= wanted.memory_bytes)
    if wanted.gpus:
        fits &= _count_on_empty(fleet, want_of(wanted, fleet.kinds), rows) >= wanted.gpus
    found: NDArray[np.int64] = rows[fits]
    return found


def _count_on_empty(fleet: Fleet, want: Want, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many of the wanted GPUs each of these could give if nothing ran there."""
    kind_of_node = fleet.kind_of_node[rows]
    if want.is_whole and not fleet.has_mixed:
        gpus: NDArray[np.int64] = fleet.gpus[rows] * want.is_able[kind_of_node]
        return gpus
    kinds = fleet.kind[rows]
    return want.count(kind_of_node, kinds, np.where(kinds < 0, CLOSED, FREE))


def survey_of(free: Free, wanted: Resources, sites: Iterable[str]) -> Survey | None:
    """The site that comes closest to having room: with most nodes that could ever do, then most
    that do now, then by name; None without any site."""
    fleet, fits = free.fleet, free.fits(wanted)
    best: tuple[tuple[int, int, str], Survey] | None = None
    for site in sites:
        part = fleet.sites[site]
        rows = np.arange(part.start, part.stop)
        able = able_rows(fleet, wanted, rows)
        fitting = rows[fits[part]]
        closeness = (-len(able), -len(fitting), site)
        if best is None or closeness < best[0]:
            best = (closeness, Survey(site, rows, able, able[free.is_open[able]], fitting))
    return None if best is None else best[1]


def could_start(free: Free, demand: Demand, sites: Iterable[str]) -> bool:
    """Whether the nodes of one of these sites that are up would do, if nothing ran on them but what
    others hold without an end."""
    return any(all(_could_start(part, free, site) for part in demand.parts) for site in sites)


def _could_start(demand: Demand, free: Free, site: str) -> bool:
    part = free.fleet.sites[site]
    able = able_rows(free.fleet, demand.resources, np.arange(part.start, part.stop))
    up = able[free.is_open[able]]
    if free.capacity.shared:
        up = _without_kept_for_ever(free, up, demand.resources)
    if free.barred is not None:
        # Who waits for a booking to be over would hold up those who are over before.
        up = up[~free.barred[up]]
    return largest_gang(free.fleet, site, up, demand.topology)[0] >= demand.nodes


def _without_kept_for_ever(
    free: Free, rows: NDArray[np.int64], wanted: Resources
) -> NDArray[np.int64]:
    """Those of which others leave enough that do not say when they end: nobody can make them go."""
    short = {
        row
        for row in set(rows.tolist()).intersection(free.capacity.shared)
        if _is_short(free.capacity.rooms[row], wanted)
    }
    return rows[[row not in short for row in rows.tolist()]] if short else rows


def _is_short(room: Room, wanted: Resources) -> bool:
    node, lasting = room.node, room.outside.lasting
    return (
        len(node.devices) - lasting.gpus < wanted.gpus
        or node.cpus - lasting.cpus < wanted.cpus
        or node.memory_bytes - lasting.memory_bytes < wanted.memory_bytes
    )


def numbers_of(free: Free, survey: Survey, wanted: Resources, nodes: int) -> dict[str, int]:
    """The numbers behind a verdict. GPUs are counted as what is wanted of them: whole, in slices
    or in shares."""
    fleet, capacity = free.fleet, free.capacity
    counts = _counts(free, survey.up, wanted)
    closed = [capacity.rooms[row] for row in survey.able[~capacity.is_open[survey.able]].tolist()]
    cordoned = survey.up[capacity.is_cordoned[survey.up]].tolist()
    drained = sum(room.node.state is NodeState.DRAINED for room in closed)
    return {
        "nodes_wanted": nodes,
        "nodes_free_now": len(survey.fitting),
        "nodes_able": len(survey.able),
        "nodes_down": sum(room.node.state is NodeState.DOWN for room in closed),
        "nodes_cordoned": sum(room.cordon is not None for room in closed),
        "gpus_cordoned": sum(
            one.device is not None for row in cordoned for one in capacity.rooms[row].cordons
        ),
        "gpus_wanted": nodes * wanted.gpus,
        "gpus_free_now": int(counts.sum()),
        "gpus_total": int(fleet.gpus[survey.able].sum()),
        "largest_free_gpus_on_a_node": int(counts.max(initial=0)),
        **({"nodes_drained": drained} if drained else {}),
    }


def _counts(free: Free, rows: NDArray[np.int64], wanted: Resources) -> NDArray[np.int64]:
    if not wanted.gpus:
        gpus: NDArray[np.int64] = free.gpus_free[rows]
        return gpus
    return count_gpus(free, want_of(wanted, free.fleet.kinds), rows)
