"""A site file: whether `qd up --site` would take it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.basics.errors import Refused
from quarterdeck.wiring.doctor.findings import Finding, ok, problem

if TYPE_CHECKING:
    from pathlib import Path


def look_at_site(path: Path) -> Finding:
    """What it describes, or where it is wrong."""
    from quarterdeck.adapters.sites.catalogue import load_catalogue
    from quarterdeck.wiring.site.reader import load_plan

    try:
        plan = load_plan(path)
    except Refused as error:
        return problem("site", error.message, error.hint)
    nodes = plan.imagine(load_catalogue())
    gpus = sum(len(node.devices) for node in nodes)
    return ok("site", f"{plan.name}: {len(nodes)} nodes, {gpus} GPUs")
