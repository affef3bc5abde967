"""What a plan granted, held against what Slurm has now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quarterdeck.adapters.spool.orders import ORDER
from quarterdeck.adapters.spool.untrusted import Garbled, as_whole
from quarterdeck.core.cluster.demand import Grant
from quarterdeck.core.cluster.parts import gpu_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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


def grant_of(order: Mapping[str, Any]) -> Grant:
    """What a replica was granted, as its order says. `Garbled` if it does not."""
    node, devices, limits = order.get("node"), order.get("devices"), order.get("limits")
    if not isinstance(node, str) or not isinstance(devices, list) or not isinstance(limits, dict):
        raise Garbled(f"its {ORDER} does not say what it was granted")
    cpus, memory_bytes = as_whole(limits.get("cpus")), as_whole(limits.get("memory_bytes"))
    are_named = all(isinstance(device, str) for device in devices)
    if cpus is None or memory_bytes is None or not are_named:
        raise Garbled(f"its {ORDER} does not say what it was granted")
    return Grant(node, tuple(devices), cpus, memory_bytes)
