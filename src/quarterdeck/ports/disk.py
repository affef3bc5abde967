"""How much room there is where everything of a home is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from quarterdeck.core.cluster.disk import DiskSpace


class Disk(Protocol):
    """The file system under a home. Any thread may look, as often as it likes."""

    def look(self) -> DiskSpace:
        """What is free now, at most a fraction of a second old."""
        ...
