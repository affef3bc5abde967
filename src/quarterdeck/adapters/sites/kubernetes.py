"""Labels of Kubernetes nodes that say where they stand, as topograph writes them.

topograph (github.com/NVIDIA/topograph) labels nodes with `network.topology.nvidia.com/` and
`accelerator` (the NVLink domain), `leaf`, `spine` and `core`. The three tightest of these that the
nodes have become rack, unit and pod. What is read is `kubectl get nodes -o json`.
"""

from __future__ import annotations

import json
from typing import Any, Final

from quarterdeck.basics.errors import Invalid
from quarterdeck.core.cluster.hardware import Location

PREFIX: Final = "network.topology.nvidia.com/"
LEVELS: Final = ("accelerator", "leaf", "spine", "core")
_HINT: Final = "give what `kubectl get nodes -o json` prints"


def read_labels(text: str, file: str) -> dict[str, Location]:
    """Where each labelled node stands. Nodes without a label are left out."""
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        told = f"{file}:{error.lineno}:{error.colno}: this is not JSON: {error.msg}"
        raise Invalid(told, field="file", hint=_HINT) from None
    except (RecursionError, ValueError) as error:
        told = f"{file}:1: this is not JSON: {type(error).__name__}"
        raise Invalid(told, field="file", hint=_HINT) from None
    items = content.get("items", [content]) if isinstance(content, dict) else content
    if not isinstance(items, list):
        raise Invalid(f"{file}:1: items is not a list", field="items", hint=_HINT)
    labels: dict[str, dict[str, str]] = {}
    for index, item in enumerate(items):
        name, found = _read_node(item, index, file)
        if name in labels:
            told = f"{file}: the node {name} is there twice (items.{index})"
            raise Invalid(told, field=f"items.{index}", hint="keep one")
        labels[name] = found
    levels = [level for level in LEVELS if any(level in found for found in labels.values())]
    if not levels:
        told = f"{file}: none of {len(labels)} nodes has a label {PREFIX}{'|'.join(LEVELS)}"
        raise Invalid(told, field="items", hint="topograph writes them; or use a topology.conf")
    return {
        name: Location(*(found.get(level, "") for level in levels[:3]))
        for name, found in labels.items()
        if found
    }


def _read_node(item: Any, index: int, file: str) -> tuple[str, dict[str, str]]:  # noqa: ANN401 - JSON
    """A node's name, and its labels of places by level."""
    metadata = item.get("metadata") if isinstance(item, dict) else None
    name = metadata.get("name") if isinstance(metadata, dict) else None
    labels = metadata.get("labels", {}) if isinstance(metadata, dict) else None
    if not isinstance(name, str) or not isinstance(labels, dict):
        told = f"{file}: items.{index} is not a node with a name and labels"
        raise Invalid(told, field=f"items.{index}", hint=_HINT)
    found: dict[str, str] = {}
    for level in LEVELS:
        label = labels.get(PREFIX + level)
        if label is None:
            continue
        if not isinstance(label, str) or not 0 < len(label) <= 63 or not label.isprintable():
            told = f"{file}: the label {PREFIX}{level} of the node {name} is no name"
            raise Invalid(told, field=f"items.{index}", hint="a label has 1 to 63 characters")
        found[level] = label
    return name, found
