"""How fast the GPUs of a placement can add up their gradients, foretold.

The figure is the bus bandwidth of a ring all-reduce as nccl-tests prints it (`busbw`, GB/s): that
of the slowest part of the ring. Inside a node this is the link between neighbours, between nodes
the sum of the network interfaces that the GPUs of a node have of their own
(https://github.com/NVIDIA/nccl-tests/blob/master/doc/PERFORMANCE.md).
"""

from __future__ import annotations

from functools import lru_cache
from itertools import permutations
from typing import TYPE_CHECKING, Final

from quarterdeck.core.scheduling.devices import link_between, worst_link

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterdeck.core.cluster.hardware import NodeTopology

LINK_EFFICIENCY: Final = 0.8
"""Of a link's nominal rate: NCCL reckons 20 GB/s of 25 for each NVLink (its `topo.h`)."""
NETWORK_EFFICIENCY: Final = 0.92
"""Of the sum of the interfaces: 0.90 to 0.95 are seen on InfiniBand."""
RING_MAX: Final = 8
"""Up to so many GPUs every ring is tried; of more, the worst link of all pairs is taken."""


@lru_cache(maxsize=65536)
def ring_gbytes_s(topology: NodeTopology, chosen: tuple[int, ...]) -> float:
    """The slowest link of the best ring through these GPUs of one node, in GB/s each way."""
    worst = worst_link(topology, chosen)
    if len(chosen) > RING_MAX or not topology.links:
        return worst
    first, *others = chosen
    best = worst
    for order in permutations(others):
        ring = (first, *order)
        neighbours = zip(ring, (*order, first), strict=True)
        best = max(best, min(link_between(topology, one, other) for one, other in neighbours))
    return best


def allreduce_gbytes_s(
    replicas: Sequence[tuple[NodeTopology | None, tuple[int, ...]]],
) -> float | None:
    """The bus bandwidth of an all-reduce over these GPUs of these nodes; None where the joints are
    not known or there is only one GPU."""
    # Most nodes of a gang are alike, and their topologies the same object.
    distinct = {(id(topology), chosen): topology for topology, chosen in replicas}
    if None in distinct.values() or sum([len(chosen) for _, chosen in replicas]) < 2:
        return None
    found = float("inf")
    for (_, chosen), topology in distinct.items():
        assert topology is not None
        if len(chosen) > 1:
            found = min(found, LINK_EFFICIENCY * ring_gbytes_s(topology, chosen))
        if len(replicas) > 1:
            nics = {topology.nics[column] for column in chosen} if topology.nics else set()
            found = min(found, NETWORK_EFFICIENCY * len(nics) * topology.nic_gbytes_s)
    return round(found, 1) if 0 < found < float("inf") else None
