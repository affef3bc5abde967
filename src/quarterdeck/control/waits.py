"""Keeps what waiting jobs were told, when it changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.ports.verdicts import PLACED, Told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.scheduling.plan import Plan
    from quarterdeck.ports.verdicts import VerdictLog

SAME_CODE_S: Final = 60.0
"""Another reason is kept at once; other numbers behind the same one not more often than this."""
KEPT_S: Final = 30 * 86_400.0
"""How long it is known what a job was told."""


class Waits:
    """What each waiting job was told last. One thread at a time."""

    def __init__(self, verdicts: VerdictLog) -> None:
        self.verdicts = verdicts
        self._last: dict[JobId, tuple[str, str, int]] = {}

    def note(self, made: Plan, now_ns: int) -> None:
        """Keep what of a plan is news to the jobs in it."""
        told = list(self._news(made, now_ns))
        if told:
            self.verdicts.add(told)

    def _news(self, made: Plan, now_ns: int) -> Iterator[Told]:
        for placement in made.placements:
            if self._last.pop(placement.job_id, None) is not None or placement.task is None:
                grounds = "; ".join(placement.grounds)
                yield Told(placement.job_id, now_ns, PLACED, f"it was placed: {grounds}")
        for job_id, verdict in made.verdicts.items():
            code, message = verdict.blocked_by.value, verdict.message
            last = self._last.get(job_id)
            if last is not None and last[0] == code:
                is_fresh = now_ns - last[2] < SAME_CODE_S * NS_PER_S
                if is_fresh or last[1] == message:
                    continue
            self._last[job_id] = (code, message, now_ns)
            yield Told(
                job_id, now_ns, code, message, verdict.hint, verdict.numbers, verdict.held_by
            )
        if len(self._last) > 2 * len(made.verdicts) + 1000:
            kept = made.verdicts.keys()
            self._last = {job_id: it for job_id, it in self._last.items() if job_id in kept}
