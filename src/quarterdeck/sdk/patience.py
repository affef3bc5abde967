"""When to ask again after a server did not answer: soon, then more slowly, and not for ever."""

from __future__ import annotations

from time import monotonic
from typing import Final

from quarterdeck.basics.errors import Unavailable

FIRST_PAUSE_S: Final = 0.05
PAUSE_S_MAX: Final = 1.0


class Patience:
    """The pauses of one call."""

    def __init__(self, patience_s: float) -> None:
        self._until = monotonic() + patience_s
        self._pause_s = FIRST_PAUSE_S

    def next_pause_s(self, error: Unavailable) -> float:
        """How long to wait before the next try; raises the error when patience has run out."""
        left_s = self._until - monotonic()
        if left_s <= 0:
            raise error
        pause_s = min(self._pause_s, left_s)
        self._pause_s = min(PAUSE_S_MAX, self._pause_s * 2)
        return pause_s


def unreachable(url: str, error: Exception) -> Unavailable:
    """The error of a server that does not answer."""
    told = str(error) or type(error).__name__
    return Unavailable(
        f"the server at {url} does not answer: {told}",
        code="unreachable",
        hint="is it running? `qd up --detach` starts it; its jobs go on meanwhile",
    )
