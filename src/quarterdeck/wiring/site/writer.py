"""A plan as a site file, for a person to read and edit; and places alone, as a part of one."""

from __future__ import annotations

from io import StringIO
from itertools import groupby
from typing import TYPE_CHECKING, Any

from quarterdeck.basics.errors import Invalid
from quarterdeck.core.cluster.hostlist import compress_hostlist, expand_hostlist

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quarterdeck.core.cluster.hardware import Location
    from quarterdeck.core.cluster.siteplan import SitePlan

HEAD = "# A site, for `qd up --site FILE`; docs/sites.md says what each key means.\n"
FRAGMENT = "# Where nodes stand: a part of a site file, beside its `nodes`. See docs/sites.md.\n"


def write_plan(plan: SitePlan) -> str:
    """The file. Hardware of its own stays in the file that it was written in."""
    assert not plan.types, "only plans of known hardware are written"
    plain: dict[str, Any] = {"name": plan.name}
    plain |= {key: getattr(plan, key) for key in ("country", "region") if getattr(plan, key)}
    if plan.fabric is not None:
        fabric = plan.fabric
        plain["fabric"] = {
            "switch_ports": fabric.switch_ports,
            "nodes_per_unit": fabric.nodes_per_unit,
            "units": fabric.units,
            "rails": fabric.rails,
        }
        if fabric.nodes_withheld:
            plain["fabric"]["nodes_withheld"] = fabric.nodes_withheld
    groups: list[dict[str, Any]] = []
    for kind, alike in groupby(plan.nodes, lambda node: node.type):
        spots = _write_spots([(node.name, node.location) for node in alike])
        groups.extend({"names": one.pop("names"), "type": kind, **one} for one in spots)
    plain["nodes"] = groups
    return HEAD + _dump(plain)


def write_locations(locations: Mapping[str, Location]) -> str:
    """Only where nodes stand."""
    return FRAGMENT + _dump({"locations": _write_spots(list(locations.items()))})


def _write_spots(placed: Sequence[tuple[str, Location]]) -> list[dict[str, str]]:
    """Entries for runs of nodes in one unit; their racks in one list where each has its share."""
    entries: list[dict[str, str]] = []
    for (unit, pod), run in groupby(placed, lambda one: (one[1].unit, one[1].pod)):
        nodes = list(run)
        racks = [(rack, list(some)) for rack, some in groupby(nodes, lambda one: one[1].rack)]
        around = {key: value for key, value in (("unit", unit), ("pod", pod)) if value}
        if _are_even([(rack, len(some)) for rack, some in racks]):
            names = compress_hostlist(name for name, _ in nodes)
            hosts = compress_hostlist(rack for rack, _ in racks)
            entries.append({"names": names, "racks": hosts, **around})
            continue
        for rack, some in racks:
            names = compress_hostlist(name for name, _ in some)
            entries.append({"names": names, **({"rack": rack} if rack else {}), **around})
    return entries


def _are_even(racks: list[tuple[str, int]]) -> bool:
    """Whether one list of racks says it all: each has the same share, but for the last, and their
    names can stand in a list."""
    names, sizes = [rack for rack, _ in racks], [size for _, size in racks]
    if len(racks) == 1 or sizes[0] != -(-sum(sizes) // len(sizes)) or len(set(sizes[:-1])) > 1:
        return False
    try:
        return [*expand_hostlist(compress_hostlist(names))] == names
    except Invalid:
        return False


def _dump(plain: dict[str, Any]) -> str:
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.width = 4096
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    text = StringIO()
    yaml.dump(plain, text)
    return text.getvalue()
