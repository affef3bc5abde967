"""Imaginary nodes in the shape of real ones, for machines that have no GPUs.

Shapes: NVIDIA's DGX user guides (https://docs.nvidia.com/dgx/): DGX A100 640GB has 8 A100 80GB,
2 × AMD EPYC 7742 (256 threads), 2 TB; DGX H100 has 8 H100 80GB, 2 × Xeon 8480C (224 threads),
2 TB; DGX B200 has 8 B200 180GB, 2 × Xeon 8570 (224 threads), 2 TB. Sizes are taken as GiB.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from quarterdeck.basics.errors import Invalid
from quarterdeck.basics.quantities import GIB
from quarterdeck.core.cluster.hardware import Device, Node

NODES_MAX: Final = 10_000
_NUMBER: Final = re.compile(r"[0-9]{1,9}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Shape:
    """One machine's hardware."""

    gpus: int
    gpu_model: str
    gpu_memory_bytes: int
    cpus: int
    memory_bytes: int
    prefix: str


SHAPES: Final = {
    "dgx-a100": Shape(8, "A100-SXM4-80GB", 80 * GIB, 256, 2048 * GIB, "dgx"),
    "dgx-h100": Shape(8, "H100-80GB-HBM3", 80 * GIB, 224, 2048 * GIB, "dgx"),
    "dgx-b200": Shape(8, "B200", 180 * GIB, 224, 2048 * GIB, "dgx"),
    "cpu": Shape(0, "", 0, 64, 256 * GIB, "cpu"),
}


def parse_pretend(text: str) -> tuple[Node, ...]:
    """The nodes of `SHAPE:N`, for example `dgx-a100:20`. `Invalid` for anything else."""
    name, _, number = text.partition(":")
    shape = SHAPES.get(name)
    if shape is None:
        raise Invalid(
            f"--pretend names the shape {name!r}",
            field="pretend",
            hint=f"use one of {', '.join(SHAPES)}, for example dgx-a100:2",
        )
    if _NUMBER.fullmatch(number) is None or not 1 <= int(number) <= NODES_MAX:
        raise Invalid(
            f"--pretend asks for {number[:40] or 'no number of'} nodes",
            field="pretend",
            hint=f"write SHAPE:N with N from 1 to {NODES_MAX}, for example {name}:2",
        )
    return tuple(_node(shape, index, len(number)) for index in range(1, int(number) + 1))


def _node(shape: Shape, index: int, digits: int) -> Node:
    name = f"{shape.prefix}-{index:0{digits}d}"
    return Node(
        name=name,
        cpus=shape.cpus,
        memory_bytes=shape.memory_bytes,
        devices=tuple(
            Device(f"GPU-pretend-{name}-{gpu}", shape.gpu_model, shape.gpu_memory_bytes)
            for gpu in range(shape.gpus)
        ),
        pretend=True,
    )
