"""When a waiting job should start, with bounds that half and nine in ten of all starts keep to.

`lookahead` makes a guess at each wait. How far such guesses were off before says what to make of
the next one: by which factor the waits of like guesses were longer or shorter (localised conformal
prediction: Guan, "Localized Conformal Prediction", Biometrika 2023). Waits that are not over count
as longer than they are so far (Kaplan and Meier, JASA 1958); otherwise only those who were quick
would be known while a queue grows. As guesses go wrong for many in a row when the times change, how
wide the bounds are follows how many were kept lately (Gibbs and Candès, "Adaptive Conformal
Inference Under Distribution Shift", NeurIPS 2021): each start outside makes them a little wider,
each other one a little narrower, so that in the long run as many are kept as was promised, however
wrong the guesses are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from quarterdeck.basics.ids import JobId
from quarterdeck.basics.times import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAST_S: Final = 60.0
"""Added to a wait and to a guess before they are compared: of seconds nobody needs the factor."""
KEPT: Final = 400
"""How many settled promises are looked at."""
HALF_AFTER: Final = 150.0
"""After so many further ones a settled promise counts half."""
NEAR: Final = 1.0
"""Guesses that differ by this (as a natural logarithm) count 0.6, by twice it 0.14."""
STEP: Final = 0.02
"""How much a start that was outside moves a bound, as a share of all promises."""
PRIOR: Final = (-2.3, -1.0, -0.3, 0.0, 0.3, 1.0, 2.3)
"""What is taken to be so before anything is known: most waits are within tenfold of the guess."""
PRIOR_WEIGHT: Final = 3.0
LEVELS: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
"""The quantiles of a spread: half of all starts between the inner ones, nine in ten between the
outer ones."""
BEYOND: Final = 0.7
"""Where none of the past reaches, a bound is this farther out (as a natural logarithm): twofold."""
EVER_S: Final = 10 * 365 * 86400.0


class Because(StrEnum):
    """Why a promise was made, or made anew: stable codes, part of the API."""

    FIRST = "first"
    """The job began to wait."""
    POLICY = "policy"
    """The scheduler follows another policy."""
    NODES_LOST = "nodes_lost"
    """There are fewer nodes than when it was promised."""
    NODES_CAME = "nodes_came"
    """There are more nodes than when it was promised."""
    OVERTAKEN = "overtaken"
    """Jobs that go before it came later."""
    LONGER = "longer"
    """What runs or waits before it takes longer than it should."""
    SOONER = "sooner"
    """What was before it ended sooner than it should, or was withdrawn."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """From when until when; both ends belong to it."""

    from_ns: int
    to_ns: int

    def holds(self, at_ns: int) -> bool:
        """Whether something at that time keeps to it."""
        return self.from_ns <= at_ns <= self.to_ns


@dataclass(frozen=True, slots=True)
class Promise:
    """What a job was told of its start: half of all such starts are within `half`, nine in ten
    within `most`, as many before `expected_at_ns` as after it. `guess_s` is the wait that the look
    ahead made out. `because` and `why` say what changed since the promise before it; they name no
    other job."""

    job_id: JobId
    made_at_ns: int
    guess_s: float
    expected_at_ns: int
    half: Bounds
    most: Bounds
    because: Because = Because.FIRST
    why: str = ""

    @property
    def is_first(self) -> bool:
        """Whether it was made when the wait began: those are counted."""
        return self.because is Because.FIRST


class Spread(NamedTuple):
    """A wait in seconds, by the quantiles of `LEVELS`."""

    most_from_s: float
    half_from_s: float
    middle_s: float
    half_to_s: float
    most_to_s: float


def promise_of(
    job_id: JobId, now_ns: int, guess_s: float, spread: Spread, why: tuple[Because, str]
) -> Promise:
    """A spread as the promise that is told."""

    def at_ns(wait_s: float) -> int:
        return now_ns + round(wait_s * NS_PER_S)

    return Promise(
        job_id,
        now_ns,
        guess_s,
        at_ns(spread.middle_s),
        Bounds(at_ns(spread.half_from_s), at_ns(spread.half_to_s)),
        Bounds(at_ns(spread.most_from_s), at_ns(spread.most_to_s)),
        *why,
    )


@dataclass(slots=True)
class _Open:
    """A promise that waits for its start. `missed` are the levels whose bound it has passed."""

    since_s: float
    size: float
    spread: Spread
    missed: set[int] = field(default_factory=set)


class Calibration:
    """See the module. Times are seconds on any clock that goes forward; it must be told of
    promises, starts and withdrawals in their order."""

    def __init__(self) -> None:
        self._sizes: list[float] = []
        self._errors: list[float] = []
        self._open: dict[JobId, _Open] = {}
        self._levels = [*LEVELS]

    def spread(self, now_s: float, guess_s: float) -> Spread:
        """How long somebody waits of whom this is guessed now."""
        size = math.log(min(guess_s, EVER_S) + LEAST_S)
        errors, shares = self._shares(now_s, size)
        waits = (self._wait_s(errors, shares, level, size) for level in self._levels)
        return Spread(*np.maximum.accumulate([*waits]).tolist())

    def promise(self, job_id: JobId, now_s: float, guess_s: float, spread: Spread) -> None:
        """A job was promised this; it counts until it is settled or dropped."""
        self._note_late(now_s)
        self._open[job_id] = _Open(now_s, math.log(min(guess_s, EVER_S) + LEAST_S), spread)

    def settle(self, job_id: JobId, now_s: float) -> None:
        """The job has started; nothing for one that was promised nothing."""
        one = self._open.pop(job_id, None)
        if one is None:
            return
        wait_s = max(0.0, now_s - one.since_s)
        self._sizes.append(one.size)
        self._errors.append(math.log(wait_s + LEAST_S) - one.size)
        del self._sizes[:-KEPT], self._errors[:-KEPT]
        for number, level in enumerate(LEVELS):
            if level > 0.5 and number not in one.missed:
                self._move_upper(number, is_outside=wait_s > one.spread[number])
            elif level < 0.5:
                self._move_lower(number, is_outside=wait_s < one.spread[number])

    def drop(self, job_id: JobId) -> None:
        """The job will not start, or not in this wait."""
        self._open.pop(job_id, None)

    def _note_late(self, now_s: float) -> None:
        """Who waits longer than was promised is outside already, whenever it will start."""
        for one in self._open.values():
            waited_s = now_s - one.since_s
            for number, level in enumerate(LEVELS):
                if level > 0.5 and number not in one.missed and waited_s > one.spread[number]:
                    one.missed.add(number)
                    self._move_upper(number, is_outside=True)

    def _move_upper(self, number: int, *, is_outside: bool) -> None:
        moved = self._levels[number] + STEP * (is_outside - (1 - LEVELS[number]))
        self._levels[number] = min(max(moved, 0.5), 1.3)

    def _move_lower(self, number: int, *, is_outside: bool) -> None:
        moved = self._levels[number] - STEP * (is_outside - LEVELS[number])
        self._levels[number] = min(max(moved, -0.3), 0.5)

    def _shares(self, now_s: float, size: float) -> tuple[Sequence[float], Sequence[float]]:
        """Errors in order, and which share of all waits of about this size are off by no more."""
        count = len(self._errors)
        latest = [*self._open.values()][-KEPT:]
        errors = np.array(
            [
                *self._errors,
                *(math.log(max(0.0, now_s - one.since_s) + LEAST_S) - one.size for one in latest),
                *PRIOR,
            ]
        )
        sizes = np.array([*self._sizes, *(one.size for one in latest)])
        ages = np.concatenate([np.arange(count - 1, -1, -1), np.zeros(len(latest))])
        weights = np.full(len(errors), PRIOR_WEIGHT / len(PRIOR))
        weights[: len(sizes)] = 0.5 ** (ages / HALF_AFTER) * np.exp(
            -(((sizes - size) / NEAR) ** 2) / 2
        )
        is_over = np.ones(len(errors), bool)
        is_over[count : count + len(latest)] = False
        order = np.lexsort((~is_over, errors))
        weights, is_over = weights[order], is_over[order]
        at_risk = np.cumsum(weights[::-1])[::-1]
        survive = np.cumprod(np.where(is_over, 1 - weights / np.maximum(at_risk, 1e-12), 1.0))
        return errors[order].tolist(), (1 - survive).tolist()

    @staticmethod
    def _wait_s(
        errors: Sequence[float], shares: Sequence[float], level: float, size: float
    ) -> float:
        place = int(np.searchsorted(shares, min(max(level, 0.0), 1.0) - 1e-9))
        error = errors[place] if place < len(errors) else errors[-1] + BEYOND
        if level >= 1:
            error = max(error, errors[-1]) + (level - 1) * 10 * BEYOND
        elif level <= 0:
            error = min(error, errors[0]) + level * 10 * BEYOND
        return min(EVER_S, max(0.0, math.exp(size + error) - LEAST_S))
