"""What a home knows of a connected site: one file `sites/NAME.yaml`, written by `qd site add`.

It names folders, programs and accounts of the machine that the server runs on, so it is a part of
the server's settings, like its policy file, and nothing that travels over HTTP.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from quarterdeck.adapters.engines.slurm.pilots import HOLD_S_LEAST
from quarterdeck.basics.errors import Invalid
from quarterdeck.basics.quantities import format_span
from quarterdeck.sdk.yamltree import Entries, Fault, Place, read_documents, shown, shown_key
from quarterdeck.wiring.connected.engines import ENGINES, OF_PILOT, PILOT
from quarterdeck.wiring.policy.keys import span_s
from quarterdeck.wiring.policy.parts import Wrong, entries_of, scalar_of
from quarterdeck.wiring.site.model import NAME

if TYPE_CHECKING:
    from collections.abc import Callable

    from quarterdeck.wiring.policy.keys import Plain

BYTES_MAX: Final = 1 << 16
COUNT_MAX: Final = 100_000
RESERVED: Final = ("local",)
"""The site of the server's own machine."""
TEXT_CHARS_MAX: Final = 200
SILENCE_S_LEAST: Final = 30.0
PATIENCE_S_LEAST: Final = 10.0
POLL_S_LEAST: Final = 0.2
_WORD: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}", re.ASCII)
_COUNTRY: Final = re.compile(r"[A-Z]{2}", re.ASCII)
_URL: Final = re.compile(r"https?://[^\s/]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class SiteEntry:
    """A connected site. `folder` is on a file system that this machine and all of its nodes see
    under the same path. `server_url` is where its nodes reach this server, for jobs that ask it
    something; empty: they cannot. The rest is as in `SlurmSettings`, and for the engine
    `slurm-pilot` as in `PilotSettings`."""

    name: str
    engine: str
    folder: Path
    country: str = ""
    region: str = ""
    partition: str = ""
    account: str = ""
    qos: str = ""
    reservation: str = ""
    python: str = "python3"
    path: str = ""
    hardware: str = ""
    slurm_conf: Path | None = None
    programs: Path | None = None
    server_url: str = ""
    silence_s: float = 60.0
    patience_s: float = 120.0
    poll_s: float = 2.0
    nodes_max: int | None = None
    nodes_min: int = 0
    idle_s: float = 300.0
    hold_s: float | None = None


def read_entry(content: bytes, file: str, name: str) -> SiteEntry:
    """The site in a file's bytes. `Invalid` with `file:line:column` and the key."""
    if len(content) > BYTES_MAX:
        told = f"the file is larger than {BYTES_MAX} bytes"
        raise Fault(Place(1, 1), told, "is it the file of a site?").to_error(file)
    documents, faults = read_documents(content)
    if faults:
        raise faults[0].to_error(file)
    if len(documents) != 1 or not isinstance(documents[0].root, Entries):
        place = documents[0].place if documents else Place(1, 1)
        hint = f"keys: {', '.join(_READERS)}"
        raise Fault(place, "this is not one mapping of keys and values", hint).to_error(file)
    try:
        return _read(documents[0].root, name)
    except Wrong as wrong:
        raise wrong.fault.to_error(file) from None


def make_entry(name: str, given: dict[str, Plain | None]) -> SiteEntry:
    """The site of these values by key; what is None is as usual. `Invalid` names the key."""
    check_name(name)
    values: dict[str, Any] = {}
    for key, value in given.items():
        if value is not None:
            field, read = _READERS[key]
            try:
                values[field] = read(value, key)
            except Invalid as error:
                raise Invalid(error.message, field=key, hint=error.hint) from None
    return SiteEntry(name, **_check_needed(values))


def write_entry(entry: SiteEntry) -> str:
    """The text of its file: what is as usual is left out."""
    usual = {field.name: field.default for field in fields(SiteEntry)}
    lines = []
    for key, (field, _) in _READERS.items():
        value = getattr(entry, field)
        if value == usual[field]:
            continue
        # Exactly: what is for people to read is rounded.
        text = f"{value:.3f}".rstrip("0").rstrip(".") + "s" if key in SPANS else str(value)
        lines.append(f"{key}: {json.dumps(text, ensure_ascii=False)}")
    return "\n".join(lines) + "\n"


def check_name(name: str) -> None:
    """`Invalid` for what is no name of a connected site."""
    if re.fullmatch(NAME, name) is None or name in RESERVED:
        told = f"name is {shown(name[:100])}, which is no name for a connected site"
        hint = "use letters, digits, dots and dashes, 63 at most"
        if name in RESERVED:
            hint = "that is the machine of the server itself; use another name"
        raise Invalid(told, field="name", hint=hint)


def _read(root: Entries, name: str) -> SiteEntry:
    values: dict[str, Any] = {}
    for key, tree in entries_of(root, ""):
        if key.text not in _READERS:
            told = f"there is no key {shown_key(key.text)}"
            hint = f"keys: {', '.join(_READERS)}"
            raise Wrong(key.place, told, hint, key.text, "unknown_field")
        field, read = _READERS[key.text]
        try:
            values[field] = read(scalar_of(tree, key.text), key.text)
        except Invalid as error:
            raise Wrong(tree.place, error.message, error.hint, key.text) from None
    try:
        check_name(name)
        return SiteEntry(name, **_check_needed(values))
    except Invalid as error:
        raise Wrong(root.place, error.message, error.hint, error.field or "file") from None


def _check_needed(values: dict[str, Any]) -> dict[str, Any]:
    for key in ("engine", "folder"):
        if key not in values:
            raise Invalid(f"{key} is missing", field=key, hint=f"say {key}: …")
    if values["engine"] == PILOT:
        _check_pilot(values)
        return values
    for key in OF_PILOT:
        if _READERS[key][0] in values:
            told = (
                f"{key} is of a site with the engine {PILOT}, and this one has {values['engine']}"
            )
            raise Invalid(told, field=key, hint="leave it out, or change the engine")
    return values


def _check_pilot(values: dict[str, Any]) -> None:
    if "nodes_max" not in values:
        told = "nodes_max is missing: how many nodes may pilots hold?"
        raise Invalid(told, field="nodes_max", hint="say nodes_max: 4")
    if values.get("nodes_min", 0) > values["nodes_max"]:
        told = f"nodes_min is {values['nodes_min']}, above nodes_max, {values['nodes_max']}"
        raise Invalid(told, field="nodes_min", hint="keep fewer, or allow more")
    hold_s = values.get("hold_s")
    if hold_s is not None and hold_s < HOLD_S_LEAST:
        told = f"hold is {format_span(hold_s)}, which is not worth a pilot's start"
        hint = f"give at least {format_span(HOLD_S_LEAST)}"
        raise Invalid(told, field="hold", hint=hint)


def _text(value: Plain, name: str) -> str:
    if not isinstance(value, str) or not value.isprintable() or len(value) > TEXT_CHARS_MAX:
        told = f"{name} is {shown(value)}, which is no text of at most {TEXT_CHARS_MAX} characters"
        raise Invalid(told, hint="write it on one line, in quotes if it is digits")
    return value


def _matching(pattern: re.Pattern[str], hint: str) -> Callable[[Plain, str], str]:
    def read(value: Plain, name: str) -> str:
        if not isinstance(value, str) or pattern.fullmatch(value) is None:
            raise Invalid(f"{name} is {shown(value)}", hint=hint)
        return value

    return read


def _engine(value: Plain, name: str) -> str:
    if value not in ENGINES:
        told = f"{name} is {shown(value)}, which is no engine of this version"
        raise Invalid(told, hint=f"use {' or '.join(ENGINES)}")
    return str(value)


def _count(value: Plain, name: str) -> int:
    text = str(value)
    is_number = not isinstance(value, bool) and text.isascii() and text.isdigit()
    if not is_number or len(text) > 6 or int(text) > COUNT_MAX:
        told = f"{name} is {shown(value)}, which is no whole number from 0 to {COUNT_MAX}"
        raise Invalid(told, hint="write for example 4")
    return int(text)


def _path(value: Plain, name: str) -> Path:
    path = Path(_text(value, name))
    if not path.is_absolute():
        raise Invalid(f"{name} is {shown(value)}", hint="give an absolute path")
    return path


def _program(value: Plain, name: str) -> str:
    text = _text(value, name)
    if not text.strip() or text.startswith("-"):
        hint = "give a program, such as python3 or /opt/py/bin/python3"
        raise Invalid(f"{name} is {shown(value)}", hint=hint)
    return text


def _span(least_s: float, why: str, value: Plain, name: str) -> float:
    """A duration that is not shorter than makes sense."""
    given_s = span_s(value, name)
    if given_s < least_s:
        told = f"{name} is {shown(value)}, and {why}"
        raise Invalid(told, hint=f"give {format_span(least_s)} or more")
    return given_s


def _folders(value: Plain, name: str) -> str:
    text = _text(value, name)
    if not all(Path(folder).is_absolute() for folder in text.split(":")):
        told = f"{name} is {shown(value)}"
        raise Invalid(told, hint="give absolute folders with colons between: /opt/py/bin:/usr/bin")
    return text


def _hardware(value: Plain, name: str) -> str:
    from quarterdeck.adapters.sites.catalogue import load_catalogue

    known = load_catalogue()
    if value not in known:
        told = f"{name} is {shown(value)}, which is no type of hardware"
        raise Invalid(told, hint=f"types: {', '.join(known)}")
    return str(value)


_word = _matching(_WORD, "use a name of Slurm's: letters, digits, dots, dashes and underscores")
_READERS: Final[dict[str, tuple[str, Callable[[Plain, str], Any]]]] = {
    "engine": ("engine", _engine),
    "folder": ("folder", _path),
    "country": ("country", _matching(_COUNTRY, "use the two letters of ISO 3166, such as DE")),
    "region": ("region", _text),
    "partition": ("partition", _word),
    "account": ("account", _word),
    "qos": ("qos", _word),
    "reservation": ("reservation", _word),
    "python": ("python", _program),
    "path": ("path", _folders),
    "hardware": ("hardware", _hardware),
    "slurm_conf": ("slurm_conf", _path),
    "programs": ("programs", _path),
    "server_url": ("server_url", _matching(_URL, "write for example https://login1:8080")),
    "silence": ("silence_s", partial(_span, SILENCE_S_LEAST, "runners beat every 10 s")),
    "patience": ("patience_s", partial(_span, PATIENCE_S_LEAST, "Slurm starts jobs in turns")),
    "poll": ("poll_s", partial(_span, POLL_S_LEAST, "each look costs slurmctld some work")),
    "nodes_max": ("nodes_max", _count),
    "nodes_min": ("nodes_min", _count),
    "idle": ("idle_s", span_s),
    "hold": ("hold_s", span_s),
}
"""Each key with the field that it sets, and how its value is read."""
SPANS: Final = ("silence", "patience", "poll", "idle", "hold")
KEYS: Final = tuple(_READERS)
