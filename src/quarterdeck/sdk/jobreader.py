"""A document of a job file into a request: which keys there are, and what their values may be."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError

from quarterdeck.sdk.yamltree import (
    Broken,
    Document,
    Entries,
    Fault,
    Items,
    Place,
    Scalar,
    Tree,
    shown,
    shown_key,
)
from quarterdeck.wire.v1.jobs import KEYS_NOT_YET, JobRequest

Path_ = tuple[str | int, ...]
KEYS: Final = (*(key for key in JobRequest.model_fields if key != "snapshot"), "workdir")
TEXT_KEPT: Final[frozenset[Path_]] = frozenset(
    {
        *(("run",), ("env",), ("tags",), ("array",), ("time_limit",), ("min_runtime",)),
        *(("resources", "memory"), ("checkpoint", "grace"), ("retry", "backoff")),
    }
)
"""Where text is meant: `LR: 0.10` stays "0.10", and a bare `90` is told that it has no unit."""

_EITHER_OR: Final[tuple[Path_, ...]] = (("run",), ("nodes",), ("resources", "gpu"))
_TOLD: Final = {
    "string_type": ("is not a text", "put it in quotes"),
    "int_type": ("is not a whole number", "write digits without quotes, for example 2"),
    "bool_type": ("is neither true nor false", "write true or false, without quotes"),
    "list_type": ("is not a list", "write a list, for example [a, b]"),
    "dict_type": ("is not a mapping", "write keys and values, for example {key: value}"),
    "model_type": ("is not a mapping", "write keys and values, for example {key: value}"),
    "literal_error": ("is not a choice", "use one of {expected}"),
}
_TOLD_OF: Final[dict[Path_, tuple[str, str]]] = {
    ("run",): ("is neither a line nor a list of arguments", "write for example python train.py"),
    ("nodes",): ("is neither a number nor a range", "write for example 2, or 2..8"),
    ("resources", "gpu"): (
        "is neither a number nor what and how many",
        "write for example 8, A100:8 or mig-1g.10gb:3",
    ),
}
_NOTHING: Final = object()


@dataclass(frozen=True, slots=True)
class _Each:
    """A mapping from names that people choose to such things."""

    model: type[BaseModel]


Model = type[BaseModel] | _Each | None


@dataclass(slots=True)
class Reading:
    """One document as read. `request` is None when it could not be made; `faults` say why."""

    place: Place
    plain: dict[str, Any] = field(default_factory=dict)
    places: dict[Path_, Place] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    request: JobRequest | None = None
    workdir: str | None = None

    def place_of(self, path: Path_) -> Place:
        """Where the value at the path is, or what is nearest above it."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, self.place)

    def fault(self, path: Path_, message: str, hint: str, code: str | None = None) -> None:
        """Note what is wrong with the value at a path."""
        name = ".".join(map(str, path)) or "file"
        self.faults.append(Fault(self.place_of(path), message, hint, name, code))


def read_document(document: Document) -> Reading:
    """All that the document says, and all that is wrong with it."""
    reading = Reading(document.place)
    if not isinstance(document.root, Entries):
        if not isinstance(document.root, Broken):
            reading.fault((), "this is not a mapping of keys to values", "write run: …")
        return reading
    reading.plain = _Values(reading).mapping(document.root, (), JobRequest)
    _take_workdir(reading)
    try:
        reading.request = JobRequest.model_validate(reading.plain)
    except ValidationError as error:
        _add_complaints(reading, error)
    return reading


def did_you_mean(text: str, known: list[str]) -> str:
    """The start of a hint, when something is close."""
    close = difflib.get_close_matches(text[:100], known, n=1)
    return f"did you mean {close[0]}? " if close else ""


