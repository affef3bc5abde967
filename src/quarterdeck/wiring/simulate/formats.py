"""The formats of workload files, apart from their readers: the command's help needs only names."""

from __future__ import annotations

from enum import StrEnum


class Format(StrEnum):
    """What a workload file is."""

    CSV = "csv"
    """Our own."""
    SWF = "swf"
    """The Standard Workload Format."""
    SACCT = "sacct"
    """What Slurm's `sacct -P` prints."""
