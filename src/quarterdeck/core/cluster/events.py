"""What can happen to a site, as facts."""

from __future__ import annotations

from dataclasses import dataclass

from quarterdeck.core.cluster.hardware import Node


@dataclass(frozen=True, slots=True)
class SiteReported:
    """The site's agent reported these nodes; they replace what was known of it."""

    at_ns: int
    site: str
    nodes: tuple[Node, ...]
