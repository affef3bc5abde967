"""A site as text: its pods, units and racks, and one sign for each GPU."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quarterdeck.core.cluster.fabric import Fabric
    from quarterdeck.core.cluster.hardware import Location

SIGNS: Final = {
    "free": ".",
    "held": "#",
    "others": "o",
    "sliced": "%",
    "cordoned": "!",
    "down": "x",
}
NO_GPUS: Final = "-"
WIDTH_MIN: Final = 60
WIDTH_MAX: Final = 120
_GAP: Final = "   "


@dataclass(frozen=True, slots=True)
class DrawnNode:
    """A node with the states of its GPUs, which are keys of `SIGNS`."""

    name: str
    kind: str
    location: Location
    states: tuple[str, ...]
    site: str = ""
    pretend: bool = False


def draw_map(nodes: Sequence[DrawnNode], width: int) -> list[str]:
    """The picture, no line wider than `width` unless a single node is."""
    width = min(max(width, WIDTH_MIN), WIDTH_MAX)
    lines: list[str] = []
    for (site, pod), some in groupby(nodes, lambda node: (node.site, node.location.pod)):
        title = "  ".join(text for text in (site, pod) if text)
        lines += [title] if title else []
        for unit, those in groupby(some, lambda node: node.location.unit):
            lines += _draw_unit(unit, list(those), width)
    present = Counter(state for node in nodes for state in node.states)
    told = [f"{SIGNS[state]} {state}" for state in states_shown(present)]
    if any(not node.states for node in nodes):
        told.append(f"{NO_GPUS} no GPUs")
    lines += ["", f"one sign a GPU: {'   '.join(told)}", tell_totals(nodes, present)]
    return lines


def states_shown(present: Counter[str]) -> list[str]:
    """The states that a picture or a table explains: others only where there are any."""
    return [state for state in SIGNS if state != "others" or present[state]]


def tell_totals(nodes: Sequence[DrawnNode], states: Counter[str]) -> str:
    """How many of what."""
    counts = ", ".join(f"{states[state]} {state}" for state in SIGNS if states[state])
    pretended = sum(node.pretend for node in nodes)
    told = f"{len(nodes)} nodes" + (f" ({pretended} pretended)" if pretended else "")
    total = sum(states.values())
    return f"{told}, {total} GPUs" + (f": {counts}" if counts else "")


def tell_fabric(fabric: Fabric) -> list[str]:
    """Its switches and cables."""
    switches = [f"{fabric.leaves} leaf", f"{fabric.spines} spine"]
    cables = [f"{fabric.node_cables} node to leaf", f"{fabric.leaf_cables} leaf to spine"]
    if fabric.cores:
        switches.append(f"{fabric.cores} core")
        cables.append(f"{fabric.core_cables} spine to core")
    total = fabric.leaves + fabric.spines + fabric.cores
    return [
        f"{total} switches of {fabric.switch_ports} ports: {', '.join(switches)}",
        f"{fabric.node_cables + fabric.leaf_cables + fabric.core_cables} cables: "
        + ", ".join(cables),
    ]


def _draw_unit(unit: str, nodes: list[DrawnNode], width: int) -> Iterator[str]:
    """A line about it, and its racks beside each other."""
    free = sum(node.states.count("free") for node in nodes)
    total = sum(len(node.states) for node in nodes)
    names = nodes[0].name if len(nodes) == 1 else f"{nodes[0].name} … {nodes[-1].name}"
    label = f"{unit}  " if unit else ""
    yield f"{label}{names}  {free}/{total} GPUs free"[:width]
    racks = [
        (rack, [_signs(node) for node in some])
        for rack, some in groupby(nodes, lambda node: node.location.rack)
    ]
    margin = max(len(rack) for rack, _ in racks)
    cells = [
        f"{rack if first else '':{margin}} {line}".strip("\n")
        for rack, signs in racks
        for first, line in _wrap(signs, width - margin - 3)
    ]
    cell = max(len(text) for text in cells)
    columns = max(1, (width - 2 + len(_GAP)) // (cell + len(_GAP)))
    if any(len(list(_wrap(signs, width - margin - 3))) > 1 for _, signs in racks):
        columns = 1
    for start in range(0, len(cells), columns):
        row = _GAP.join(text.ljust(cell) for text in cells[start : start + columns])
        yield f"  {row}".rstrip()


def _wrap(signs: list[str], width: int) -> Iterator[tuple[bool, str]]:
    """The nodes of a rack in lines, and whether it is the first."""
    line, is_first = "", True
    for node in signs:
        if line and len(line) + 1 + len(node) > width:
            yield is_first, line
            line, is_first = "", False
        line = f"{line} {node}" if line else node
    yield is_first, line


def _signs(node: DrawnNode) -> str:
    return "".join(SIGNS[state] for state in node.states) or NO_GPUS
