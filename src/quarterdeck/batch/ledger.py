"""Which nodes, CPUs and GPUs a step gets, and when: pure, and the same as srun(1) as far as it
matters to scripts that start several steps beside each other.

A step that says how many GPUs it takes has them for itself, and waits until they are free; so
does one that says --exact or --exclusive, with CPUs. Any other shares what the job has.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


class Never(Exception):
    """What is asked cannot be had in this job, however long it waits."""


@dataclass
class Node:
    """What of a node is free."""

    name: str
    aliases: tuple[str, ...]
    cpus: int
    gpus: list[str]
    free_cpus: int = 0
    free_gpus: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.free_cpus, self.free_gpus = self.cpus, list(self.gpus)


@dataclass
class Part:
    """What a step has on one node: ranks, and GPUs for each or (None) those of the node."""

    node: int
    ranks: list[int]
    devices: list[str] | None
    of_task: list[list[str]] | None
    cpus: int


def place(nodes: list[Node], want: dict[str, Any]) -> list[Part] | None:
    """Take what the step needs; None while it is not free. Raises `Never`."""
    chosen, counts = _choose(nodes, want)
    if chosen is None:
        return None
    ranks = _ranks(counts, is_cyclic=want["cyclic"])
    parts = []
    for number, count, own in zip(chosen, counts, ranks):
        node = nodes[number]
        cpus, gpus = _needs(want, count)
        node.free_cpus -= cpus
        devices: list[str] | None = None
        if gpus is not None:
            pool = node.gpus if want["overlap"] else node.free_gpus
            devices = pool[:gpus]
            if not want["overlap"]:
                del node.free_gpus[:gpus]
        each = want["gpus_per_task"]
        of_task = None
        if devices is not None and each:
            of_task = [devices[one * each : (one + 1) * each] for one in range(count)]
        parts.append(Part(number, own, devices, of_task, cpus))
    return parts


def give_back(nodes: list[Node], want: dict[str, Any], parts: list[Part]) -> None:
    """What an ended step had is free again, in the order of the node."""
    for part in parts:
        node = nodes[part.node]
        node.free_cpus += part.cpus
        if part.devices and not want["overlap"]:
            free = {*node.free_gpus, *part.devices}
            node.free_gpus = [one for one in node.gpus if one in free]


def _choose(nodes: list[Node], want: dict[str, Any]) -> tuple[list[int] | None, list[int]]:
    able = _candidates(nodes, want)
    tasks = want["tasks"]
    most = want["tasks_per_node"]
    count = want["nodes"] or min(len(able), -(-tasks // most) if most else tasks) or 1
    count = min(count, tasks)
    if not able or count > len(able):
        raise Never("it asks for %d nodes; %d can be had" % (count, len(able)))
    if most and count * most < tasks:
        raise Never("%d nodes with %d tasks each have no room for %d" % (count, most, tasks))
    each, over = divmod(tasks, count)
    counts = [each + (number < over) for number in range(count)]
    chosen: list[int] = []
    for number in able:
        if len(chosen) < count and _has_room(nodes[number], want, counts[len(chosen)]):
            chosen.append(number)
    if len(chosen) == count:
        return chosen, counts
    for number, share in zip(able, counts):
        _check_ever(nodes[number], want, share)
    return None, counts


def _candidates(nodes: list[Node], want: dict[str, Any]) -> list[int]:
    wanted = [_find(nodes, name) for name in want["names"]]
    left = {_find(nodes, name) for name in want["exclude"]}
    able = wanted or list(range(len(nodes)))[want["relative"] :]
    return [number for number in dict.fromkeys(able) if number not in left]


def _find(nodes: list[Node], name: str) -> int:
    for number, node in enumerate(nodes):
        if name == node.name or name in node.aliases:
            return number
    raise Never("%s is no node of this job: %s" % (name, ", ".join(one.name for one in nodes)))


def _needs(want: dict[str, Any], count: int) -> tuple[int, int | None]:
    cpus = count * want["cpus_per_task"] if want["exact"] else 0
    if want["gpus_per_task"] is not None:
        return cpus, count * int(want["gpus_per_task"])
    per_node: int | None = want["gpus_per_node"]
    return cpus, per_node


def _has_room(node: Node, want: dict[str, Any], count: int) -> bool:
    cpus, gpus = _needs(want, count)
    free = len(node.gpus if want["overlap"] else node.free_gpus)
    return cpus <= node.free_cpus and (gpus or 0) <= free


def _check_ever(node: Node, want: dict[str, Any], count: int) -> None:
    cpus, gpus = _needs(want, count)
    if cpus > node.cpus:
        raise Never("it asks for %d CPUs of %s, which has %d" % (cpus, node.name, node.cpus))
    if (gpus or 0) > len(node.gpus):
        raise Never(
            "it asks for %d GPUs of %s, which has %d" % (gpus or 0, node.name, len(node.gpus))
        )


def _ranks(counts: list[int], *, is_cyclic: bool) -> list[list[int]]:
    ranks: list[list[int]] = [[] for _ in counts]
    if not is_cyclic:
        first = 0
        for own, count in zip(ranks, counts):
            own.extend(range(first, first + count))
            first += count
        return ranks
    number = rank = 0
    while rank < sum(counts):
        if len(ranks[number]) < counts[number]:
            ranks[number].append(rank)
            rank += 1
        number = (number + 1) % len(counts)
    return ranks
