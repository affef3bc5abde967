"""What a site can do for a gang, and which gangs are never for it (`GangTerms`)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from quarterdeck.core.cluster.demand import GpuUnit
from quarterdeck.core.scheduling.groups import Taken

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from quarterdeck.core.cluster.demand import Demand
    from quarterdeck.core.cluster.hardware import GangTerms

    Sites = frozenset[str] | None


def find_obstacle(demand: Demand, terms: GangTerms, site: str) -> tuple[str, str] | None:
    """Why the site could never run all of it, whatever it has, and what to do; None if it could."""
    if terms.is_alike and any(one.resources != demand.resources for one in demand.beside):
        return (
            f"its roles need different things, and site {site} gives each node of a job the same",
            "ask for the same in each role, or name a site that runs roles of any needs",
        )
    least = _least_nodes(demand, terms)
    if terms.nodes_max is not None and least > terms.nodes_max:
        most = terms.nodes_max
        return (
            f"{least} nodes wanted, and site {site} holds at most {most} at a time (nodes_max)",
            f"ask for at most {most} nodes, or let nodes_max of site {site} be raised",
        )
    return None


def list_obstacles(
    demand: Demand, terms: Mapping[str, GangTerms], sites: Sites
) -> list[tuple[str, str]]:
    """Those of all of these sites that the demand does not rule out itself."""
    found = (
        find_obstacle(demand, one, site)
        for site, one in terms.items()
        if demand.site in (None, site) and (sites is None or site in sites)
    )
    return [one for one in found if one is not None]


def is_one_gang(terms: Mapping[str, GangTerms], sites: Iterable[str]) -> bool:
    """Whether all of these sites give all replicas a node of their own."""
    told = [terms[site] for site in sites]
    return bool(told) and all(one.is_alike for one in told)


def as_one_gang(demand: Demand) -> Demand:
    """All of its groups, which need the same, as one: so each replica has a node of its own."""
    more, most = demand.nodes_beside, demand.nodes_max
    return replace(
        demand,
        nodes=demand.nodes + more,
        nodes_max=None if most is None else most + more,
        beside=(),
    )


def split_gang(demand: Demand, taken: Taken) -> tuple[Taken, ...]:
    """What each group has of what all were given as one."""
    rows, grants = taken.chosen.rows, taken.grants
    sizes = [len(rows) - demand.nodes_beside, *(one.nodes for one in demand.beside)]
    found, first = [], 0
    for size in sizes:
        chosen = replace(taken.chosen, rows=rows[first : first + size])
        found.append(Taken(chosen, grants[first : first + size]))
        first += size
    return tuple(found)


def needs_same_gpus(demand: Demand, terms: GangTerms) -> bool:
    """Whether each of its nodes is to give the same GPUs, by their places."""
    wanted = demand.resources
    is_gang = demand.most_nodes > 1 or bool(demand.beside)
    return terms.has_same_gpus and is_gang and wanted.gpus > 0 and wanted.gpu_unit is GpuUnit.WHOLE


def _least_nodes(demand: Demand, terms: GangTerms) -> int:
    """How many different nodes it takes at least: elsewhere one may be in several groups."""
    groups = (demand.nodes, *(one.nodes for one in demand.beside))
    return sum(groups) if terms.is_alike else max(groups)
