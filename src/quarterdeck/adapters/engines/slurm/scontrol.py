"""Nodes and the rest out of scontrol(1): `show … --oneliner`, a record in a line of `Key=value`.

Values may hold spaces (`OS=Linux 6.1`, `Reason=bad disk [root@…]`), so a value ends where the next
key begins. What people write comes last in Slurm's order; a key is taken where it is met first, so
that a reason cannot say what state its node is in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeVar

from quarterdeck.adapters.engines.slurm.parsing import gather
from quarterdeck.adapters.engines.slurm.records import (
    Listing,
    SlurmNode,
    SlurmPartition,
    SlurmReservation,
    SlurmVersion,
    Switch,
)
from quarterdeck.adapters.engines.slurm.values import (
    parse_count,
    parse_gres,
    parse_hosts,
    parse_instant_s,
    parse_names,
    parse_size,
    parse_span_s,
    text_or_empty,
)

T = TypeVar("T")

_KEY: Final = re.compile(r"(?:^|\s)([A-Z][A-Za-z0-9_/:]*)=")
_PART: Final = re.compile(r"\sNodes=(\S+) CPU_IDs=(\S*) Mem=([0-9]{1,15}\w?) GRES=(\S*)")
_VERSION: Final = re.compile(r"slurm\S* ([0-9]{1,4})\.([0-9]{1,4})(?:\.([0-9]{1,6}))?")
_SUFFIXES: Final = {
    "*": "NOT_RESPONDING",
    "~": "POWERED_DOWN",
    "#": "POWERING_UP",
    "!": "POWER_DOWN",
    "%": "POWERING_DOWN",
    "$": "MAINTENANCE",
    "@": "REBOOT_REQUESTED",
    "^": "REBOOT_ISSUED",
    "-": "PLANNED",
    "+": "",
}
"""What stands behind a state's word: sinfo(1), NODE STATE CODES."""
_SAME_FLAG: Final = {
    "MAINT": "MAINTENANCE",
    "RES": "RESERVED",
    "RESV": "RESERVED",
    "DRAINED": "DRAIN",
    "DRAINING": "DRAIN",
    "INVAL": "INVALID_REG",
    "NO_RESPOND": "NOT_RESPONDING",
}
_HEADINGS: Final = ("No ", "AggregatedBlock=")
"""An answer without records, and blocks of blocks, which say nothing that their blocks do not."""
_MIB: Final = 1 << 20


def parse_nodes(text: str) -> Listing[SlurmNode]:
    """`scontrol show node -o -d`."""
    return _parse_records(text, "NodeName", _node)


def parse_reservations(text: str) -> Listing[SlurmReservation]:
    """`scontrol show reservation -o`."""
    return _parse_records(text, "ReservationName", _reservation)


def parse_partitions(text: str) -> Listing[SlurmPartition]:
    """`scontrol show partition -o`."""
    return _parse_records(text, "PartitionName", _partition)


def parse_topology(text: str) -> Listing[Switch]:
    """`scontrol show topology -o`: switches of a tree, or blocks."""
    lines = (line for line in text.splitlines() if not line.startswith(_HEADINGS))
    return gather(lines, lambda line: _switch(_read(line)))


