"""The page about the hardware catalogue: each type with its facts and where they are from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docs.draw.markdown import code, head, table
from quarterdeck.adapters.sites.catalogue import load_catalogue
from quarterdeck.basics.quantities import format_bytes

if TYPE_CHECKING:
    from quarterdeck.core.cluster.nodetype import NodeType

ABOUT = """\
Types of machines that Quarterdeck knows without being told. A site file adds its own, and may give
another meaning to one of these names: see [sites](../sites.md). Bandwidths are GB/s each way;
"from memory" marks what was not looked up again. What a site's agent finds on a machine goes before
all of this."""


def draw_hardware() -> str:
    """The whole page."""
    kinds = load_catalogue().values()
    columns = ("type", "machine", "GPUs", "CPUs, memory", "kW", "units high", "MIG")
    links = ("type", "NVLink", "without", "interfaces", "GB/s each", "NUMA node of each GPU")
    return "\n".join(
        (
            head("Hardware catalogue", ABOUT),
            "## Types\n",
            table(columns, [_machine(kind) for kind in kinds]),
            "## How GPUs are joined\n",
            table(links, [_links(kind) for kind in kinds if kind.gpus]),
            "## Scalable units\n",
            table(
                ("type", "nodes a unit", "nodes a rack", "ports of a switch", "nodes withheld"),
                [_unit(kind) for kind in kinds if kind.fabric is not None],
            ),
            "## Sources\n",
            table(("type", "source"), [(code(kind.name), kind.source) for kind in kinds]),
        )
    )


def _machine(kind: NodeType) -> tuple[str, ...]:
    gpus = f"{kind.gpus} × {kind.gpu_model} {format_bytes(kind.gpu_memory_bytes)}"
    return (
        code(kind.name),
        kind.title,
        gpus if kind.gpus else "none",
        f"{kind.cpus}, {format_bytes(kind.memory_bytes)}",
        f"{kind.power_w / 1000:g}" if kind.power_w else "",
        str(kind.rack_units or ""),
        "yes" if kind.has_mig else "no",
    )


def _links(kind: NodeType) -> tuple[str, ...]:
    topology = kind.topology
    assert topology is not None
    return (
        code(kind.name),
        f"{topology.island_gbytes_s:g}" if topology.island_gbytes_s else "none",
        f"{topology.host_gbytes_s:g}",
        " ".join(topology.nics) or "not told",
        f"{topology.nic_gbytes_s:g}" if topology.nics else "",
        " ".join(map(str, topology.numa)),
    )


def _unit(kind: NodeType) -> tuple[str, ...]:
    shape = kind.fabric
    assert shape is not None
    counts = (shape.nodes_per_unit, shape.nodes_per_rack, shape.switch_ports, shape.nodes_withheld)
    return (code(kind.name), *map(str, counts))
