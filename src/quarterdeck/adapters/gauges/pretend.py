"""Imaginary nodes in the shape of real ones, for machines that have no GPUs.

The shapes are the types of the hardware catalogue. Those that are built in scalable units stand in
them: the first 20 of `dgx-a100` in `su1`, two in a rack, and so on.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from quarterdeck.adapters.sites.catalogue import load_catalogue
from quarterdeck.basics.errors import Invalid
from quarterdeck.core.cluster.nodetype import locate_in_units, nodes_of

if TYPE_CHECKING:
    from quarterdeck.core.cluster.hardware import Node

NODES_MAX: Final = 10_000
_NUMBER: Final = re.compile(r"[0-9]{1,9}", re.ASCII)


def parse_pretend(text: str) -> tuple[Node, ...]:
    """The nodes of `SHAPE:N`, for example `dgx-a100:20`. `Invalid` for anything else."""
    catalogue = load_catalogue()
    name, _, number = text.partition(":")
    shape = catalogue.get(name)
    if shape is None:
        raise Invalid(
            f"--pretend names the shape {name!r}",
            field="pretend",
            hint=f"use one of {', '.join(catalogue)}, for example dgx-a100:2",
        )
    if _NUMBER.fullmatch(number) is None or not 1 <= int(number) <= NODES_MAX:
        raise Invalid(
            f"--pretend asks for {number[:40] or 'no number of'} nodes",
            field="pretend",
            hint=f"write SHAPE:N with N from 1 to {NODES_MAX}, for example {name}:2",
        )
    count, digits = int(number), len(number)
    names = [f"{shape.prefix}-{index:0{digits}d}" for index in range(1, count + 1)]
    return nodes_of(shape, names, locate_in_units(shape, count))
