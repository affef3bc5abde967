"""YAML as a tree that knows its places, made of the parser's events.

Job files use the plain part of YAML: mappings, lists and scalars. What goes beyond (anchors,
aliases, tags, keys that are no text) is a fault with a place, not guessed at. Of the scalars only
null, true, false and decimal numbers are more than text, whatever a `%YAML` line says. The events
are counted while they come, so a file made to exhaust a reader ends early.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from quarterdeck.basics.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterator

DEPTH_MAX: Final = 20
VALUES_MAX: Final = 50_000
SHOWN_CHARS_MAX: Final = 80
_NULL: Final = re.compile(r"|~|null|Null|NULL", re.ASCII)
_TRUE: Final = re.compile(r"true|True|TRUE", re.ASCII)
_FALSE: Final = re.compile(r"false|False|FALSE", re.ASCII)
_INT: Final = re.compile(r"[-+]?[0-9]{1,18}", re.ASCII)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_Opening = MappingStartEvent | SequenceStartEvent


class Place(NamedTuple):
    """Where something is, both from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a file."""

    place: Place
    message: str
    hint: str
    field: str = "file"
    code: str | None = None

    def to_error(self, name: str) -> Invalid:
        """It as an error that begins with `file:line:column`."""
        where = f"{shown_file(name)}:{self.place.line}:{self.place.column}"
        message = f"{where}: {self.message}"
        return Invalid(message, code=self.code, field=self.field, hint=self.hint)


@dataclass(slots=True)
class Scalar:
    """Text as it was written. `is_plain`: without quotes, so it may mean more than its letters."""

    text: str
    is_plain: bool
    place: Place

    @property
    def is_null(self) -> bool:
        """Whether it means that there is no value."""
        return self.is_plain and _NULL.fullmatch(self.text) is not None

    @property
    def value(self) -> str | int | bool:
        """What it means."""
        if self.is_plain:
            if _TRUE.fullmatch(self.text):
                return True
            if _FALSE.fullmatch(self.text):
                return False
            if _INT.fullmatch(self.text):
                return int(self.text)
        return self.text


@dataclass(slots=True)
class Items:
    """A list."""

    place: Place
    items: list[Tree] = field(default_factory=list)


@dataclass(slots=True)
class Entries:
    """A mapping, its keys in order and where they are."""

    place: Place
    entries: list[tuple[Scalar, Tree]] = field(default_factory=list)


@dataclass(slots=True)
class Broken:
    """What had a fault that is already told: nothing more is said about it."""

    place: Place


Tree = Scalar | Items | Entries | Broken


@dataclass(slots=True)
class Document:
    """One of the file's documents."""

    place: Place
    root: Tree


def read_documents(content: bytes) -> tuple[list[Document], list[Fault]]:
    """All documents of the file, as far as it can be read, and what is wrong with its YAML."""
    reader = _Reader()
    documents: list[Document] = []
    try:
        text = content.decode("utf-8-sig")
        events = iter(YAML(typ="safe", pure=True).parse(text))
        for event in events:
            if isinstance(event, DocumentStartEvent):
                root = reader.read(next(events), events)
                documents.append(Document(root.place, root))
    except UnicodeDecodeError as error:
        place = _place_in(content[: error.start].decode("utf-8-sig", "replace"))
        reader.faults.append(Fault(place, "the file is not UTF-8 text", "save it as UTF-8"))
    except _Hopeless as error:
        reader.faults.append(error.fault)
    except ReaderError as error:
        told = f"the file is not YAML: the character U+{error.character:04X} is not allowed in it"
        reader.faults.append(Fault(_place_in(text[: error.position]), told, "remove it"))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = _place_of(mark) if mark is not None else Place(1, 1)
        told = str(error.problem or error.context)
        reader.faults.append(Fault(place, told, "check the YAML: indentation, quotes, brackets"))
    except (YAMLError, ValueError, RecursionError) as error:
        told = shown(str(error).partition("\n")[0])
        reader.faults.append(Fault(Place(1, 1), f"the file is not YAML: {told}", "check the YAML"))
    return documents, reader.faults


