"""The GPUs of a node as Slurm counts them, and as our plan names them.

Slurm has three ways to hand out GPUs of a node: any so many (`gpu:8`), any so many of a type
(`gpu:h100:8`), or one by one, where the site gave each a type of its own (`gpu:i0:1,gpu:i1:1,…`).
Only with the last a job gets just the GPUs of its grant; see docs/howto/slurm.md.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from quarterdeck.core.cluster.hardware import Device

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from quarterdeck.adapters.engines.slurm.records import Gres
    from quarterdeck.core.cluster.nodetype import NodeType

NAME: Final = "gpu"
_INDEX: Final = re.compile(r"i([0-9]{1,3})", re.ASCII)
_MODEL: Final = re.compile(
    r"(?:gh|gb|[ahblv])[0-9]{2,3}s?|mi[0-9]{3}[xa]?|t4|rtx[0-9]{4}", re.ASCII
)
_MEMORY: Final = re.compile(r"([0-9]{2,3})gb", re.ASCII)
_MEMORY_GB: Final = {
    "V100": 32, "T4": 16, "A10": 24, "A30": 24, "A40": 48, "A100": 80, "L4": 24, "L40": 48,
    "L40S": 48, "H100": 80, "H200": 141, "GH200": 96, "B100": 192, "B200": 180, "GB200": 186,
    "B300": 288, "MI250": 128, "MI250X": 128, "MI300A": 128, "MI300X": 192, "MI325X": 256,
}  # fmt: skip
"""Gigabytes of each where the type does not say: the makers' data sheets, the larger one where
there are two."""


@dataclass(frozen=True, slots=True)
class NodeGpus:
    """The GPUs of one node: the type of each in Slurm's words, by index."""

    node: str
    types: tuple[str, ...] = ()

    @property
    def are_exact(self) -> bool:
        """Whether Slurm can be asked for one of them and no other."""
        return bool(self.types) and all(_INDEX.fullmatch(kind) for kind in self.types)

    def id_of(self, index: int) -> str:
        """How our plan names one."""
        return f"{self.node}-gpu{index}"

    def index_of(self, device: str) -> int:
        """The reverse."""
        return int(device.removeprefix(f"{self.node}-gpu"))

    def ask_for_any(self, devices: Sequence[str]) -> str:
        """These without their types; empty unless any so many of the node's are such, too."""
        is_one_type, is_all = len(set(self.types)) == 1, len(devices) == len(self.types)
        return f"{NAME}:{len(devices)}" if devices and (is_one_type or is_all) else ""

    def ask_for(self, devices: Iterable[str]) -> str:
        """These in the words of `--gres`; empty for none."""
        counted = Counter(self.types[self.index_of(device)] for device in devices)
        return ",".join(
            f"{NAME}:{kind}:{count}" if kind else f"{NAME}:{count}"
            for kind, count in counted.items()
        )

    def devices(self, hardware: NodeType | None) -> tuple[Device, ...]:
        """All of them as devices of a node."""
        return tuple(
            Device(self.id_of(index), *_describe(kind, hardware))
            for index, kind in enumerate(self.types)
        )


def are_all_exact(nodes: Iterable[NodeGpus]) -> bool:
    """Whether that is so of every node that has any."""
    return all(one.are_exact for one in nodes if one.types)


def read_gpus(node: str, gres: Sequence[Gres]) -> NodeGpus:
    """Those of a node, in the order in which Slurm numbers them."""
    types: list[str] = []
    for one in gres:
        if one.name == NAME:
            types += [one.type] * one.count
    if types and all(_INDEX.fullmatch(kind) for kind in types):
        types.sort(key=lambda kind: int(kind[1:]))
    return NodeGpus(node, tuple(types))


def _describe(kind: str, hardware: NodeType | None) -> tuple[str, int]:
    """Model and memory of a GPU by the type that the site gave it, `a100-sxm4-80gb`."""
    if hardware is not None and hardware.gpu_model:
        return hardware.gpu_model, hardware.gpu_memory_bytes
    if _INDEX.fullmatch(kind):
        kind = ""  # It says which GPU, not of what model: a job may have several of these.
    text = kind.lower().replace("_", "-")
    found = _MODEL.search(text)
    model = found[0].upper() if found else kind or "gpu"
    told = _MEMORY.search(text)
    memory_gb = int(told[1]) if told else _MEMORY_GB.get(model, 0)
    return model, memory_gb * 10**9
