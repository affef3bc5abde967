"""A site file into a plan, and errors that name the line, the key and what to do."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from quarterdeck.adapters.sites.catalogue import load_catalogue
from quarterdeck.adapters.sites.hardware import FabricEntry, GpuEntry, HardwareEntry
from quarterdeck.basics.errors import Invalid
from quarterdeck.core.cluster.fabric import Fabric
from quarterdeck.core.cluster.hardware import Location
from quarterdeck.core.cluster.hostlist import NAMES_MAX, expand_hostlist
from quarterdeck.core.cluster.siteplan import PlannedNode, SitePlan
from quarterdeck.sdk.yamltree import (
    Broken,
    Entries,
    Fault,
    Items,
    Place,
    Tree,
    read_documents,
    shown,
    shown_file,
    shown_key,
)
from quarterdeck.sdk.yamlvalues import Keys, dotted, nearest, told_of
from quarterdeck.wiring.site.model import NODE_NAME, FabricFacts, Group, SiteFile, Spots

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from pydantic import BaseModel

BYTES_MAX: Final = 4 << 20
_NAME: Final = re.compile(NODE_NAME, re.ASCII)
NAME_HINT: Final = "use letters, digits, dots and dashes, 253 at most"
_SEE: Final = "see docs/sites.md"


def load_plan(path: Path) -> SitePlan:
    """The plan in a file."""
    try:
        with path.open("rb") as stream:
            content = stream.read(BYTES_MAX + 1)
    except OSError as error:
        told = f"the site file {shown_file(str(path))} cannot be read: {error.strerror}"
        raise Invalid(told, field="site", hint="give a file with a site in it") from None
    return read_plan(content, str(path))


def read_plan(content: bytes, name: str) -> SitePlan:
    """The plan in a file's bytes. Raises `Invalid` with `file:line:column` and the key."""
    if len(content) > BYTES_MAX:
        told = f"the file is larger than {BYTES_MAX} bytes"
        raise Fault(Place(1, 1), told, "is it a site file?").to_error(name)
    documents, faults = read_documents(content)
    if faults:
        raise faults[0].to_error(name)
    if len(documents) != 1 or not isinstance(documents[0].root, Entries):
        place = documents[0].place if documents else Place(1, 1)
        told = "this is not one mapping with the keys name and nodes"
        hint = "`qd site generate` writes one to start from"
        raise Fault(place, told, hint).to_error(name)
    values = _Values()
    plain = values.plain(documents[0].root, ())
    if values.faults:
        raise values.faults[0].to_error(name)
    try:
        return _Planner(SiteFile.model_validate(plain), values.places).plan()
    except ValidationError as error:
        faults = [_fault(complaint, values.places) for complaint in error.errors()]
        # A key that does not exist is why another one is missing.
        first = min(faults, key=lambda fault: (fault.code != "unknown_field", fault.place))
        raise first.to_error(name) from None
    except _Wrong as wrong:
        raise wrong.fault.to_error(name) from None


def check_node_names(names: Collection[str], file: str) -> None:
    """That names which another system has can stand in a site file."""
    for name in names:
        if _NAME.fullmatch(name) is None:
            raise Invalid(
                f"{file}: {shown(name)} is no name for a node", field="source", hint=NAME_HINT
            )
    if len(names) > NAMES_MAX:
        told = f"{file}: there are more than {NAMES_MAX} nodes"
        raise Invalid(told, field="source", hint="take a part of it")