def shown(value: object) -> str:
    """A value in a message: short, and without characters that a terminal would act on."""
    text = ascii(value) if isinstance(value, str) else repr(value)
    if isinstance(value, bool):
        text = text.lower()
    if len(text) <= SHOWN_CHARS_MAX:
        return text
    return f"{text[: SHOWN_CHARS_MAX - 3]}… ({len(text)} characters)"


def shown_key(text: str) -> str:
    """A key in a message: bare when it is a word, otherwise like a value."""
    is_word = text.isascii() and text.replace("_", "").isalnum() and len(text) <= SHOWN_CHARS_MAX
    return text if is_word else shown(text)


def shown_file(name: str) -> str:
    """A file's name in a message: as it is, unless a terminal would act on it or cannot show it."""
    return name if name.isprintable() else ascii(name)


class _Hopeless(Exception):
    """Reading on makes no sense."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


class _Reader:
    """Builds trees of events, with a stack of its own instead of recursion."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self._values = 0

    def read(self, event: Any, events: Iterator[Any]) -> Tree:  # noqa: ANN401 - ruamel's
        """The tree that begins with this event."""
        root = self._open(event)
        stack: list[_Frame] = [_Frame(root)] if isinstance(event, _Opening) else []
        while stack:
            event = next(events)
            if isinstance(event, MappingEndEvent | SequenceEndEvent):
                stack.pop()
                continue
            tree = self._open(event)
            self._put(stack[-1], tree)
            if isinstance(event, _Opening):
                if len(stack) >= DEPTH_MAX:
                    raise _Hopeless(
                        Fault(
                            tree.place,
                            f"it is nested more than {DEPTH_MAX} deep",
                            "is it a job file?",
                        )
                    )
                stack.append(_Frame(tree))
        return root

    def _open(self, event: Any) -> Tree:  # noqa: ANN401 - ruamel's
        place = _place_of(event.start_mark)
        self._values += 1
        if self._values > VALUES_MAX:
            raise _Hopeless(
                Fault(
                    place,
                    f"the file has more than {VALUES_MAX} values",
                    "is it a job file? An array is one job of many tasks",
                )
            )
        if isinstance(event, AliasEvent) or event.anchor is not None:
            self._fault(place, "anchors and aliases are not used in job files", "write it out")
            return Broken(place)
        tag = event.tag
        if tag not in (None, "!"):
            self._fault(
                place, f"the tag {shown(str(tag))} is not used in job files", "leave it out"
            )
            return Broken(place)
        if isinstance(event, MappingStartEvent):
            return Entries(place)
        if isinstance(event, SequenceStartEvent):
            return Items(place)
        assert isinstance(event, ScalarEvent)
        text = str(event.value)
        if _SURROGATE.search(text):
            told = f"{shown(text)} has half of a surrogate pair, which is no character"
            self._fault(place, told, "write the character itself")
            return Broken(place)
        return Scalar(text, bool(event.implicit[0]), place)

    def _put(self, frame: _Frame, tree: Tree) -> None:
        if isinstance(frame.tree, Items):
            frame.tree.items.append(tree)
        elif not isinstance(frame.tree, Entries):
            return
        elif not frame.has_key:
            frame.has_key = True
            frame.key = tree if isinstance(tree, Scalar) else None
            if isinstance(tree, Items | Entries):
                self._fault(tree.place, "a key is a list or a mapping", "write a word as the key")
        else:
            if frame.key is not None:
                frame.tree.entries.append((frame.key, tree))
            frame.has_key = False

    def _fault(self, place: Place, message: str, hint: str) -> None:
        self.faults.append(Fault(place, message, hint))


@dataclass(slots=True)
class _Frame:
    """A list or mapping that is being read, and the key that waits for its value."""

    tree: Tree
    has_key: bool = False
    key: Scalar | None = None


def _place_of(mark: Any) -> Place:  # noqa: ANN401 - ruamel's
    return Place(mark.line + 1, mark.column + 1)


def _place_in(before: str) -> Place:
    """The place after this text."""
    lines = before.split("\n")
    return Place(len(lines), len(lines[-1]) + 1)
