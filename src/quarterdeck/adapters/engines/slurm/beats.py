"""Which runners have fallen silent, by our own clock.

Whatever the clock of a node says, a beat that stays the same is none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterdeck.adapters.spool.replica import Spool


class Beat:
    """One that beats, by the time that it gives to a file."""

    def __init__(self) -> None:
        self._last_ns: int | None = None
        self._since = 0.0

    def silent_s(self, beat_ns: int, now: float) -> float:
        """For how long it has been the same; 0 when it is looked at first."""
        if beat_ns != self._last_ns:
            self._last_ns, self._since = beat_ns, now
        return now - self._since

    def pardon(self, now: float) -> None:
        """Its silence until now counts no more: it could not beat."""
        self._since = now


class Beats:
    """Those of the runners of an attempt."""

    def __init__(self, spools: Sequence[Spool], silence_s: float) -> None:
        self._spools = [(spool, Beat()) for spool in spools]
        self._silence_s = silence_s

    def pardon(self, now: float) -> None:
        """As `Beat.pardon`, for all of them."""
        for _, beat in self._spools:
            beat.pardon(now)

    def find_silent(self, now: float) -> list[Spool]:
        """Those that began, have not ended, and have not beaten for too long."""
        return [
            spool
            for spool, beat in self._spools
            if not spool.has_ended
            and spool.was_taken_up
            and beat.silent_s(spool.read_beat_ns(), now) >= self._silence_s
        ]
