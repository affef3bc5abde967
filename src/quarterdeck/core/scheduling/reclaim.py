"""The cheapest way to make room for one job on nodes where others borrow.

What a stop costs is the work that is lost by it, times the GPUs: all since the start, or little
where the job keeps checkpoints. Nodes are taken in the order of what it costs to clear them for a
replica; of a gang as many of the cheapest as it needs, and more only where its shape asks for it.
The job is then placed, for proof, on what its victims leave.

A victim that takes as many nodes as are free gives up those that are needed and keeps the others,
if they are enough for it. All of it starts again, so as much work is lost as if it were stopped,
but it does not have to wait. Before anybody is stopped those give up nodes that keep checkpoints
and so lose little, if that is enough; else what is lost decides, and then who has to wait. What is
stopping already, to go on with what it keeps, can give up more of that at no cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from quarterdeck.core.cluster.demand import GpuUnit
from quarterdeck.core.cluster.parts import parse_part
from quarterdeck.core.jobs.clearance import Clearance
from quarterdeck.core.scheduling.borrowers import goes_on, loss_gpu_s
from quarterdeck.core.scheduling.placer import Placer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from quarterdeck.core.cluster.demand import Grant, Resources
    from quarterdeck.core.scheduling.borrowers import Borrowers
    from quarterdeck.core.scheduling.fleet import Fleet
    from quarterdeck.core.scheduling.free import Free
    from quarterdeck.core.scheduling.nearness import Insists
    from quarterdeck.core.scheduling.placer import Sites
    from quarterdeck.core.scheduling.plan import Placement
    from quarterdeck.core.scheduling.snapshot import Running, Waiting

    Rows = NDArray[np.bool_]

ONE_BY_ONE_MAX: Final = 12
"""So many rows are added one by one, which finds the cheapest rack or unit of a few nodes."""
SPARED_MAX: Final = 8
"""So often it is tried to leave enough nodes to those who can do with fewer."""
PRUNED_MAX: Final = 32
"""Of so many victims each is tried to be let off; larger sets are as the nodes gave them."""


@dataclass(frozen=True, slots=True)
class Reclaimed:
    """Room for one job: what others may take meanwhile, who must go for it (nobody if those that
    are going already are enough) and with what each of these goes on, on which rows it may lie, and
    where it then would: the `proof`. `lost_gpu_s` is the work that is lost, `left` what will be
    free once all have gone and it lies there."""

    placer: Placer
    victims: tuple[Running, ...]
    within: Rows
    lost_gpu_s: float
    clearance: Clearance
    left: Free
    proof: Placement

    @property
    def is_gentle(self) -> bool:
        """Whether nobody has to wait for it, nor loses more than what checkpoints do not keep."""
        return all(goes_on(one) for one in self.victims)


@dataclass(frozen=True, slots=True)
class Seeker:
    """A job that needs room, and where it may lie."""

    waiting: Waiting
    sites: Sites
    insists: Insists
    within: Rows

    def place(
        self,
        placer: Placer,
        rows: Rows,
        accepts: Callable[[str, tuple[Grant, ...]], bool] | None = None,
    ) -> Placement | None:
        """Where it would lie on these rows."""
        job_id, demand = self.waiting.job_id, self.waiting.demand
        return placer.place(
            job_id, demand, self.sites, insists=self.insists, within=rows, accepts=accepts
        )


def find_cheapest(
    free: tuple[Placer, Free],
    seeker: Seeker,
    borrowers: Borrowers,
    accepts: Callable[[str, tuple[Grant, ...]], bool],
    now_ns: int,
) -> Reclaimed | None:
    """Room for a job, made by those who may be stopped. `free` is what others may take now, and
    what will be free once those have gone who are going already. `accepts` hears what the job would
    hold, and may refuse it."""
    found = None
    if borrowers.has_elastic:
        found = _find(free, seeker, borrowers, accepts, now_ns, gently=True)
    return found or _find(free, seeker, borrowers, accepts, now_ns, gently=False)


def _find(
    free: tuple[Placer, Free],
    seeker: Seeker,
    borrowers: Borrowers,
    accepts: Callable[[str, tuple[Grant, ...]], bool],
    now_ns: int,
    *,
    gently: bool,
) -> Reclaimed | None:
    """The same; `gently` so that nobody is stopped who could not go on at once."""
    placer, going = free
    nodes, within = seeker.waiting.demand.nodes, seeker.within
    search = _Search(placer, going, seeker, borrowers, gently=gently)
    if not search.is_of_use:
        return None
    for rows in _wider_and_wider(search.costs, within, nodes):
        for option in search.options(rows):
            proven = Placer(_without(going, option.victims), placer.insists)
            later = proven.free.returned(())
            proof = seeker.place(proven, option.where, accepts)
            if proof is None:
                continue
            victims = [giving_up_for(proof, one) for one in option.victims]
            kept = kept_after_all(victims, option.victims)
            proven.free.hold(kept)
            later.hold(kept)
            meanwhile = Placer(placer.free.shared_with(later, proven.free), placer.insists)
            lost = sum(loss_gpu_s(one, now_ns) for one in victims)
            clearance = Clearance(proof.site, tuple(grant.node for grant in proof.grants))
            lies = _mask(going.fleet, proof)
            return Reclaimed(meanwhile, tuple(victims), lies, lost, clearance, proven.free, proof)
    return None


def giving_up_for(proof: Placement, one: Running) -> Running:
    """As it goes for a job that will lie there: only from there if it can. Where it has nothing
    there it is its cells that the job needs, or its going makes up the shape; it goes from all."""
    if one.keeps or one.site != proof.site or not one.gives_most:
        return one
    needed = {grant.node for grant in proof.grants} & {*_nodes_of(one)}
    if not needed:
        return one
    return one.giving_up(needed)


def kept_after_all(
    victims: Sequence[Running], before: Sequence[Running]
) -> list[tuple[str, Grant]]:
    """What these keep of what they would have given up before."""
    return [
        (one.site, grant)
        for one, other in zip(victims, before, strict=True)
        if one is not other
        for grant in one.rest.grants
    ]


class _Option(NamedTuple):
    """These could go, so that it lies on these rows; the rows are those that it was found on, where
    somebody goes on with the nodes that it keeps."""

    victims: list[Running]
    where: Rows
    taken: Rows


class _Search:
    """Who could go for one job, so that it has room."""

    def __init__(
        self, placer: Placer, going: Free, seeker: Seeker, borrowers: Borrowers, *, gently: bool
    ) -> None:
        self._gently = gently
        self._insists = placer.insists
        self._going = going
        self._seeker = seeker
        self._borrowers = borrowers
        self.costs, self._chosen_of = _clearing_costs(going, seeker, borrowers, gently=gently)
        self.is_of_use = not gently or bool(self._chosen_of)
        self._probe = Placer(going.returned(()), placer.insists)
        self._freed: set[int] = set()

    def options(self, rows: Rows) -> list[_Option]:
        """Who would go if it lay on these rows, and on which of them it may lie then; where that
        stops some who could do with fewer nodes, also what leaves each of these enough. What is
        cheaper comes first, and then what stops fewer."""
        first = self._victims_on(rows)
        if first is None:
            return []
        found, nodes = [first], self._seeker.waiting.demand.nodes
        left = self.costs
        for _ in range(SPARED_MAX):
            barred = self._enough_for_each(found[-1])
            if barred is None:
                break
            left = np.where(barred, np.inf, left)
            options = map(self._victims_on, _wider_and_wider(left, rows, nodes))
            further = next((option for option in options if option is not None), None)
            if further is None:
                break
            found.append(further)
        if self._gently:
            found = [option for option in found if all(map(goes_on, option.victims))]
        return sorted(found, key=self._cost)

    def _victims_on(self, rows: Rows) -> _Option | None:
        going, chosen_of = self._going, self._chosen_of
        more = _unique(
            one for row in np.flatnonzero(rows).tolist() for one in chosen_of.get(row, ())
        )
        probe = self._probe
        probe.free.give_back(_grants(one for one in more if id(one) not in self._freed))
        self._freed.update(map(id, more))
        placement = self._seeker.place(probe, rows)
        if placement is None:
            return None
        probe.free.give_back((placement.site, grant) for grant in placement.grants)
        taken = _mask(going.fleet, placement)
        gives: dict[int, tuple[Running, set[str]]] = {}
        for row in np.flatnonzero(taken).tolist():
            for one in chosen_of.get(row, ()):
                gives.setdefault(id(one), (one, set()))[1].add(going.fleet.nodes[row].name)
        victims = [one.giving_up(nodes) for one, nodes in gives.values()]
        where = taken if any(one.keeps for one in victims) else rows
        kept = _pruned(going, self._seeker, where, victims, self._borrowers)
        return _Option(kept, where, taken)

    def _enough_for_each(self, option: _Option) -> Rows | None:
        """Rows that would have to be left to those of its victims that could do with fewer nodes:
        first those that are not asked for. None if nobody could."""
        fleet, taken = self._going.fleet, option.taken
        barred = np.zeros(len(taken), bool)
        for one in option.victims:
            if one.keeps or not one.gives_most:
                continue
            row_of = {one_of: fleet.rows.get((one.site, one_of)) for one_of in _nodes_of(one)}
            giving = sorted(
                one.may_give, key=lambda name: row_of[name] is None or not taken[row_of[name]]
            )
            left = [row_of[name] for name in {*row_of} - {*giving[: one.gives_most]}]
            barred[[row for row in left if row is not None]] = True
        return barred if barred.any() else None

    def _cost(self, option: _Option) -> tuple[float, int]:
        victims = option.victims
        return sum(map(self._borrowers.price, victims)), sum(not one.keeps for one in victims)


def _nodes_of(one: Running) -> list[str]:
    return list(dict.fromkeys(grant.node for grant in one.grants))


def _mask(fleet: Fleet, placement: Placement) -> Rows:
    """The rows on which it lies."""
    rows = np.zeros(len(fleet.nodes), bool)
    rows[[fleet.rows[placement.site, grant.node] for grant in placement.grants]] = True
    return rows


def _clearing_costs(
    free: Free, seeker: Seeker, borrowers: Borrowers, *, gently: bool
) -> tuple[NDArray[np.float64], dict[int, list[Running]]]:
    """What it costs to clear each row for a replica, `inf` where that cannot be done, and who goes
    there for it."""
    demand, within = seeker.waiting.demand, seeker.within
    parts = [part.resources for part in demand.parts]
    fits = np.logical_and.reduce([free.fits(wanted) for wanted in parts])
    costs = np.where(within & fits, 0.0, np.inf)
    chosen_of: dict[int, list[Running]] = {}
    rows = (within & ~fits).nonzero()[0]
    lacks = _lacks(free, rows, parts)
    for place, row in enumerate(rows.tolist()):
        held = borrowers.on(row, seeker.waiting, gently=gently)
        chosen = [one for one, _ in held] if lacks is None else _enough(lacks[place], held)
        if chosen:
            costs[row] = sum([borrowers.price_of_node(one, demand.nodes) for one in chosen])
            chosen_of[row] = chosen
    return costs, chosen_of


def _lacks(
    free: Free, rows: NDArray[np.int64], parts: Sequence[Resources]
) -> list[tuple[int, int, int]] | None:
    """How many GPUs and CPUs and how much memory each of these rows has too little for a replica;
    None where its room depends on more than numbers."""
    if any(wanted.gpu_unit is not GpuUnit.WHOLE for wanted in parts):
        return None
    gpus = max(wanted.gpus for wanted in parts) - free.gpus_free[rows]
    cpus = max(wanted.cpus for wanted in parts) - free.cpus[rows]
    memory = max(wanted.memory_bytes for wanted in parts) - free.memory_bytes[rows]
    return list(zip(gpus.tolist(), cpus.tolist(), memory.tolist(), strict=True))


def _enough(lacks: tuple[int, int, int], held: Sequence[tuple[Running, Grant]]) -> list[Running]:
    """The first so many that leave a node what it lacks."""
    gpus, cpus, memory = lacks
    chosen: list[Running] = []
    for one, grant in held:
        if gpus <= 0 and cpus <= 0 and memory <= 0:
            break
        gpus -= sum([parse_part(device).is_whole for device in grant.devices])
        cpus -= grant.cpus
        memory -= grant.memory_bytes
        chosen.append(one)
    return chosen


def _wider_and_wider(costs: NDArray[np.float64], within: Rows, nodes: int) -> Iterable[Rows]:
    """The cheapest rows: as many as a gang has nodes, then some more one by one, as its shape may
    ask for dearer ones, then twice as many and so on, then all."""
    able = np.flatnonzero(np.isfinite(costs))
    if len(able) < nodes:
        return
    order = able[np.argsort(costs[able], kind="stable")]
    count, tried = nodes, 0
    while count < len(order):
        if nodes > 1:
            # What costs the same as the last of them is as good, and may be nearer.
            count = int(np.searchsorted(costs[order], costs[order[count - 1]], side="right"))
        rows = np.zeros(len(within), bool)
        rows[order[:count]] = True
        yield rows
        tried += 1
        count += 1 if tried < ONE_BY_ONE_MAX else count
    rows = np.zeros(len(within), bool)
    rows[order] = True
    yield rows


def _pruned(
    free: Free, seeker: Seeker, rows: Rows, victims: list[Running], borrowers: Borrowers
) -> list[Running]:
    """Without those that are not in the way, the dearest first."""
    if len(victims) > PRUNED_MAX:
        return victims
    kept, probe = victims, Placer(_without(free, victims))
    demand, sites, insists = seeker.waiting.demand, seeker.sites, seeker.insists
    for one in sorted(victims, key=lambda one: -borrowers.price(one)):
        probe.free.hold(_grants([one]))
        if probe.could_place(demand, sites, insists, within=rows):
            kept = [other for other in kept if other is not one]
        else:
            probe.free.give_back(_grants([one]))
    return kept


def _without(free: Free, gone: Sequence[Running]) -> Free:
    return free.returned(_grants(gone))


def _grants(running: Iterable[Running]) -> list[tuple[str, Grant]]:
    return [(one.site, grant) for one in running for grant in one.leaves]


def _unique(running: Iterable[Running]) -> list[Running]:
    return list({id(one): one for one in running}.values())
