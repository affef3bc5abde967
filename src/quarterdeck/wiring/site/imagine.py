"""The nodes that a server was told to pretend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.adapters.gauges.pretend import parse_pretend
from quarterdeck.adapters.sites.catalogue import load_catalogue

if TYPE_CHECKING:
    from quarterdeck.core.cluster.hardware import Node
    from quarterdeck.wiring.settings import Settings


def imagine_nodes(settings: Settings) -> tuple[Node, ...] | None:
    """Those of `--pretend` or `--site`; None where it is this machine's own hardware."""
    if settings.pretend is not None:
        return parse_pretend(settings.pretend)
    if settings.site is None:
        return None
    # What a site file needs is loaded only for one.
    from quarterdeck.wiring.site.reader import load_plan

    return load_plan(settings.site).imagine(load_catalogue())
