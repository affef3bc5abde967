"""How far a job is when its attempts are cut short: it goes back to its last checkpoint."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Progress:
    """`done_s` of the job's run time is safe in a checkpoint; `lost_s` had to be spent again.

    A job makes a checkpoint every `every_s` of run time, so a cut costs so much at most; without
    any it starts again from nothing.
    """

    every_s: float | None
    done_s: float = 0.0
    lost_s: float = 0.0

    def cut(self, ran_s: float) -> None:
        """An attempt was cut short after so much useful run time."""
        if self.every_s is None:
            self.lost_s += self.done_s + ran_s
            self.done_s = 0.0
        else:
            back_s = min(self.every_s, ran_s)
            self.lost_s += back_s
            self.done_s += ran_s - back_s
