"""Where nodes stand, by what `scontrol show topology` says; it means what topology.conf means."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

from quarterdeck.adapters.engines.slurm.records import Switch
from quarterdeck.adapters.sites.slurm import read_topology
from quarterdeck.basics.errors import Invalid
from quarterdeck.core.cluster.hardware import Location
from quarterdeck.core.cluster.hostlist import compress_hostlist

log = logging.getLogger(__name__)


def locate_nodes(switches: Iterable[Switch]) -> dict[str, Location]:
    """Rack, unit and pod of each node; nothing where the switches are no tree, because a wrong
    place is worse than none."""
    text = "\n".join(_lines(switches))
    if not text:
        return {}
    try:
        return read_topology(text, "topology")
    except Invalid as error:
        log.warning("Slurm's topology is not understood: %s", error.message)
        return {}


def _lines(switches: Iterable[Switch]) -> Iterator[str]:
    """As in topology.conf: a switch above others has no nodes of its own. Slurm shows it with all
    the nodes below it."""
    for switch in switches:
        nodes = compress_hostlist(switch.nodes)
        if switch.is_block:
            yield f"BlockName={switch.name} Nodes={nodes}"
        elif switch.switches:
            yield f"SwitchName={switch.name} Switches={compress_hostlist(switch.switches)}"
        elif nodes:
            yield f"SwitchName={switch.name} Nodes={nodes}"