class _Wrong(Exception):
    """Something that only shows when all is put together."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


@dataclass(slots=True)
class _Values:
    """Makes plain values of a tree and keeps where each came from."""

    places: dict[Keys, Place] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def plain(self, tree: Tree, keys: Keys) -> Any:  # noqa: ANN401 - plain data
        """The value that the tree means."""
        self.places.setdefault(keys, tree.place)
        if isinstance(tree, Entries):
            return self._mapping(tree, keys)
        if isinstance(tree, Items):
            return [self.plain(item, (*keys, n)) for n, item in enumerate(tree.items)]
        if isinstance(tree, Broken):
            return None
        if tree.is_null:
            told = f"{dotted(keys)} has no value"
            self.faults.append(Fault(self.places[keys], told, "give it one, or leave the key out"))
        return tree.value

    def _mapping(self, tree: Entries, keys: Keys) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in tree.entries:
            inner = (*keys, key.text)
            if key.text in found:
                told = f"the key {shown_key(key.text)} is there twice"
                self.faults.append(Fault(key.place, told, "keep one", dotted(inner)))
            self.places[inner] = key.place
            found[key.text] = self.plain(value, inner)
        return found


class _Planner:
    """Puts the parts of a file together."""

    def __init__(self, site: SiteFile, places: dict[Keys, Place]) -> None:
        self._site = site
        self._places = places

    def plan(self) -> SitePlan:
        """The whole of it."""
        site = self._site
        own = tuple(entry.to_type(name) for name, entry in site.hardware.items())
        nodes: dict[str, PlannedNode] = {}
        known = [*load_catalogue(), *site.hardware]
        for index, group in enumerate(site.nodes):
            keys: Keys = ("nodes", index)
            if group.type not in known:
                raise self._unknown_type(keys, group.type, known)
            for name, location in self._spread(group, keys):
                if name in nodes:
                    told = f"the node {name} is there twice"
                    raise self._wrong((*keys, "names"), told, "give each node once")
                nodes[name] = PlannedNode(name, group.type, location)
            if len(nodes) > NAMES_MAX:
                raise self._wrong(keys, f"there are more than {NAMES_MAX} nodes", "make it smaller")
        for index, spots in enumerate(site.locations):
            keys = ("locations", index)
            for name, location in self._spread(spots, keys):
                self._move(nodes, name, location, keys)
        if not nodes:
            raise self._wrong((), "the site has no nodes", "add nodes: with names and a type")
        return SitePlan(
            name=site.name,
            nodes=tuple(nodes.values()),
            country=site.country,
            region=site.region,
            types=own,
            fabric=self._fabric(site.fabric) if site.fabric is not None else None,
        )

    def _move(
        self, nodes: dict[str, PlannedNode], name: str, location: Location, keys: Keys
    ) -> None:
        """Say of a node where it stands."""
        node = nodes.get(name)
        if node is None:
            told = f"locations names the node {name}, which is not among the nodes"
            raise self._wrong((*keys, "names"), told, "add it to nodes, or leave it out")
        nodes[name] = PlannedNode(name, node.type, location)

    def _spread(self, spots: Spots, keys: Keys) -> list[tuple[str, Location]]:
        """Each name with its place."""
        names = self._expand(spots.names, (*keys, "names"))
        for name in names:
            if _NAME.fullmatch(name) is None:
                told = f"{shown(name)} is no name for a node"
                raise self._wrong((*keys, "names"), told, NAME_HINT)
        if isinstance(spots, Group) and spots.count not in (None, len(names)):
            told = f"names are {len(names)} nodes, but count is {spots.count}"
            raise self._wrong((*keys, "count"), told, "make them agree, or leave count out")
        racks = (spots.rack,) * len(names)
        if spots.racks:
            racks = self._racks(spots, len(names), keys)
        return [
            (name, Location(rack, spots.unit, spots.pod))
            for name, rack in zip(names, racks, strict=True)
        ]

    def _racks(self, spots: Spots, count: int, keys: Keys) -> tuple[str, ...]:
        """A rack for each of so many nodes; the last rack may hold fewer."""
        if spots.rack:
            raise self._wrong((*keys, "rack"), "there are rack and racks", "keep one of them")
        racks = self._expand(spots.racks, (*keys, "racks"))
        share = -(-count // len(racks))
        if -(-count // share) != len(racks):
            told = f"{count} nodes do not go into {len(racks)} racks with {share} in each but one"
            raise self._wrong((*keys, "racks"), told, "name as many racks as are filled")
        return tuple(racks[index // share] for index in range(count))

    def _expand(self, text: str, keys: Keys) -> tuple[str, ...]:
        try:
            return expand_hostlist(text, field=dotted(keys))
        except Invalid as error:
            raise self._wrong(keys, error.message, error.hint) from None

    def _fabric(self, facts: FabricFacts) -> Fabric:
        try:
            return Fabric(**facts.model_dump())
        except Invalid as error:
            raise self._wrong(("fabric", error.field), error.message, error.hint) from None

    def _unknown_type(self, keys: Keys, name: str, known: list[str]) -> _Wrong:
        close = difflib.get_close_matches(name[:100], known, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        told = f"{dotted((*keys, 'type'))} is {shown(name)}, which is no type of hardware"
        return self._wrong((*keys, "type"), told, f"{hint}types: {', '.join(known)}")

    def _wrong(self, keys: Keys, told: str, hint: str) -> _Wrong:
        return _Wrong(Fault(nearest(self._places, keys), told, hint, dotted(keys) or "file"))


def _fault(complaint: Any, places: dict[Keys, Place]) -> Fault:  # noqa: ANN401 - pydantic's
    keys: Keys = complaint["loc"]
    place, name = nearest(places, keys), dotted(keys)
    if complaint["type"] == "extra_forbidden":
        known = list(_model_at(keys[:-1]).model_fields)
        close = difflib.get_close_matches(str(keys[-1])[:100], known, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        told = f"there is no key {name}"
        return Fault(place, told, f"{hint}keys: {', '.join(known)}", name, "unknown_field")
    if complaint["type"] == "missing":
        return Fault(place, f"the key {name} is missing", f"add {keys[-1]}: …", name)
    if complaint["type"] == "size":
        told = f"{name} is {shown(complaint['input'])}, which is not a size with a unit"
        return Fault(place, told, complaint["msg"], name)
    if complaint["type"] == "disagree":
        hint = "write one for each GPU, or leave the key out"
        return Fault(place, f"{name}: {complaint['msg']}", hint, name)
    told, hint = told_of(complaint, _SEE)
    return Fault(place, f"{name} {told}", hint, name)


def _model_at(keys: Keys) -> type[BaseModel]:
    """Which keys there may be at a place."""
    if not keys:
        return SiteFile
    if keys[0] == "hardware":
        inner: dict[str | int, type[BaseModel]] = {"gpu": GpuEntry, "fabric": FabricEntry}
        return inner[keys[2]] if len(keys) > 2 else HardwareEntry
    by_key: dict[str | int, type[BaseModel]] = {"fabric": FabricFacts, "nodes": Group}
    return by_key.get(keys[0], Spots)
