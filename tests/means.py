"""What gives a job its image, for tests that hold for each of them."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol


class Means(Protocol):
    """Podman or enroot, with a place of its own. `user` is who a command is in its images;
    `has_processes`: it sees no others there."""

    environment: dict[str, str]
    user: int
    has_processes: bool

    def import_tar(self, tar: Path, name: str, *changes: str) -> str:
        """An image of a root file system; what a job calls it. `changes`: lines of a Dockerfile."""
        ...

    def containers(self) -> list[str]:
        """What is left of containers, whatever their state."""
        ...
