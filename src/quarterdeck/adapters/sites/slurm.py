"""Slurm's topology.conf: where its nodes stand.

topology.conf(5) of Slurm 23.11 to 25.05: topology/tree has lines of `SwitchName` with `Nodes` or
`Switches`, topology/block lines of `BlockName` with `Nodes`. topograph writes both forms. The leaf
switch becomes the rack, the switch above it the unit and the one above that the pod; where there
are blocks, these are the units and the switches above the leaves the pods.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.errors import Invalid
from quarterdeck.core.cluster.hardware import Location
from quarterdeck.core.cluster.hostlist import expand_hostlist

if TYPE_CHECKING:
    from collections.abc import Iterator

_SETTING: Final = re.compile(r"\s*([A-Za-z]+)\s*=\s*(\S+)", re.ASCII)
_KEYS: Final = ("SwitchName", "Switches", "BlockName", "BlockSizes", "Nodes", "LinkSpeed")
_KNOWN: Final = {key.lower() for key in _KEYS}
LINES_MAX: Final = 100_000
NAME_CHARS_MAX: Final = 120


@dataclass(slots=True)
class _Topology:
    """What was read so far, by name; each with the line that says so."""

    file: str
    leaf_of: dict[str, str] = field(default_factory=dict)
    block_of: dict[str, str] = field(default_factory=dict)
    above: dict[str, str] = field(default_factory=dict)
    switch_lines: dict[str, int] = field(default_factory=dict)
    block_lines: dict[str, int] = field(default_factory=dict)
    child_lines: dict[str, int] = field(default_factory=dict)

    def wrong(self, line: int, told: str, hint: str) -> Invalid:
        return Invalid(f"{self.file}:{line}: {told}", field="file", hint=hint)


def read_topology(text: str, file: str) -> dict[str, Location]:
    """Where each node of a topology.conf stands. `Invalid` names the line that is wrong."""
    topology = _Topology(file)
    for line, content in _lines(text, file):
        settings = _settings(topology, line, content)
        if "switchname" in settings:
            _add_switch(topology, line, settings)
        elif "blockname" in settings:
            _add_block(topology, line, settings)
        elif "blocksizes" not in settings:
            told = f"{next(iter(settings))} without a SwitchName or BlockName"
            raise topology.wrong(line, told, "begin the line with one of them")
    for child, line in topology.child_lines.items():
        if child not in topology.switch_lines:
            told = f"the switch {child} is named, but no line is about it"
            raise topology.wrong(line, told, f"add SwitchName={child}, or leave it out")
    found = {**topology.leaf_of, **topology.block_of}
    if not found:
        raise topology.wrong(1, "it names no nodes", "is it a topology.conf?")
    return {node: _locate(topology, node) for node in found}


def _lines(text: str, file: str) -> Iterator[tuple[int, str]]:
    """Lines with something on them, those that a backslash joins as one."""
    whole, began = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        if number > LINES_MAX:
            hint = "is it a topology.conf?"
            raise Invalid(f"{file} has more than {LINES_MAX} lines", field="file", hint=hint)
        bare = line.partition("#")[0].rstrip()
        began = began or number
        if bare.endswith("\\"):
            whole += bare[:-1] + " "
            continue
        whole += bare
        if whole.strip():
            yield began, whole
        whole, began = "", 0
    if whole.strip():
        yield began, whole


def _settings(topology: _Topology, line: int, content: str) -> dict[str, str]:
    """Keys in small letters, and their values."""
    settings: dict[str, str] = {}
    position = 0
    for match in _SETTING.finditer(content):
        key = match[1].lower()
        if content[position : match.start()].strip():
            break
        position = match.end()
        if key not in _KNOWN:
            told = f"there is no key {match[1][:40]}"
            raise topology.wrong(line, told, f"keys: {', '.join(_KEYS)}")
        if key in settings:
            raise topology.wrong(line, f"{match[1]} is there twice", "keep one")
        settings[key] = match[2]
    if rest := content[position:].strip():
        told = f"{rest[:60]!a} is not KEY=VALUE"
        raise topology.wrong(line, told, "write for example SwitchName=leaf1 Nodes=n[001-008]")
    return settings


def _add_switch(topology: _Topology, line: int, settings: dict[str, str]) -> None:
    name = settings["switchname"]
    _check_name(topology, line, name)
    before = topology.switch_lines.setdefault(name, line)
    if before != line:
        told = f"the switch {name} is there already, on line {before}"
        raise topology.wrong(line, told, "give each switch one line")
    if ("nodes" in settings) == ("switches" in settings):
        told = f"the switch {name} has neither Nodes nor Switches"
        if "nodes" in settings:
            told = f"the switch {name} has both Nodes and Switches"
        raise topology.wrong(line, told, "give one of them")
    for node in _names(topology, line, settings, "nodes"):
        other = topology.leaf_of.setdefault(node, name)
        if other != name:
            told = f"the node {node} is on the switches {other} and {name}"
            raise topology.wrong(line, told, "leave it on one")
    for child in _names(topology, line, settings, "switches"):
        topology.child_lines.setdefault(child, line)
        other = topology.above.setdefault(child, name)
        if other != name:
            told = f"the switch {child} is below {other} and {name}"
            raise topology.wrong(line, told, "a tree has one way up")
        _check_way_up(topology, line, child)


def _check_way_up(topology: _Topology, line: int, switch: str) -> None:
    """No switch may be above itself."""
    above = topology.above.get(switch)
    while above is not None:
        if above == switch:
            told = f"the switch {switch} is above itself"
            raise topology.wrong(line, told, "a tree has no way round")
        above = topology.above.get(above)


def _add_block(topology: _Topology, line: int, settings: dict[str, str]) -> None:
    name = settings["blockname"]
    _check_name(topology, line, name)
    before = topology.block_lines.setdefault(name, line)
    if before != line:
        told = f"the block {name} is there already, on line {before}"
        raise topology.wrong(line, told, "give each block one line")
    if "nodes" not in settings:
        raise topology.wrong(line, f"the block {name} has no Nodes", "add Nodes=…")
    for node in _names(topology, line, settings, "nodes"):
        other = topology.block_of.setdefault(node, name)
        if other != name:
            told = f"the node {node} is in the blocks {other} and {name}"
            raise topology.wrong(line, told, "leave it in one")


def _names(topology: _Topology, line: int, settings: dict[str, str], key: str) -> tuple[str, ...]:
    if key not in settings:
        return ()
    try:
        return expand_hostlist(settings[key], field=key.capitalize())
    except Invalid as error:
        raise topology.wrong(line, error.message, error.hint) from None


def _check_name(topology: _Topology, line: int, name: str) -> None:
    if not name.isprintable():
        told = f"the name {name[:60]!a} has characters that cannot be shown"
        raise topology.wrong(line, told, "use letters, digits, dots and dashes")
    if len(name) > NAME_CHARS_MAX:
        told = f"the name {name[:20]}… has {len(name)} characters"
        raise topology.wrong(line, told, f"use at most {NAME_CHARS_MAX}")


def _locate(topology: _Topology, node: str) -> Location:
    leaf = topology.leaf_of.get(node, "")
    above = topology.above.get(leaf, "")
    block = topology.block_of.get(node)
    if block is not None:
        return Location(leaf, block, above)
    return Location(leaf, above, topology.above.get(above, ""))
