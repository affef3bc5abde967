"""The job file: YAML in, a request out, and errors that name the line and the column.

The file is read as a tree of nodes that know their place, not as plain values: so every error can
say where, variables and arguments keep the text that was written (`LR: 0.10` stays "0.10"), and
what YAML offers beyond plain values (anchors, tags, doubled keys) is refused instead of guessed at.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from quarterdeck.basics.errors import Invalid
from quarterdeck.wire.v1.jobs import KEYS_NOT_YET, JobRequest

if TYPE_CHECKING:
    from pathlib import Path

BYTES_MAX: Final = 1 << 20
DEPTH_MAX: Final = 20
DIGITS_MAX: Final = 18
_TAG: Final = "tag:yaml.org,2002:"
_BOOLEANS: Final = {"true": True, "True": True, "TRUE": True}
Path_ = tuple[str | int, ...]
Plain = dict[str, Any] | list[Any] | str | int | bool


@dataclass(slots=True)
class JobFile:
    """A job file as read. `workdir` is as written, None when it was left out."""

    name: str
    request: JobRequest
    workdir: str | None
    places: dict[Path_, tuple[int, int]] = field(repr=False, default_factory=dict)

    def locate(self, error: Invalid) -> Invalid:
        """The server's error with the place in this file that it is about."""
        path = tuple(error.field.split("."))
        while path and path not in self.places:
            path = path[:-1]
        place = self.places.get(path, (1, 1))
        return _at(self.name, place, error.message, error.hint, error.field, error.code)


def read_job_file(path: Path) -> JobFile:
    """Read a job file. Raises `Invalid` with `file:line:column`."""
    try:
        with path.open("rb") as stream:
            content = stream.read(BYTES_MAX + 1)
    except OSError as error:
        raise Invalid(
            f"{path} cannot be read: {error.strerror}", field="file", hint="check the name"
        ) from None
    return parse_job_file(content, str(path))


def parse_job_file(content: bytes, name: str) -> JobFile:
    """The same for bytes that are there already."""
    if len(content) > BYTES_MAX:
        raise _at(name, (1, 1), f"the file is larger than {BYTES_MAX} bytes", "is it a job file?")
    reader = _Reader(name)
    plain = reader.read(_compose(content, name))
    workdir = plain.pop("workdir", None)
    if workdir is not None and not isinstance(workdir, str):
        raise reader.wrong(("workdir",), f"workdir is {workdir!r}", "name a folder, or none")
    try:
        request = JobRequest.model_validate(plain)
    except ValidationError as error:
        raise reader.from_validation(error) from None
    return JobFile(name, request, workdir, reader.places)


