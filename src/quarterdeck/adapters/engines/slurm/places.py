"""Where nodes stand, by the switches or blocks that Slurm knows.

The same meaning as `adapters/sites/slurm` gives a topology.conf: the leaf switch is the rack, the
switch above it the unit, the one above that the pod; where there are blocks these are the units.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.core.cluster.hardware import Location

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quarterdeck.adapters.engines.slurm.records import Switch


def locate_nodes(switches: Iterable[Switch]) -> dict[str, Location]:
    """The place of each node that is named."""
    leaf_of: dict[str, str] = {}
    block_of: dict[str, str] = {}
    above: dict[str, str] = {}
    for switch in switches:
        above |= dict.fromkeys(switch.switches, switch.name)
        if switch.is_block:
            block_of |= dict.fromkeys(switch.nodes, switch.name)
        elif not switch.switches:
            leaf_of |= dict.fromkeys(switch.nodes, switch.name)
    places = {}
    for node in {**leaf_of, **block_of}:
        leaf = leaf_of.get(node, "")
        unit = above.get(leaf, "")
        if node in block_of:
            places[node] = Location(leaf, block_of[node], unit)
        else:
            places[node] = Location(leaf, unit, above.get(unit, ""))
    return places