class _Values:
    """Makes plain values of trees and keeps where each came from."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def mapping(self, tree: Entries, path: Path_, model: Model) -> dict[str, Any]:
        """A mapping, its keys checked when a model knows them."""
        known = [*model.model_fields] if isinstance(model, type) else None
        if not path:
            known = [*KEYS]
        plain: dict[str, Any] = {}
        for key, value in tree.entries:
            inner = (*path, key.text)
            if inner in self._reading.places:
                name = ".".join(map(str, inner))
                told = f"the key {shown_key(key.text)} is there twice"
                self._reading.faults.append(Fault(key.place, told, "keep one", name))
                continue
            self._reading.places[inner] = key.place
            if known is not None and key.text not in known:
                self._unknown(inner, known)
                continue
            found = self._value(value, inner, _model_of(model, key.text))
            if found is not _NOTHING:
                plain[key.text] = found
        return plain

    def _value(self, tree: Tree, path: Path_, model: Model) -> Any:  # noqa: ANN401 - plain data
        self._reading.places.setdefault(path, tree.place)
        if isinstance(tree, Broken):
            return _NOTHING
        if isinstance(tree, Entries):
            return self.mapping(tree, path, model)
        if isinstance(tree, Items):
            values = [self._value(item, (*path, n), None) for n, item in enumerate(tree.items)]
            return [value for value in values if value is not _NOTHING]
        return self._scalar(tree, path)

    def _scalar(self, scalar: Scalar, path: Path_) -> Any:  # noqa: ANN401 - plain data
        if scalar.is_null and path[0] not in ("env", "tags"):
            told = f"{_name(path)} has no value"
            self._reading.fault(path, told, "give it one, or leave the key out")
            return _NOTHING
        inside = _inside(path)
        if inside[:1] in TEXT_KEPT or inside[:2] in TEXT_KEPT:
            return scalar.text
        return scalar.value

    def _unknown(self, path: Path_, known: list[str]) -> None:
        key = str(path[-1])
        if len(path) == 1 and key in KEYS_NOT_YET:
            told = f"{key} is not available on this server yet"
            self._reading.fault(path, told, "leave it out", "not_available")
            return
        hint = f"{did_you_mean(key, known)}keys: {', '.join(known)}"
        self._reading.fault(path, f"there is no key {shown_key(key)}", hint, "unknown_field")


def _take_workdir(reading: Reading) -> None:
    workdir = reading.plain.pop("workdir", None)
    if workdir is None:
        return
    if isinstance(workdir, str) and workdir and "\0" not in workdir:
        reading.workdir = workdir
        return
    told = f"workdir is {shown(workdir)}, which names no folder"
    reading.fault(("workdir",), told, "name a folder, or none")


def _add_complaints(reading: Reading, error: ValidationError) -> None:
    """The model's complaints in the file's terms, one for each value."""
    complaints: dict[Path_, Any] = {}
    for complaint in error.errors(include_url=False):
        path = _path_of(reading, complaint["loc"])
        inside = _inside(path)
        root = next((one for one in _EITHER_OR if inside[: len(one)] == one), None)
        root = path if root is None else path[: len(path) - len(inside) + len(root)]
        # Where a key may be of two types there is a complaint for each: the deepest knows best.
        if root not in complaints or len(path) > len(complaints[root][0]):
            complaints[root] = (path, complaint)
    for path, complaint in complaints.values():
        if complaint["type"] == "missing":
            missing = complaint["loc"][-1]
            if path[-1:] != (missing,):
                reading.fault(path, f"the key {missing} is missing", f"add {missing}: …")
            continue
        told, hint = _told(path, complaint)
        # What is in env may be a secret.
        value = "" if path[0] == "env" else f"is {shown(complaint['input'])}, which "
        reading.fault(path, f"{_name(path)} {value}{told}", hint)


def _told(path: Path_, complaint: Any) -> tuple[str, str]:  # noqa: ANN401 - pydantic's
    if _inside(path) in _TOLD_OF:
        return _TOLD_OF[_inside(path)]
    told, hint = _TOLD.get(complaint["type"], (f"is wrong: {complaint['msg']}", "see the schema"))
    return told, hint.replace("{expected}", str(complaint.get("ctx", {}).get("expected", "")))


def _path_of(reading: Reading, loc: Path_) -> Path_:
    """The path in the file; the model's also names the types that it tried."""
    path: Path_ = ()
    for part in loc:
        if (*path, part) in reading.places:
            path = (*path, part)
    return path


def _name(path: Path_) -> str:
    return ".".join(shown_key(part) if isinstance(part, str) else str(part) for part in path)


def _inside(path: Path_) -> Path_:
    """The path inside a role, whose keys are those of a job."""
    return path[2:] if path[:1] == ("roles",) and len(path) > 2 else path


def _model_of(model: Model, key: str) -> Model:
    if isinstance(model, _Each):
        return model.model
    if model is None or key not in model.model_fields:
        return None
    annotation = model.model_fields[key].annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = get_args(annotation)[-1:]
    if inner and isinstance(inner[0], type) and issubclass(inner[0], BaseModel):
        return _Each(inner[0])
    return None
