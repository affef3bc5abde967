"""The people file: YAML in, a request out, and errors that name the line and the key; and back."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from io import StringIO
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from quarterdeck.basics.errors import Refused
from quarterdeck.sdk.yamltree import (
    Broken,
    Entries,
    Fault,
    Items,
    Place,
    Scalar,
    Tree,
    read_documents,
    shown,
    shown_key,
)
from quarterdeck.sdk.yamlvalues import Keys, dotted, nearest, told_of
from quarterdeck.wire.v1.people import BoundBody, LimitsBody, PeopleFile, TeamEntry, UserEntry

BYTES_MAX: Final = 4 << 20
"""Some 20,000 people."""
HEAD: Final = """\
# People and teams, for `qd apply -f`. Who or what is left out stays as it is; whoever is to be shut
# out gets `active: false`. Of limits, what is left out is not limited: `queued_jobs: 100` refuses
# what is beyond, `queued_jobs: {value: 100, hard: false}` only puts it after everybody else.
"""
_BOUNDS: Final = frozenset(
    name for name in LimitsBody.model_fields if name not in ("sites", "images")
)


@dataclass(slots=True)
class ReadPeople:
    """What a file says, and where."""

    name: str
    wanted: PeopleFile
    places: dict[Keys, Place] = field(repr=False, default_factory=dict)

    def locate(self, error: Refused) -> Refused:
        """The server's error with the place in this file, if it is about one."""
        keys: Keys = tuple(error.field.split("."))
        if keys[0] not in PeopleFile.model_fields:
            return error
        place = nearest(self.places, keys)
        return Fault(place, error.message, error.hint, error.field, error.code).to_error(self.name)


def read_people(content: bytes, name: str) -> ReadPeople:
    """Raises `Invalid` with `file:line:column` and the key."""
    if len(content) > BYTES_MAX:
        told = f"the file is larger than {BYTES_MAX} bytes"
        raise Fault(Place(1, 1), told, "is it a people file?").to_error(name)
    documents, faults = read_documents(content)
    if faults:
        raise faults[0].to_error(name)
    if len(documents) != 1 or not isinstance(documents[0].root, Entries):
        place = documents[0].place if documents else Place(1, 1)
        told = "this is not one mapping with the keys organization, teams and users"
        raise Fault(place, told, "`qd apply --print` prints one to start from").to_error(name)
    values = _Values()
    plain = values.plain(documents[0].root, ())
    if values.faults:
        raise values.faults[0].to_error(name)
    try:
        wanted = PeopleFile.model_validate(plain)
    except ValidationError as error:
        raise _complaint(error, values.places).to_error(name) from None
    return ReadPeople(name, wanted, values.places)


def write_people(people: PeopleFile) -> str:
    """The file that says what is the case, for a person to edit."""
    from ruamel.yaml import YAML

    plain = people.model_dump(exclude_defaults=True)
    for one in (*plain.get("teams", {}).values(), *plain.get("users", {}).values()):
        limits = one.get("limits", {})
        for name in _BOUNDS & limits.keys():
            if limits[name].get("hard", True):
                limits[name] = limits[name]["value"]
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    text = StringIO()
    yaml.dump(plain, text)
    return HEAD + text.getvalue()


class _Values:
    """Makes plain values of a tree and keeps where each came from."""

    def __init__(self) -> None:
        self.places: dict[Keys, Place] = {}
        self.faults: list[Fault] = []

    def plain(self, tree: Tree, keys: Keys) -> Any:  # noqa: ANN401 - plain data
        """The value that the tree means."""
        self.places.setdefault(keys, tree.place)
        if isinstance(tree, Entries):
            return self._mapping(tree, keys)
        if isinstance(tree, Items):
            return [self.plain(item, (*keys, n)) for n, item in enumerate(tree.items)]
        if isinstance(tree, Broken) or tree.is_null:
            return None
        return self._scalar(tree, keys)

    def _mapping(self, tree: Entries, keys: Keys) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in tree.entries:
            inner = (*keys, key.text)
            if key.text in found:
                told = f"the key {shown_key(key.text)} is there twice"
                self.faults.append(Fault(key.place, told, "keep one", dotted(inner)))
            self.places[inner] = key.place
            found[key.text] = self.plain(value, inner)
        # A team or a person about whom nothing is said is there all the same.
        if not keys:
            return {key: value for key, value in found.items() if value is not None}
        is_list = keys in {("teams",), ("users",)}
        return {key: {} if is_list and value is None else value for key, value in found.items()}

    def _scalar(self, scalar: Scalar, keys: Keys) -> Any:  # noqa: ANN401 - plain data
        value = scalar.value
        is_number = isinstance(value, int) and not isinstance(value, bool)
        if is_number and len(keys) > 1 and keys[-2] == "limits" and keys[-1] in _BOUNDS:
            return {"value": value}
        return value


def _complaint(error: ValidationError, places: dict[Keys, Place]) -> Fault:
    """The model's first complaint, in the file's order and terms."""
    faults = [_fault(complaint, places) for complaint in error.errors(include_url=False)]
    # A key that does not exist is why another one is missing.
    return min(faults, key=lambda fault: (fault.code != "unknown_field", fault.place))


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
    if keys[-1] in _BOUNDS and complaint["type"] == "model_type":
        told = f"{name} is {shown(complaint['input'])}, which is no number"
        return Fault(place, told, "write for example 100, or {value: 100, hard: false}", name)
    told, hint = told_of(complaint, "see docs/people.md")
    return Fault(place, f"{name} {told}", hint, name)


def _model_at(keys: Keys) -> type[BaseModel]:
    """Which keys there may be at a place."""
    if "limits" in keys[2:]:
        return LimitsBody if keys[-1] == "limits" else BoundBody
    if len(keys) >= 2:
        return TeamEntry if keys[0] == "teams" else UserEntry
    return PeopleFile
