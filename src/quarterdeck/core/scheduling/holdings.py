"""What one team holds of the cells that it is guaranteed: which are bound to which nodes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from quarterdeck.core.scheduling.shapes import EPS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from quarterdeck.core.scheduling.shapes import Shape

ANY: Final = -1
"""The domain of cells that are bound to none yet."""


class Footprint(NamedTuple):
    """The rows of the nodes on which a job lies, and what it takes of each, in GPUs. Some of its
    nodes may not be there any more: it is not `whole` then, and no cells cover it."""

    rows: tuple[int, ...]
    sizes: tuple[float, ...]
    whole: bool = True


class Step(NamedTuple):
    """One cell that was bound: the place of its group, its row, and the domain of the group
    before."""

    place: int
    row: int
    domain_before: int


class Group:
    """Cells of one shape: how many are bound to nothing, and the domain of those that are bound, of
    cells that must lie together."""

    __slots__ = ("count", "domain", "left", "shape")

    def __init__(self, shape: Shape, count: int, left: int, domain: int = ANY) -> None:
        self.shape, self.count, self.left, self.domain = shape, count, left, domain


def rows_apart(one: Mapping[int, float], other: Mapping[int, float]) -> set[int]:
    """The rows of which two say something else: few of many."""
    return {row for row, _ in one.items() ^ other.items()}


@dataclass(slots=True)
class Holding:
    """The groups of one team, and of each node where any of its cells lies how much is bound to it
    and used."""

    groups: list[Group]
    bound: dict[int, float]
    used: dict[int, float]

    @classmethod
    def of(cls, groups: Iterable[tuple[Shape, int]]) -> Holding:
        """Nothing is bound. Cells of one shape that may lie anywhere are one group."""
        made: list[Group] = []
        for shape, count in groups:
            same = [one for one in made if one.shape is shape and shape.within is None]
            if same:
                same[0].count += count
                same[0].left += count
            else:
                made.append(Group(shape, count, count))
        return cls(made, {}, {})

    def copy(self) -> Holding:
        """The same, to be changed."""
        groups = [Group(one.shape, one.count, one.left, one.domain) for one in self.groups]
        return Holding(groups, self.bound.copy(), self.used.copy())

    def unbound(self) -> Holding:
        """The same cells, bound to nothing."""
        return Holding.of((one.shape, one.count) for one in self.groups)

    def is_like(self, other: Holding) -> bool:
        """Whether as much of it is bound and used at the same places."""
        return (
            self.bound == other.bound
            and self.used == other.used
            and [(one.left, one.domain) for one in self.groups]
            == [(one.left, one.domain) for one in other.groups]
        )

    @property
    def left(self) -> int:
        """How many cells are bound to nothing."""
        return sum([group.left for group in self.groups])

    def count_crowded(self, group: Group, crowded: Mapping[int, float]) -> int:
        """How many of the cells of a group that are bound will not have room there again, as nodes
        lack so much: at most, as that may be any of the cells of a node."""
        found = sum(
            math.ceil(min(lacks, self.bound[row]) / group.shape.listed[row] - EPS)
            for row, lacks in crowded.items()
            if row in self.bound
        )
        return min(found, group.count - group.left)

    def has_none_for(self, spot: Footprint) -> bool:
        """Whether somewhere no cell is bound that the job needs: where none is left either, it
        cannot be covered."""
        bound = self.bound
        if not spot.whole:
            return True
        for row, size in zip(spot.rows, spot.sizes, strict=True):
            if row not in bound and size > EPS:
                return True
        return False

    def bind(self, spot: Footprint, room: Callable[[int], float]) -> tuple[Step, ...] | None:
        """Cover a job, or nothing is changed: no cell is left for it there. `room` is what others
        leave of a node."""
        if not spot.whole:
            return None
        bound, used = self.bound, self.used
        steps: list[Step] = []
        for done, (row, size) in enumerate(zip(spot.rows, spot.sizes, strict=True)):
            after = used.get(row, 0.0) + size
            lacks = after - bound.get(row, 0.0)
            if lacks > EPS:
                step = self._bind_cell(row, lacks, room)
                if step is None:
                    self.undo(Footprint(spot.rows[:done], spot.sizes[:done]), steps)
                    return None
                steps.append(step)
            if after:
                used[row] = after
        return tuple(steps)

    def bind_first(self, row: int, size: float) -> tuple[Step, ...] | None:
        """The same for a job on one node where no cell is bound and there is room for one, of one
        that has a cell left; all its cells are alike."""
        group, after = self.groups[0], self.used.get(row, 0.0) + size
        its = group.shape.listed[row]
        if its < after - EPS:
            return None
        group.left -= 1
        self.bound[row], self.used[row] = its, after
        return (Step(0, row, ANY),)

    def undo(self, spot: Footprint, steps: Iterable[Step]) -> None:
        """As it was before: of several the last one first."""
        bound, used = self.bound, self.used
        for row, size in zip(spot.rows, spot.sizes, strict=True):
            rest = used.get(row, 0.0) - size
            if rest:
                used[row] = rest
            else:
                used.pop(row, None)
        for step in reversed(tuple(steps)):
            group = self.groups[step.place]
            bound[step.row] -= group.shape.listed[step.row]
            if not bound[step.row]:
                del bound[step.row]
            group.left += 1
            group.domain = step.domain_before

    def change(self, before: Holding, after: Holding) -> None:
        """Where this holds what `before` does and more, of one group each, it holds what `after`
        does and the same more. More cells may be held by that than there are: `left` is below
        0 then."""
        for mine, was, now in (
            (self.bound, before.bound, after.bound),
            (self.used, before.used, after.used),
        ):
            for row in rows_apart(was, now):
                held = mine.get(row, 0.0) + now.get(row, 0.0) - was.get(row, 0.0)
                if held:
                    mine[row] = held
                else:
                    mine.pop(row, None)
        self.groups[0].left += after.left - before.left

    def _bind_cell(self, row: int, size: float, room: Callable[[int], float]) -> Step | None:
        """The smallest cell that does, those that may lie anywhere first."""
        least, most = size - EPS, None
        best: tuple[bool, float] | None = None
        place = -1
        for number, group in enumerate(self.groups):
            shape = group.shape
            its = shape.listed[row]
            if not group.left or its < least:
                continue
            if group.domain != ANY and group.domain != shape.domain(row):
                continue
            if most is None:
                most = room(row) - self.bound.get(row, 0.0) + EPS
            key = (shape.within is not None, its)
            if its <= most and (best is None or key < best):
                best, place = key, number
        if best is None:
            return None
        group = self.groups[place]
        step = Step(place, row, group.domain)
        group.left -= 1
        group.domain = group.shape.domain(row)
        self.bound[row] = self.bound.get(row, 0.0) + best[1]
        return step
