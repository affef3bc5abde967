"""Pretended nodes that can be lost, for practice and for tests.

The nodes named in a file of the site, one on a line, are down for as long as they stand in it. The
engine kills the runners there, so that everybody who has to do with a lost node meets a real one.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from quarterdeck.core.cluster.hardware import NodeState

if TYPE_CHECKING:
    from pathlib import Path

    from quarterdeck.core.cluster.hardware import Node

BYTES_MAX: Final = 1 << 20
SHOWN_MAX: Final = 5
log = logging.getLogger(__name__)


class PretendedNodes:
    """Those nodes, as a call gives them, without the ones that the file says are lost."""

    def __init__(self, nodes: tuple[Node, ...], lost: Path) -> None:
        self._all = self._now = nodes
        self._lost = lost
        self._seen: tuple[int, int] | None = None

    def __call__(self) -> tuple[Node, ...]:
        """As of now. The file is read again only when it has changed."""
        try:
            found = self._lost.stat()
            seen = (found.st_mtime_ns, found.st_size)
        except OSError:
            seen = None
        if seen != self._seen:
            self._seen = seen
            names = set() if seen is None else self._read()
            self._now = tuple(
                replace(node, state=NodeState.DOWN) if node.name in names else node
                for node in self._all
            )
        return self._now

    def _read(self) -> set[str]:
        try:
            with self._lost.open(errors="replace") as stream:
                names = {line.strip() for line in stream.read(BYTES_MAX).splitlines()} - {""}
        except OSError as error:
            log.warning("%s cannot be read: %s", self._lost, error)
            return set()
        if unknown := sorted(names.difference(node.name for node in self._all)):
            shown = ", ".join(f"{name[:60]!a}" for name in unknown[:SHOWN_MAX])
            log.warning("%s names %d that are no node: %s", self._lost, len(unknown), shown)
        return names
