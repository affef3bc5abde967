"""Batch jobs of ours that nobody watches any more and that go on all the same.

One may have been given up while nobody could reach it, or have been taken by Slurm after its sbatch
was given up. It is found in each look until it has ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quarterdeck.adapters.engines.slurm.view import Look

MOMENT_S: Final = 5.0
"""How long one whose end is known already may take to go by itself."""
AGAIN_S: Final = 30.0
"""How often the same one is cancelled: a node that is away cannot do it now."""


class Strays:
    """See the module; of those whose comments begin with `prefix`."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._due_at: dict[int, float] = {}

    def find(self, look: Look, watched: Mapping[str, int | None], now: float) -> list[int]:
        """Those that are to be cancelled now. `watched`: the comments of all that are known, with
        the batch job of each. A second one that runs for the same is left alone: which of the two
        holds the attempt is theirs to settle."""
        due_at = {}
        for job in look.own:
            if (
                job.has_ended
                or job.state == "COMPLETING"
                or not job.comment.startswith(self._prefix)
            ):
                continue
            if job.comment in watched:
                known = watched[job.comment]
                if job.state != "PENDING" or known is None or known == job.id:
                    continue
            due_at[job.id] = self._due_at.get(job.id, now + MOMENT_S)
        found = [id_ for id_, at in due_at.items() if at <= now]
        self._due_at = due_at | dict.fromkeys(found, now + AGAIN_S)
        return found
