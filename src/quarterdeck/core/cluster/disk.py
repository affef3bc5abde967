"""How much room a disk has left, and when that counts as full."""

from __future__ import annotations

from dataclasses import dataclass

from quarterdeck.basics.quantities import format_bytes


@dataclass(frozen=True, slots=True)
class DiskSpace:
    """One look at a file system. `where` names whose disk it is, for people.

    The reserves are what new work must leave alone: running work ends and the log of events grows
    in them. A file system that counts no inodes has 0 of them and never runs out.
    """

    where: str
    size_bytes: int
    free_bytes: int
    reserve_bytes: int
    inodes: int = 0
    free_inodes: int = 0
    reserve_inodes: int = 0

    @property
    def lacks_bytes(self) -> bool:
        """Whether less is free than is to be kept free."""
        return self.free_bytes < self.reserve_bytes

    @property
    def lacks_inodes(self) -> bool:
        """The same of inodes: a disk of a million tiny files is full with bytes to spare."""
        return self.inodes > 0 and self.free_inodes < self.reserve_inodes

    @property
    def is_full(self) -> bool:
        """Whether new work is to be refused."""
        return self.lacks_bytes or self.lacks_inodes

    @property
    def message(self) -> str:
        """What is short, with the numbers."""
        if self.lacks_inodes and not self.lacks_bytes:
            return (
                f"the disk of {self.where} is full: {self.free_inodes} of {self.inodes} inodes "
                f"free, {self.reserve_inodes} are kept free"
            )
        return (
            f"the disk of {self.where} is full: {format_bytes(self.free_bytes)} free of "
            f"{format_bytes(self.size_bytes)}, {format_bytes(self.reserve_bytes)} are kept free"
        )
