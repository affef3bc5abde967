"""The hardware that Quarterdeck knows without being told, from `hardware.toml`."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING

from quarterdeck.adapters.sites.hardware import HardwareEntry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quarterdeck.core.cluster.nodetype import NodeType


@cache
def load_catalogue() -> Mapping[str, NodeType]:
    """Types of nodes by name."""
    text = (files("quarterdeck.adapters.sites") / "hardware.toml").read_text("utf-8")
    return MappingProxyType(
        {
            name: HardwareEntry.model_validate(entry).to_type(name)
            for name, entry in tomllib.loads(text).items()
        }
    )
