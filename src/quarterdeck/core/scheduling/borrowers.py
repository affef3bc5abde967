"""Who borrows what others are guaranteed, and what it costs to have it back from each.

What a stop costs is the work that is lost by it, times the GPUs: all since the start, or little
where the job keeps checkpoints. Who gives up some of its nodes starts again as well, so as much of
its work is lost; what is stopping already gives up more at no cost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quarterdeck.basics.times import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.cluster.demand import Grant
    from quarterdeck.core.scheduling.snapshot import Running, Waiting

Key = tuple["JobId", "int | None"]

KEPT_LOSS_S: Final = 60.0
"""What a job that keeps checkpoints loses by a stop: it saves when warned, and loads again."""
PRIORITY_WEIGHT: Final = 4.0
"""So many times dearer is the work of a job of the next higher priority."""

NEXT_TO_NOTHING: Final = 1e-9
"""More than a node costs that comes free anyway, and less than any other."""


def loss_gpu_s(one: Running, now_ns: int) -> float:
    """What is lost when it is stopped now, in GPU seconds, also if it goes on at once with some of
    its nodes; a job without GPUs counts as a hundredth of one. Of what is being stopped already
    nothing more is lost."""
    return 0.0 if one.is_going_on else lost_by_stop_gpu_s(one, now_ns)


def lost_by_stop_gpu_s(one: Running, now_ns: int) -> float:
    """The same as if it were not being stopped already."""
    ran_s = max(0.0, (now_ns - one.started_at_ns) / NS_PER_S)
    lost_s = min(ran_s, KEPT_LOSS_S) if one.keeps_checkpoints else ran_s
    return lost_s * max(0.01, one.gpus)


def may_give(one: Running) -> bool:
    """Whether it can do with fewer nodes, and loses little by that."""
    return (one.keeps_checkpoints or one.is_going_on) and one.gives_most > 0


def goes_on(one: Running) -> bool:
    """Whether it does, once it has stopped, and loses little."""
    return (one.keeps_checkpoints or one.is_going_on) and bool(one.keeps)


class Borrowers:
    """Those that may be made to go, on each node the cheapest first. `on_row` lists those on a
    node, `may_oust` says for whom. Of some only the `rest` is left that they go on with."""

    def __init__(
        self,
        on_row: Callable[[int], list[tuple[Running, Grant]]],
        now_ns: int,
        may_oust: Callable[[Waiting, Running], bool],
        rest: Mapping[Key, Running],
        *,
        has_elastic: bool = True,
    ) -> None:
        """Unless it `has_elastic` ones among them nobody can do with fewer nodes."""
        self.has_elastic = has_elastic
        self._list_on = on_row
        self._now_ns = now_ns
        self._may_oust = may_oust
        self._rest = rest
        self._gone: set[Key] = set()
        self._prices: dict[int, tuple[Running, float]] = {}
        """By the identity of each job, which is kept so that it stays its own."""
        self._on_row: dict[int, list[tuple[Running, Grant]]] = {}

    def price(self, one: Running) -> float:
        """What it costs to stop it; nothing if it is being stopped already, and goes on with
        less."""
        if one.is_going_on and one.keeps:
            return 0.0
        known = self._prices.get(id(one))
        if known is None:
            lost = lost_by_stop_gpu_s(one, self._now_ns)
            known = self._prices[id(one)] = (one, lost * PRIORITY_WEIGHT**one.priority)
        return known[1]

    def price_of_node(self, one: Running, nodes: int) -> float:
        """What of that falls to each of its nodes, of which so many are wanted. A gang goes from
        all its nodes at once, of which the job may need several."""
        if one.is_going_on and one.gives_most:
            return NEXT_TO_NOTHING
        return self.price(one) / min(nodes, len(one.grants))

    def drop(self, gone: Iterable[Running]) -> None:
        """These go already."""
        self._gone.update(map(key_of, gone))

    def on(self, row: int, waiting: Waiting, *, gently: bool) -> list[tuple[Running, Grant]]:
        """Who may be made to go there for somebody; or only who can do without it, and loses little
        by that."""
        here = self._on_row.get(row)
        if here is None:
            here = self._here(row)
            here = self._on_row[row] = (
                sorted(here, key=self._cheapest_first) if len(here) > 1 else here
            )
        if gently:
            here = [pair for pair in here if may_give(pair[0])]
        if gone := self._gone:
            here = [pair for pair in here if key_of(pair[0]) not in gone]
        may_oust = self._may_oust
        return [pair for pair in here if may_oust(waiting, pair[0])]

    def _here(self, row: int) -> list[tuple[Running, Grant]]:
        listed = self._list_on(row)
        if not self._rest:
            return listed
        found = []
        for one, grant in listed:
            rest = self._rest.get(key_of(one), one)
            if rest is one or any(kept.node == grant.node for kept in rest.grants):
                found.append((rest, grant))
        return found

    def _cheapest_first(self, pair: tuple[Running, Grant]) -> tuple[float, int, str, int]:
        one = pair[0]
        return (self.price_of_node(one, 1), -one.started_at_ns, one.job_id, one.task or 0)


def key_of(one: Running) -> Key:
    """Whose attempt it is: of each job, or task of one, one runs."""
    return one.job_id, one.task
