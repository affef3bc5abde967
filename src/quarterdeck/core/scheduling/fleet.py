"""What every node has, whoever holds it, as arrays: the part of a capacity that seldom changes.

Rows go by site, then by node name; columns are the GPUs of a node.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from quarterdeck.core.cluster.demand import Level

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from quarterdeck.core.cluster.hardware import Device, GangTerms, Node, NodeTopology

NOT_THERE: Final = -1
"""The kind of a GPU that a node does not have, and the domain of a node that names none."""
MIXED: Final = -2
"""The kind of a node whose GPUs are of several kinds."""
DOMAIN_LEVELS: Final = (Level.RACK, Level.UNIT, Level.POD)


class Kind(NamedTuple):
    """GPUs that are the same to a plan."""

    model: str
    memory_bytes: int
    may_slice: bool
    is_whole_only: bool = False


class Whole(NamedTuple):
    """The ids of all GPUs of a node, and the network interfaces nearest to them, each once."""

    devices: tuple[str, ...]
    nics: tuple[str, ...]


def kind_of(node: Node, device: Device) -> Kind:
    """The kind of a GPU of this node."""
    return Kind(device.model, device.memory_bytes, node.may_slice, node.whole_gpus_only)


@dataclass(frozen=True, slots=True, eq=False)
class Fleet:
    """See the module.

    `kind_of_node` is the kind of all GPUs of a node, `MIXED`, or `NOT_THERE`. `domains` say which
    rack, unit and pod each node stands in, by number; `domain_names` are in the order of these.
    `topology` is an index into `topologies`. `cpus_most` are those of the node with most CPUs, at
    least 1; `has_mixed` says whether any node is `MIXED`, `has_suspect` whether any GPU is suspect,
    and `all_named` on which levels every node names its domain.
    """

    nodes: tuple[Node, ...]
    rows: dict[tuple[str, str], int]
    sites: dict[str, slice]
    kinds: tuple[Kind, ...]
    kind: NDArray[np.int16]
    kind_of_node: NDArray[np.int16]
    is_suspect: NDArray[np.bool_]
    gpus: NDArray[np.int64]
    cpus: NDArray[np.int64]
    memory_bytes: NDArray[np.int64]
    topologies: tuple[NodeTopology | None, ...]
    topology: NDArray[np.int32]
    domains: dict[Level, NDArray[np.int32]]
    domain_names: dict[Level, tuple[str, ...]]
    cpus_most: int
    has_mixed: bool
    has_suspect: bool
    all_named: frozenset[Level]
    gang_terms: dict[str, GangTerms]
    """By site."""
    _columns: dict[int, dict[str, int]] = field(default_factory=dict)
    """Of the nodes that were asked about."""
    _kinds_at: dict[str, tuple[Kind, ...]] = field(default_factory=dict)
    """Of the sites that were asked about."""
    _whole: dict[int, Whole] = field(default_factory=dict)
    """Of the nodes that a job has had whole."""

    def column_of(self, row: int, gpu: str) -> int | None:
        """The column of a GPU of a node, None if it has left it."""
        known = self._columns.get(row)
        if known is None:
            devices = self.nodes[row].devices
            known = self._columns[row] = {one.id: column for column, one in enumerate(devices)}
        return known.get(gpu)

    def kinds_at(self, site: str) -> tuple[Kind, ...]:
        """The kinds of GPUs that a site has."""
        known = self._kinds_at.get(site)
        if known is None:
            here = {*np.unique(self.kind[self.sites[site]]).tolist()}
            known = tuple([kind for number, kind in enumerate(self.kinds) if number in here])
            self._kinds_at[site] = known
        return known

    def whole_of(self, row: int) -> Whole:
        """What a job holds that has a node with all its GPUs."""
        known = self._whole.get(row)
        if known is None:
            node = self.nodes[row]
            nics = node.topology.nics if node.topology is not None else ()
            every = range(len(node.devices))
            distinct = tuple(dict.fromkeys([nics[column] for column in every])) if nics else ()
            known = self._whole[row] = Whole(tuple([one.id for one in node.devices]), distinct)
        return known


def fleet_of(placed: Sequence[tuple[str, Node]]) -> Fleet:
    """The nodes, each with its site, in the order of the rows."""
    nodes = tuple(node for _, node in placed)
    kinds: dict[Kind, int] = {}
    width = max(1, max((len(node.devices) for node in nodes), default=1))
    kind = np.full((len(nodes), width), NOT_THERE, np.int16)
    kind_of_node = np.full(len(nodes), NOT_THERE, np.int16)
    is_suspect = np.zeros((len(nodes), width), bool)
    topologies: dict[NodeTopology | None, int] = {}
    topology = np.zeros(len(nodes), np.int32)
    for row, node in enumerate(nodes):
        topology[row] = topologies.setdefault(node.topology, len(topologies))
        if not node.devices:
            continue
        numbers = [kinds.setdefault(kind_of(node, one), len(kinds)) for one in node.devices]
        kind[row, : len(numbers)] = numbers
        kind_of_node[row] = numbers[0] if len(set(numbers)) == 1 else MIXED
        is_suspect[row, : len(numbers)] = [one.is_suspect for one in node.devices]
    domains, names = _domains_of(placed)
    cpus = np.array([node.cpus for node in nodes], np.int64)
    return Fleet(
        nodes,
        {(site, node.name): row for row, (site, node) in enumerate(placed)},
        _sites_of([site for site, _ in placed]),
        tuple(kinds),
        kind,
        kind_of_node,
        is_suspect,
        np.array([len(node.devices) for node in nodes], np.int64),
        cpus,
        np.array([node.memory_bytes for node in nodes], np.int64),
        tuple(topologies),
        topology,
        domains,
        names,
        max(1, int(cpus.max(initial=1))),
        bool((kind_of_node == MIXED).any()),
        bool(is_suspect.any()),
        frozenset(level for level, numbers in domains.items() if (numbers != NOT_THERE).all()),
        {site: node.gang_terms for site, node in placed},
    )


def _sites_of(sites: Sequence[str]) -> dict[str, slice]:
    starts: dict[str, int] = {}
    for row, site in enumerate(sites):
        starts.setdefault(site, row)
    ends = [*starts.values(), len(sites)][1:]
    return {
        site: slice(start, end) for (site, start), end in zip(starts.items(), ends, strict=True)
    }


def _domains_of(
    placed: Sequence[tuple[str, Node]],
) -> tuple[dict[Level, NDArray[np.int32]], dict[Level, tuple[str, ...]]]:
    """Racks of one name in two units are two racks, so a domain is known by its whole path."""
    numbers: dict[Level, dict[tuple[str, ...], int]] = {level: {} for level in DOMAIN_LEVELS}
    of_row = {level: np.full(len(placed), NOT_THERE, np.int32) for level in DOMAIN_LEVELS}
    for row, (site, node) in enumerate(placed):
        where = node.location
        for level, path in (
            (Level.POD, (site, where.pod)),
            (Level.UNIT, (site, where.pod, where.unit)),
            (Level.RACK, (site, where.pod, where.unit, where.rack)),
        ):
            if path[-1]:
                of_row[level][row] = numbers[level].setdefault(path, len(numbers[level]))
    names = {
        level: tuple("/".join(filter(None, path[1:])) for path in known)
        for level, known in numbers.items()
    }
    return of_row, names
