"""More nodes of a type that is there, or of another one, where there is room for them."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.errors import Invalid
from quarterdeck.core.cluster.hardware import Location

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quarterdeck.core.cluster.hardware import Node

NODES_MAX: Final = 10_000
_NUMBERED: Final = re.compile(r"(.*?)([0-9]+)", re.DOTALL)


def add_nodes(nodes: Sequence[Node], number: int, like: Node | None = None) -> tuple[Node, ...]:
    """The nodes and so many more: copies of `like`, or of the most common ones that there are.

    They fill racks and then units that hold fewer nodes of their shape than the fullest one, and
    then new ones. Their names go on where those of their kind end.
    """
    if not 1 <= number <= NODES_MAX:
        raise Invalid(
            f"more nodes are {number}",
            field="more-nodes",
            hint=f"write N or N:TYPE with N from 1 to {NODES_MAX}, for example 4",
        )
    if like is None:
        if not nodes:
            raise Invalid(
                "there are no nodes to take for a pattern",
                field="more-nodes",
                hint="say of which type they are, for example 4:dgx-a100",
            )
        shapes = Counter(map(_shape_of, nodes))
        common = max(shapes, key=lambda shape: shapes[shape])
        like = next(node for node in nodes if _shape_of(node) == common)
    alike = [node for node in nodes if _shape_of(node) == _shape_of(like)]
    names, places = _names(nodes, alike or [like]), _places(alike)
    return (*nodes, *(_copy(like, next(names), next(places)) for _ in range(number)))


def _shape_of(node: Node) -> tuple[object, ...]:
    devices = tuple((one.model, one.memory_bytes) for one in node.devices)
    return (
        node.cpus,
        node.memory_bytes,
        devices,
        node.topology,
        (node.may_slice, node.whole_gpus_only),
    )


def _names(nodes: Sequence[Node], alike: Sequence[Node]) -> Iterator[str]:
    """`dgx-21` after `dgx-20`."""
    taken = {node.name for node in nodes}
    found = [match for node in alike if (match := _NUMBERED.fullmatch(node.name)) is not None]
    prefix, digits, last = f"{alike[0].name}-", 1, 0
    if found:
        newest = max(found, key=lambda match: int(match[2]))
        prefix, digits, last = newest[1], len(newest[2]), int(newest[2])
    for number in count(last + 1):
        name = f"{prefix}{number:0{digits}d}"
        if name not in taken:
            yield name


def _places(alike: Sequence[Node]) -> Iterator[Location]:
    """Racks with room, then units with room for racks, then units of the same size."""
    racks: Counter[Location] = Counter(node.location for node in alike)
    if not alike or set(racks) == {Location()}:
        while True:
            yield Location()
    per_rack = max(racks.values())
    for rack in sorted(racks, key=_order):
        for _ in range(per_rack - racks[rack]):
            yield rack
    units: Counter[tuple[str, str]] = Counter((rack.pod, rack.unit) for rack in racks)
    racks_per_unit = max(units.values())
    for pod, unit in sorted(units, key=lambda one: (_natural(one[0]), _natural(one[1]))):
        taken = {rack.rack for rack in racks if (rack.pod, rack.unit) == (pod, unit)}
        for name in _new_names(taken, racks_per_unit - units[pod, unit]):
            for _ in range(per_rack):
                yield Location(name, unit, pod)
    pod = max(units, key=lambda one: _natural(one[0]))[0]
    known = {unit for _, unit in units}
    pattern = sorted({rack.rack for rack in racks}, key=_natural)[:racks_per_unit]
    for unit in _new_names(known, None):
        for name in pattern:
            for _ in range(per_rack):
                yield Location(name, unit, pod)


def _new_names(taken: set[str], how_many: int | None) -> Iterator[str]:
    """Names that go on where those end: `r11` after `r10`."""
    last = max(taken, key=_natural, default="")
    match = _NUMBERED.fullmatch(last)
    prefix, number = (match[1], int(match[2])) if match is not None else (f"{last}-", 1)
    made = 0
    for following in count(number + 1):
        if made == how_many:
            return
        name = f"{prefix}{following}"
        if name not in taken:
            made += 1
            yield name


def _natural(name: str) -> tuple[str, int]:
    match = _NUMBERED.fullmatch(name)
    return (match[1], int(match[2])) if match is not None else (name, 0)


def _order(place: Location) -> tuple[tuple[str, int], ...]:
    return _natural(place.pod), _natural(place.unit), _natural(place.rack)


def _copy(like: Node, name: str, place: Location) -> Node:
    devices = tuple(
        replace(device, id=f"GPU-planned-{name}-{number}", is_suspect=False)
        for number, device in enumerate(like.devices)
    )
    return replace(like, name=name, devices=devices, location=place, pretend=True)
