"""The compute fabric of a SuperPOD: switches and cables worked out from port budgets.

NVIDIA's SuperPOD reference architectures build it rail-optimised: the interface of GPU k of every
node of a scalable unit goes to leaf switch k of that unit, and half of a leaf's used ports go up,
so that nothing is oversubscribed. The papers print tables of counts and no rule. The rules below
give exactly these tables (DGX A100 up to 7 units, DGX H100 up to 4, DGX B200 up to 64):

- Two tiers while every spine can reach every leaf. Each leaf has the same number of parallel cables
  to each spine, and that number is the largest power of two that the ports of a spine allow: so 3
  units of DGX H100 get 16 spines with 48 ports used, not 12.
- Three tiers beyond. Spines form groups. A group serves as many rails of all units as half of a
  spine's ports reach, each leaf with one cable to each of its spines; where these do not reach even
  one rail, the units are split between groups. Each spine has as many ports up as down; the spines
  of a group are dealt over the core groups, one cable to each core switch of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from quarterdeck.basics.errors import Invalid

UNITS_MAX = 4096


@dataclass(frozen=True, slots=True)
class Cables:
    """Parallel cables between a switch and one of the tier above it."""

    lower: str
    upper: str
    count: int


@dataclass(frozen=True)
class Fabric:
    """A rail-optimised fat tree. Units, rails and nodes are counted from 0.

    `switch_ports` of every switch; a unit's leaf has `nodes_per_unit` ports down and as many up.
    `nodes_withheld` leave their ports to what manages the fabric.
    """

    switch_ports: int
    nodes_per_unit: int
    units: int
    rails: int = 8
    nodes_withheld: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be cabled."""
        if self.rails < 1 or not 1 <= self.units <= UNITS_MAX:
            raise Invalid(
                f"a fabric of {self.units} units and {self.rails} rails",
                field="units",
                hint=f"give at least one rail, and 1 to {UNITS_MAX} units",
            )
        if not 1 <= self.nodes_per_unit <= self.switch_ports // 2:
            raise Invalid(
                f"{self.nodes_per_unit} nodes in a unit, but half of a leaf's {self.switch_ports} "
                f"ports are {self.switch_ports // 2}",
                field="nodes_per_unit",
                hint="the other half goes up; make units smaller or switches larger",
            )
        if not 0 <= self.nodes_withheld < self.nodes_per_unit:
            raise Invalid(
                f"{self.nodes_withheld} nodes withheld of units of {self.nodes_per_unit}",
                field="nodes_withheld",
                hint="they come off the last unit, of which something must be left",
            )
        if self.tiers == 3 and self.spine_groups > self.switch_ports:
            raise Invalid(
                f"{self.units} units need more than three tiers of {self.switch_ports}-port "
                "switches",
                field="units",
                hint="make fewer units, or larger switches",
            )

    @property
    def nodes(self) -> int:
        """All of them."""
        return self.units * self.nodes_per_unit - self.nodes_withheld

    @property
    def leaves(self) -> int:
        """One a rail and unit."""
        return self.units * self.rails

    @property
    def tiers(self) -> int:
        """Two while a spine has a port for each leaf, otherwise three."""
        return 2 if self.leaves <= self.switch_ports else 3

    @cached_property
    def parallel(self) -> int:
        """Cables between a leaf and a spine that it is joined to."""
        count = 1
        if self.tiers == 2:
            while (
                self.nodes_per_unit % (2 * count) == 0
                and self.leaves * 2 * count <= self.switch_ports
            ):
                count *= 2
        return count

    @property
    def spines_per_group(self) -> int:
        """The spines that one leaf is joined to."""
        return self.nodes_per_unit // self.parallel

    @cached_property
    def rails_per_group(self) -> int:
        """Rails that meet at one group of spines."""
        if self.tiers == 2:
            return self.rails
        fitting = [
            rails
            for rails in range(1, self.rails + 1)
            if self.rails % rails == 0 and rails * self.units_per_group <= self.switch_ports // 2
        ]
        return max(fitting)

    @cached_property
    def units_per_group(self) -> int:
        """Units that meet at one group of spines; fewer than all only in the largest fabrics."""
        if self.tiers == 2:
            return self.units
        parts = -(-self.units // (self.switch_ports // 2))
        return -(-self.units // parts)

    @property
    def spine_groups(self) -> int:
        """Groups of spines, which only core switches join."""
        parts = -(-self.units // self.units_per_group)
        return self.rails // self.rails_per_group * parts

    @property
    def spines(self) -> int:
        """All of them."""
        return self.spine_groups * self.spines_per_group

    @property
    def spine_ports_down(self) -> int:
        """Ports of a spine that leaves are plugged into, and in three tiers as many go up."""
        return self.rails_per_group * self.units_per_group * self.parallel

    @cached_property
    def core_groups(self) -> int:
        """Groups of core switches; a spine is joined to all of one group."""
        if self.tiers == 2:
            return 0
        return next(
            groups
            for groups in range(1, self.spines_per_group + 1)
            if self.spines_per_group % groups == 0 and self.spines <= groups * self.switch_ports
        )

    @property
    def cores(self) -> int:
        """All of them; none in two tiers."""
        return self.core_groups * self.spine_ports_down

    @property
    def node_cables(self) -> int:
        """Between nodes and leaves."""
        return self.nodes * self.rails

    @property
    def leaf_cables(self) -> int:
        """Between leaves and spines."""
        return self.leaves * self.nodes_per_unit

    @property
    def core_cables(self) -> int:
        """Between spines and core switches."""
        return self.spines * self.spine_ports_down if self.tiers == 3 else 0

    def spine_group(self, unit: int, rail: int) -> int:
        """Which group of spines a leaf is joined to."""
        parts = -(-self.units // self.units_per_group)
        return rail // self.rails_per_group * parts + unit // self.units_per_group

    def hops(self, one: tuple[int, int], other: tuple[int, int]) -> int:
        """Switches between two interfaces of different nodes, each given as (unit, rail)."""
        if one == other:
            return 1
        return 3 if self.spine_group(*one) == self.spine_group(*other) else 5

    def cables(self) -> tuple[Cables, ...]:
        """All between switches, lowest tier first."""
        up = [
            Cables(leaf_name(unit, rail), spine_name(group, spine), self.parallel)
            for unit in range(self.units)
            for rail in range(self.rails)
            for group in (self.spine_group(unit, rail),)
            for spine in range(self.spines_per_group)
        ]
        across = [
            Cables(spine_name(group, spine), core_name(spine % self.core_groups, core), 1)
            for group in range(self.spine_groups)
            for spine in range(self.spines_per_group)
            for core in range(self.spine_ports_down)
            if self.tiers == 3
        ]
        return (*up, *across)


def leaf_name(unit: int, rail: int) -> str:
    """For example `leaf-su1-8`: the eighth rail's in the first unit."""
    return f"leaf-su{unit + 1}-{rail + 1}"


def spine_name(group: int, spine: int) -> str:
    """For example `spine-1-20`."""
    return f"spine-{group + 1}-{spine + 1}"


def core_name(group: int, core: int) -> str:
    """For example `core-2-14`."""
    return f"core-{group + 1}-{core + 1}"
