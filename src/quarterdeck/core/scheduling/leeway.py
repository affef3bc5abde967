"""By how much bounds are stretched, so that about as many are kept as was promised.

Adaptive conformal inference (Gibbs and Candès, "Adaptive Conformal Inference Under Distribution
Shift", NeurIPS 2021) in the form that moves the bounds themselves (quantile tracking: Angelopoulos,
Candès and Tibshirani, "Conformal PID Control for Time Series Prediction", NeurIPS 2023): each
missed promise stretches the next ones, each kept one shrinks them by as much less as fewer may be
missed. It is no matter what the misses come from.

If bounds that are stretched by `COVERS` hold whatever happens, then of `n` judged promises, in any
order and however late each is judged, no more are missed than

    share * n + COVERS / step + open + 1

where `open` is how many were still to be judged at the same time, at most: no stretch is ever
above `COVERS + step * (open + 1)`, and all that is missed beyond the share adds up to it. From any
later moment on it is the same with `COVERS - LEAST`.
"""

from __future__ import annotations

from typing import Final

COVERS: Final = 7.0
"""Bounds that are stretched by e to this hold whatever happens (`calibration`): the narrowest reach
from no wait at all to ten years."""
LEAST: Final = -4.0
"""They are never narrower than e to this of what the past tells: a long time in which all is as
foreseen must not leave them with no way back."""


class Leeway:
    """One kind of bounds, of which that `share` may be missed. `stretch` is the logarithm of the
    factor by which they are wider than the past tells."""

    __slots__ = ("_share", "_step", "stretch")

    def __init__(self, share: float, step: float) -> None:
        self._share = share
        self._step = step
        self.stretch = 0.0

    def judge(self, *, is_missed: bool) -> None:
        """It is known of one more promise whether it was missed; of each once."""
        moved = self.stretch + self._step * (is_missed - self._share)
        self.stretch = max(LEAST, moved)
