"""When to ask again after a server did not answer: soon, then more slowly, and not for ever."""

from __future__ import annotations

import os
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from quarterdeck.basics.chance import Chance
from quarterdeck.basics.errors import QuarterdeckError, Stale
from quarterdeck.sdk.problems import Busy, NoServer, Unanswered

if TYPE_CHECKING:
    from quarterdeck.sdk.calls import Call

PATIENCE_S: Final = 30.0
FIRST_PATIENCE_S: Final = 3.0
FIRST_PAUSE_S: Final = 0.05
PAUSE_S_MAX: Final = 1.0


class Limits:
    """How patient a client is. Nothing said: briefly until somebody has answered, as the server may
    be just starting again; longer from then on. A number holds always."""

    def __init__(self, patience_s: float | None) -> None:
        self.patience_s = patience_s
        self.has_met = False

    @property
    def limit_s(self) -> float:
        """How long a call is tried as of now."""
        if self.patience_s is not None:
            return self.patience_s
        return PATIENCE_S if self.has_met else FIRST_PATIENCE_S

    def is_hopeless(self, error: QuarterdeckError) -> bool:
        """Whether nobody ever said that there would be a server."""
        is_nobody = isinstance(error, NoServer) and not error.is_announced
        return is_nobody and self.patience_s is None and not self.has_met


class Patience:
    """The pauses of one call, or of a stream between two signs of life."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._began_s = monotonic()
        self._pause_s = FIRST_PAUSE_S
        self._chance = Chance(int.from_bytes(os.urandom(8)))

    def next_pause_s(self, call: Call[Any], error: QuarterdeckError) -> float:
        """How long to wait before the next try; raises the error when there should be none."""
        if not _may_help(call, error) or self._limits.is_hopeless(error):
            raise error
        pause_s = self._pause_s * self._chance.between(0.5, 1.0)
        self._pause_s = min(PAUSE_S_MAX, self._pause_s * 1.7)
        if isinstance(error, Busy):
            pause_s = max(pause_s, error.retry_after_s)
        if monotonic() + pause_s > self._began_s + self._limits.limit_s:
            raise error
        return pause_s


def unreachable(url: str, error: Exception, *, may_have_acted: bool = True) -> Unanswered:
    """The error of a server that does not answer."""
    told = str(error) or type(error).__name__
    return Unanswered(
        f"the server at {url} does not answer: {told}",
        may_have_acted=may_have_acted,
        hint="is it running? `qd up --detach` starts it; its jobs go on meanwhile",
    )


def _may_help(call: Call[Any], error: QuarterdeckError) -> bool:
    if isinstance(error, NoServer):
        return True
    if isinstance(error, Unanswered):
        return call.is_repeatable or not error.may_have_acted
    return call.is_repeatable and isinstance(error, Busy | Stale)