def _compose(content: bytes, name: str) -> Node:
    try:
        root = YAML(typ="safe", pure=True).compose(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise _at(
            name, (1, 1), f"the file is not UTF-8 text: {error.reason}", "save it so"
        ) from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        raise _at(name, place, str(error.problem or error.context), "check the YAML") from None
    except (YAMLError, ValueError) as error:
        told = str(error).partition("\n")[0]
        raise _at(name, (1, 1), f"the file is not YAML: {told}", "check the YAML") from None
    except RecursionError:
        raise _at(name, (1, 1), "the file is nested too deeply", "is it a job file?") from None
    if not isinstance(root, MappingNode):
        raise _at(name, (1, 1), "the file is not a mapping of keys to values", "write run: …")
    return root


class _Reader:
    """Makes plain values of nodes and keeps where each came from."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._seen: set[int] = set()
        self.places: dict[Path_, tuple[int, int]] = {}

    def read(self, root: Node) -> dict[str, Any]:
        """The whole file, its keys checked."""
        plain = self._value(root, (), JobRequest)
        assert isinstance(plain, dict)
        return plain

    def wrong(self, path: Path_, message: str, hint: str, code: str | None = None) -> Invalid:
        """An error about the value at a path."""
        place = self.places.get(path, (1, 1))
        return _at(self._name, place, message, hint, ".".join(map(str, path)), code)

    def from_validation(self, error: ValidationError) -> Invalid:
        """The first of the model's complaints, in the file's terms."""
        faults = error.errors(include_url=False)
        # Where a key may be of two types there is a complaint for each: the deepest knows best.
        first = max(faults, key=lambda fault: len(self._place_of(fault["loc"])))
        path = self._place_of(first["loc"])
        shown = ".".join(map(str, path))
        if first["type"] == "missing":
            missing = first["loc"][-1]
            return self.wrong(path, f"the key {missing} is missing", f"add {missing}: …")
        told = first["msg"][:1].lower() + first["msg"][1:]
        return self.wrong(path, f"{shown} is {first['input']!r}: {told}", "see docs/jobfile.md")

    def _place_of(self, loc: Path_) -> Path_:
        """The path in the file; the model's also names the types that it tried."""
        path: Path_ = ()
        for part in loc:
            if (*path, part) in self.places:
                path = (*path, part)
        return path

    def _value(self, node: Node, path: Path_, model: type[BaseModel] | None) -> Plain:
        self.places.setdefault(path, (node.start_mark.line + 1, node.start_mark.column + 1))
        if id(node) in self._seen or node.anchor is not None:
            raise self.wrong(path, "anchors and aliases are not used in job files", "write it out")
        self._seen.add(id(node))
        if len(path) > DEPTH_MAX:
            raise self.wrong(path, "it is nested too deeply", "is it a job file?")
        if isinstance(node, MappingNode):
            return self._mapping(node, path, model)
        if isinstance(node, SequenceNode):
            return [self._value(item, (*path, n), None) for n, item in enumerate(node.value)]
        assert isinstance(node, ScalarNode)
        return self._scalar(node, path)

    def _mapping(
        self, node: MappingNode, path: Path_, model: type[BaseModel] | None
    ) -> dict[str, Any]:
        known = [*model.model_fields] if model is not None else None
        if not path and known is not None:
            known = [key for key in known if key != "snapshot"] + ["workdir"]
        plain: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            inner: Path_ = (*path, key)
            place = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            if inner in self.places:
                raise _at(self._name, place, f"the key {key} is there twice", "keep one", key)
            self.places[inner] = place
            if known is not None and key not in known:
                raise self._unknown(inner, known)
            plain[key] = self._value(value_node, inner, _model_of(model, key))
        return plain

    def _scalar(self, node: ScalarNode, path: Path_) -> Plain:
        kind = str(node.tag).removeprefix(_TAG)
        text = str(node.value)
        if kind not in ("str", "null", "bool", "int", "float", "timestamp"):
            raise self.wrong(path, f"the tag {node.tag} is not used in job files", "leave it out")
        if kind == "null" and path[0] != "env":
            raise self.wrong(path, f"{path[-1]} has no value", "give it one, or leave the key out")
        if path[0] in ("env", "run"):
            return text
        if kind == "bool":
            return _BOOLEANS.get(text, False)
        if kind == "int" and text.lstrip("+-").isdecimal() and len(text) <= DIGITS_MAX:
            return int(text)
        return text

    def _unknown(self, path: Path_, known: list[str]) -> Invalid:
        key = str(path[-1])
        if len(path) == 1 and key in KEYS_NOT_YET:
            message = f"{key} is not available on this server yet"
            return self.wrong(path, message, "leave it out", "not_available")
        close = difflib.get_close_matches(key, known, n=1)
        meant = f"did you mean {close[0]}? " if close else ""
        return self.wrong(path, f"there is no key {key}", f"{meant}keys: {', '.join(known)}")


def _model_of(model: type[BaseModel] | None, key: str) -> type[BaseModel] | None:
    if model is None or key not in model.model_fields:
        return None
    annotation = model.model_fields[key].annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return None


def _at(
    name: str,
    place: tuple[int, int],
    message: str,
    hint: str,
    field_name: str = "file",
    code: str | None = None,
) -> Invalid:
    where = f"{name}:{place[0]}:{place[1]}"
    return Invalid(f"{where}: {message}", code=code, field=field_name, hint=hint)
