"""What a plan granted, held against what Slurm has now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.core.cluster.parts import gpu_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from quarterdeck.core.cluster.demand import Grant
    from quarterdeck.core.cluster.hardware import Node


def say_missing(grants: Iterable[Grant], nodes: Mapping[str, Node]) -> str:
    """The nodes, or else the GPUs, that were granted and are there no more; empty if none is
    missing."""
    grants = tuple(grants)
    missing = [grant.node for grant in grants if grant.node not in nodes]
    if missing:
        return f"the site has no node {', '.join(missing)} any more"
    there = {device.id for grant in grants for device in nodes[grant.node].devices}
    missing = [one for grant in grants for one in grant.devices if gpu_of(one) not in there]
    return f"the site has no GPU {', '.join(missing)} any more" if missing else ""
