"""What retention deletes, or would delete."""

from __future__ import annotations

from pydantic import Field

from quarterdeck.wire.v1.base import Answer


class GcItem(Answer):
    """One thing that can go by itself."""

    kind: str = Field(description="logs, results, checkpoints, snapshots, jobs or leftovers.")
    name: str = Field(description="JOB/ATTEMPT, a job's id, or a file's digest.")
    size_bytes: int = Field(description="What it takes on the disk; 0 for rows of the store.")
    rule: str = Field(description="Why it goes.")


class GcKind(Answer):
    """All of a kind that one rule lets go."""

    kind: str
    rule: str
    count: int
    size_bytes: int


class GcReport(Answer):
    """What was deleted, or what would be."""

    dry_run: bool = Field(description="Nothing was deleted.")
    count: int
    size_bytes: int
    kinds: list[GcKind]
    items: list[GcItem] = Field(description="The first of them; `count` says how many there are.")
    is_complete: bool = Field(
        description="False when so much was left that the rest waits: ask again, or leave it to "
        "the server."
    )