def parse_config(text: str) -> Mapping[str, str]:
    """`scontrol show config`: the settings by name, those it calls (null) as empty."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and (name := name.strip()) and " " not in name:
            found.setdefault(name, text_or_empty(value.strip()))
    return found


def parse_version(text: str) -> SlurmVersion | None:
    """`slurm 23.11.4` or `slurm-wlm 22.05.8`; None where it is neither."""
    match = _VERSION.search(text)
    if match is None:
        return None
    return SlurmVersion(int(match[1]), int(match[2]), int(match[3] or 0), match[0])


def _parse_records(
    text: str, first: str, make: Callable[[Mapping[str, str]], T | None]
) -> Listing[T]:
    return gather(_lines(text, first), lambda line: make(_read(line)))


def _lines(text: str, *firsts: str) -> Iterator[str]:
    """Records, each with what a value broke over several lines. scontrol's word for an empty
    answer ("No reservations in the system") is no record."""
    begins = tuple(f"{first}=" for first in firsts)
    record = ""
    for line in text.split("\n"):
        if not line.startswith(begins) and record:
            record += f"\n{line}"
            continue
        if record:
            yield record
        record = "" if line.startswith(_HEADINGS) else line
    yield record


def _read(line: str) -> Mapping[str, str]:
    """Values by key; of a key that is there twice the first."""
    found: dict[str, str] = {}
    key, start = "", 0
    for match in _KEY.finditer(line):
        if key:
            found.setdefault(key, line[start : match.start()].strip())
        key, start = match[1], match.end()
    if key:
        found.setdefault(key, line[start:].strip())
    return found


def _node(values: Mapping[str, str]) -> SlurmNode | None:
    name = values.get("NodeName", "")
    state, flags = _node_state(values.get("State", ""))
    if not name or not state or any(sign.isspace() for sign in name):
        return None
    return SlurmNode(
        name=name,
        address=text_or_empty(values.get("NodeAddr", "")) or name,
        hostname=text_or_empty(values.get("NodeHostName", "")) or name,
        state=state,
        flags=flags,
        reason=text_or_empty(values.get("Reason", "")),
        cpus=parse_count(values.get("CPUTot", "")),
        cpus_used=parse_count(values.get("CPUAlloc", "")),
        memory_bytes=parse_size(values.get("RealMemory", ""), unit=_MIB),
        memory_used_bytes=parse_size(values.get("AllocMem", ""), unit=_MIB),
        gres=parse_gres(values.get("Gres", "")),
        gres_used=parse_gres(values.get("GresUsed", "")),
        features=parse_names(values.get("ActiveFeatures", "")),
        partitions=parse_names(values.get("Partitions", "")),
        booted_s=parse_instant_s(values.get("BootTime", "")),
        slurmd_started_s=parse_instant_s(values.get("SlurmdStartTime", "")),
        version=text_or_empty(values.get("Version", "")),
    )


def _node_state(text: str) -> tuple[str, frozenset[str]]:
    """The base, and all flags in their long words."""
    flags: set[str] = set()
    words = []
    for part in text.split("+"):
        word = part.rstrip("".join(_SUFFIXES))
        flags.update(_SUFFIXES[sign] for sign in part[len(word) :])
        words.append(word)
    if not words[0].isascii() or not words[0].replace("_", "").isalpha():
        return "", frozenset()
    flags.update(_SAME_FLAG.get(word, word) for word in words[1:])
    return words[0], frozenset(flags - {""})


def _reservation(values: Mapping[str, str]) -> SlurmReservation | None:
    name = values.get("ReservationName", "")
    if not name:
        return None
    return SlurmReservation(
        name=name,
        starts_s=parse_instant_s(values.get("StartTime", "")),
        ends_s=parse_instant_s(values.get("EndTime", "")),
        nodes=parse_hosts(values.get("Nodes", "")),
        flags=frozenset(parse_names(values.get("Flags", ""))),
        state=text_or_empty(values.get("State", "")),
        partition=text_or_empty(values.get("PartitionName", "")),
        users=parse_names(values.get("Users", "")),
        accounts=parse_names(values.get("Accounts", "")),
    )


def _partition(values: Mapping[str, str]) -> SlurmPartition | None:
    name = values.get("PartitionName", "")
    if not name:
        return None
    nodes_max = values.get("MaxNodes", "")
    return SlurmPartition(
        name=name,
        nodes=parse_hosts(values.get("Nodes", "")),
        state=text_or_empty(values.get("State", "")),
        is_default=values.get("Default") == "YES",
        time_limit_s=parse_span_s(values.get("MaxTime", "")),
        nodes_max=parse_count(nodes_max) if nodes_max.isdecimal() else None,
        may_share=not values.get("OverSubscribe", "").startswith("EXCLUSIVE"),
        accounts=parse_names(values.get("AllowAccounts", "")),
    )


def _switch(values: Mapping[str, str]) -> Switch | None:
    if name := values.get("SwitchName"):
        below = parse_hosts(values.get("Switches", ""))
        level = parse_count(values.get("Level", ""))
        return Switch(name, level, parse_hosts(values.get("Nodes", "")), below)
    if name := values.get("BlockName"):
        return Switch(name, 0, parse_hosts(values.get("Nodes", "")), is_block=True)
    return None
