"""The cheapest way to make room for one job on nodes where others borrow.

What a stop costs is the work that is lost by it, times the GPUs: all since the start, or little
where the job keeps checkpoints. Nodes are taken in the order of what it costs to clear them for a
replica; of a gang as many of the cheapest as it needs, and more only where its shape asks for it.
The job is then placed, for proof, on what its victims leave.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.cluster.demand import GpuUnit
from quarterdeck.core.cluster.parts import parse_part
from quarterdeck.core.jobs.clearance import Clearance
from quarterdeck.core.scheduling.placer import Placer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from quarterdeck.core.cluster.demand import Grant, Resources
    from quarterdeck.core.scheduling.free import Free
    from quarterdeck.core.scheduling.nearness import Insists
    from quarterdeck.core.scheduling.placer import Sites
    from quarterdeck.core.scheduling.plan import Placement
    from quarterdeck.core.scheduling.snapshot import Running, Waiting

    Rows = NDArray[np.bool_]

KEPT_LOSS_S: Final = 60.0
"""What a job that keeps checkpoints loses by a stop: it saves when warned, and loads again."""
PRIORITY_WEIGHT: Final = 4.0
"""So many times dearer is the work of a job of the next higher priority."""
ONE_BY_ONE_MAX: Final = 12
"""So many rows are added one by one, which finds the cheapest rack or unit of a few nodes."""
PRUNED_MAX: Final = 32
"""Of so many victims each is tried to be let off; larger sets are as the nodes gave them."""


@dataclass(frozen=True, slots=True)
class Reclaimed:
    """Room for one job: what others may take meanwhile, who must go for it (nobody if those that
    are going already are enough), on which rows it may lie, and where it then would.
    `lost_gpu_s` is the work that is lost, `left` what will be free once all have gone and it lies
    there."""

    placer: Placer
    victims: tuple[Running, ...]
    within: Rows
    lost_gpu_s: float
    clearance: Clearance
    left: Free


def loss_gpu_s(one: Running, now_ns: int) -> float:
    """What is lost when it is stopped now, in GPU seconds; a job without GPUs counts as a
    hundredth of one."""
    ran_s = max(0.0, (now_ns - one.started_at_ns) / NS_PER_S)
    lost_s = min(ran_s, KEPT_LOSS_S) if one.keeps_checkpoints else ran_s
    return lost_s * max(0.01, one.demand.gpus)


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


class Borrowers:
    """Those that may be made to go, on each node the cheapest first. `on_row` lists those on a
    node, `may_oust` says for whom."""

    def __init__(
        self,
        on_row: Callable[[int], list[tuple[Running, Grant]]],
        now_ns: int,
        may_oust: Callable[[Waiting, Running], bool],
    ) -> None:
        self._list_on = on_row
        self._now_ns = now_ns
        self._may_oust = may_oust
        self._gone: set[int] = set()
        self._on_row: dict[int, list[tuple[Running, Grant]]] = {}

    def price(self, one: Running) -> float:
        """What it costs to stop it."""
        return loss_gpu_s(one, self._now_ns) * PRIORITY_WEIGHT**one.priority

    def drop(self, gone: Iterable[Running]) -> None:
        """These go already."""
        self._gone.update(map(id, gone))

    def on(self, row: int, waiting: Waiting) -> list[tuple[Running, Grant]]:
        """Who may be made to go there for somebody."""
        here = self._on_row.get(row)
        if here is None:
            here = sorted(self._list_on(row), key=self._cheapest_first)
            self._on_row[row] = here
        return [
            pair
            for pair in here
            if id(pair[0]) not in self._gone and self._may_oust(waiting, pair[0])
        ]

    def _cheapest_first(self, pair: tuple[Running, Grant]) -> tuple[float, int, str, int]:
        one = pair[0]
        return (self.price(one), -one.started_at_ns, one.job_id, one.task or 0)


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
    placer, going = free
    nodes, within = seeker.waiting.demand.nodes, seeker.within
    costs, chosen_of = _clearing_costs(going, seeker, borrowers)
    probe = Placer(going.returned(()), placer.insists)
    freed: set[int] = set()
    for rows in _wider_and_wider(costs, within, nodes):
        more = _unique(
            one for row in np.flatnonzero(rows).tolist() for one in chosen_of.get(row, ())
        )
        probe.free.give_back(_grants(one for one in more if id(one) not in freed))
        freed.update(map(id, more))
        placement = seeker.place(probe, rows)
        if placement is None:
            continue
        probe.free.give_back((placement.site, grant) for grant in placement.grants)
        taken = (going.fleet.rows[placement.site, one.node] for one in placement.grants)
        victims = _unique(one for row in taken for one in chosen_of.get(row, ()))
        victims = _pruned(going, seeker, rows, victims, borrowers)
        proven = Placer(_without(going, victims), placer.insists)
        later = proven.free.returned(())
        proof = seeker.place(proven, rows, accepts)
        if proof is None:
            continue
        meanwhile = Placer(placer.free.shared_with(later, proven.free), placer.insists)
        lost = sum(loss_gpu_s(one, now_ns) for one in victims)
        clearance = Clearance(proof.site, tuple(grant.node for grant in proof.grants))
        lies = np.zeros(len(within), bool)
        lies[[going.fleet.rows[proof.site, grant.node] for grant in proof.grants]] = True
        return Reclaimed(meanwhile, tuple(victims), lies, lost, clearance, proven.free)
    return None


def _clearing_costs(
    free: Free, seeker: Seeker, borrowers: Borrowers
) -> tuple[NDArray[np.float64], dict[int, list[Running]]]:
    """What it costs to clear each row for a replica, `inf` where that cannot be done, and who goes
    there for it."""
    demand, within = seeker.waiting.demand, seeker.within
    parts = [part.resources for part in demand.parts]
    fits = np.logical_and.reduce([free.costs(wanted) < np.inf for wanted in parts])
    costs = np.where(within & fits, 0.0, np.inf)
    chosen_of: dict[int, list[Running]] = {}
    for row in np.flatnonzero(within & ~fits).tolist():
        chosen = _enough(free, row, parts, borrowers.on(row, seeker.waiting))
        if chosen:
            # A gang goes from all its nodes at once, of which the job may need several.
            costs[row] = sum(
                borrowers.price(one) / min(demand.nodes, len(one.grants)) for one in chosen
            )
            chosen_of[row] = chosen
    return costs, chosen_of


def _enough(
    free: Free, row: int, parts: Sequence[Resources], held: Sequence[tuple[Running, Grant]]
) -> list[Running]:
    """The first so many with which a replica has room on a node: all of them where that depends on
    more than numbers."""
    whole = all(wanted.gpu_unit is GpuUnit.WHOLE for wanted in parts)
    if not whole:
        return [one for one, _ in held]
    gpus = max(wanted.gpus for wanted in parts) - int(free.gpus_free[row])
    cpus = max(wanted.cpus for wanted in parts) - int(free.cpus[row])
    memory = max(wanted.memory_bytes for wanted in parts) - int(free.memory_bytes[row])
    chosen: list[Running] = []
    for one, grant in held:
        if gpus <= 0 and cpus <= 0 and memory <= 0:
            break
        gpus -= sum(parse_part(device).is_whole for device in grant.devices)
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
    return [(one.site, grant) for one in running for grant in one.grants]


def _unique(running: Iterable[Running]) -> list[Running]:
    return list({id(one): one for one in running}.values())
