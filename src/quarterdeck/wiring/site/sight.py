"""What is to be drawn of a site: from a live server, or from a site file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quarterdeck.adapters.sites.catalogue import load_catalogue
from quarterdeck.core.cluster.hardware import Location
from quarterdeck.wiring.site.picture import SIGNS, DrawnNode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from quarterdeck.core.cluster.fabric import Fabric
    from quarterdeck.core.cluster.siteplan import SitePlan
    from quarterdeck.wire.v1.cluster import NodeView


def seen_of_plan(plan: SitePlan) -> list[DrawnNode]:
    """All free: nothing of it is there yet. Those of one rack, unit and pod come together."""
    types = plan.known_types(load_catalogue())
    return _together(
        [
            DrawnNode(node.name, node.type, node.location, ("free",) * types[node.type].gpus)
            for node in plan.nodes
        ]
    )


def seen_of_server(views: Iterable[NodeView]) -> list[DrawnNode]:
    """As the server shows them, those of one rack, unit and pod together."""
    shown = list(views)
    several = len({view.site for view in shown}) > 1
    drawn = [
        DrawnNode(
            name=view.name,
            kind=view.gpu_model or "-",
            location=Location(view.rack, view.unit, view.pod),
            states=_states(view),
            site=view.site if several else "",
            pretend=view.pretend,
        )
        for view in shown
    ]
    return _together(drawn)


def as_json(nodes: Sequence[DrawnNode], fabric: Fabric | None, **facts: str) -> dict[str, Any]:
    """The same for a program."""
    content: dict[str, Any] = {key: value for key, value in facts.items() if value}
    content["nodes"] = [
        {
            "name": node.name,
            "kind": node.kind,
            "rack": node.location.rack,
            "unit": node.location.unit,
            "pod": node.location.pod,
            "pretend": node.pretend,
            "gpu_states": list(node.states),
        }
        for node in nodes
    ]
    content["fabric"] = None
    if fabric is not None:
        content["fabric"] = {
            "switches": {
                "leaf": fabric.leaves,
                "spine": fabric.spines,
                "core": fabric.cores,
            },
            "cables": {
                "node_leaf": fabric.node_cables,
                "leaf_spine": fabric.leaf_cables,
                "spine_core": fabric.core_cables,
            },
            "switch_ports": fabric.switch_ports,
        }
    return content


def _together(nodes: list[DrawnNode]) -> list[DrawnNode]:
    """In the order in which each pod, unit and rack first comes: `r10` is after `r9`."""
    first: dict[tuple[str, ...], int] = {}
    for index, node in enumerate(nodes):
        for key in _keys(node):
            first.setdefault(key, index)
    return sorted(nodes, key=lambda node: [first[key] for key in _keys(node)])


def _keys(node: DrawnNode) -> tuple[tuple[str, ...], ...]:
    place = node.location
    pod = (node.site, place.pod)
    return pod, (*pod, place.unit), (*pod, place.unit, place.rack)


def _states(view: NodeView) -> tuple[str, ...]:
    """One for each GPU. A server that does not tell them still tells how many are free."""
    states = [state if state in SIGNS else "held" for state in view.gpu_states]
    if len(states) != view.gpus:
        states = ["free"] * view.gpus_free + ["held"] * (view.gpus - view.gpus_free)
    if view.state == "down":
        states = ["down" if state in ("free", "cordoned") else state for state in states]
    return tuple(states)
