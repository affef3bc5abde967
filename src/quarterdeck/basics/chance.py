"""Seeded chance that gives the same draws on every Python and every machine.

The generator is SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators",
OOPSLA 2014). `random.Random` promises stability only for `random()`, not for its other methods.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")
_MASK: Final = (1 << 64) - 1


class Chance:
    """A stream of draws that a seed replays exactly."""

    def __init__(self, seed: int) -> None:
        self._state = seed & _MASK

    def bits64(self) -> int:
        """A uniform 64-bit integer."""
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        mixed = self._state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return mixed ^ (mixed >> 31)

    def fraction(self) -> float:
        """A uniform number in [0, 1)."""
        return (self.bits64() >> 11) / (1 << 53)

    def below(self, bound: int) -> int:
        """A uniform integer in [0, bound)."""
        assert bound > 0
        return self.bits64() % bound

    def between(self, low: float, high: float) -> float:
        """A uniform number in [low, high)."""
        return low + (high - low) * self.fraction()

    def happens(self, probability: float) -> bool:
        """True with the given probability."""
        return self.fraction() < probability

    def pick(self, options: Sequence[T]) -> T:
        """One of the options, each as likely as the others."""
        return options[self.below(len(options))]

    def split(self) -> Chance:
        """An independent stream, so that one part's draws do not shift another's."""
        return Chance(self.bits64())
