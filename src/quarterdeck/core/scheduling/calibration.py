"""How far a guess of a wait may be off: what is made of guesses so that promises are kept.

`lookahead` makes a guess at each wait. How far such guesses were off before says what to make of
the next one: by which factor the waits of like guesses were longer or shorter (localised conformal
prediction: Guan, "Localized Conformal Prediction", Biometrika 2023).

A guess goes wrong for many in a row, as they wait for the same jobs: four hundred who wait together
are no four hundred experiences but a few. What came of a promise counts by one over a power of how
many were waiting with theirs when it was made, and what is taken to be so before anything is known
stays a good part of all that is known. Otherwise one long queue is taken for certainty, and the
next one, which is late for another reason, is outside of all bounds.

As queues differ all the same, both pairs of bounds are stretched by what was kept of those before
(`leeway`). A promise is judged as soon as it is known: at its start, or once its bound has passed
without one. Who has waited beyond the outer bound is also taken to have waited at least so long
already, so that the quantiles themselves know of a queue that stands still.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from quarterdeck.core.scheduling.leeway import Leeway
from quarterdeck.core.scheduling.promises import Spread, Stretch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from quarterdeck.basics.ids import JobId

    Floats = NDArray[np.float64]

LEAST_S: Final = 60.0
"""Added to a wait and to a guess before they are compared: of seconds nobody needs the factor."""
KEPT: Final = 2000
"""How many settled promises are looked at."""
ALONE: Final = 0.75
"""What came of a promise counts by one over this power of how many waited together."""
HALF_AFTER: Final = 15.0
"""After further promises that count so much together one counts half."""
NEAR: Final = 0.8
"""Guesses that differ by this (as a natural logarithm) count 0.6, by twice it 0.14."""
PRIOR: Final = (-1.0, -0.5, -0.2, 0.0, 0.2, 0.5, 1.0)
"""What is taken to be so before anything is known: most waits are within threefold of the guess."""
PRIOR_WEIGHT: Final = 2.0
"""It counts as much as so many who waited alone."""
LEVELS: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
"""The quantiles of a spread: half of all starts between the inner ones, nine in ten between the
outer ones."""
SHARES: Final = (0.5, 0.1)
"""How many of the inner and of the outer bounds may be missed."""
STEPS: Final = (0.0003, 0.0003)
"""By how much a miss stretches them, as a natural logarithm. Hundreds are often missed in a row,
and of none it is known before as many more are promised: with ten times larger steps bounds swing
between useless and missed (docs/benchmarks.md)."""
LEAST_APART: Final = 0.02
"""Bounds are this far from the middle at least, as a natural logarithm, before they are stretched:
what is nothing cannot be stretched."""
EVER_S: Final = 10 * 365 * 86400.0
HALF, MOST = 0, 1
ENDS: Final = ((1, 3), (0, 4))
"""Where both bounds lie in a spread."""


@dataclass(slots=True, eq=False)
class _Open:
    """A promise that waits for its start. `size` is the logarithm of its guess, `weight` what it
    will count, and `age` what all promises until this one count together."""

    job_id: JobId
    since_s: float
    size: float
    spread: Spread
    weight: float
    age: float
    is_judged: list[bool] = field(default_factory=lambda: [False, False])


class _Settled(NamedTuple):
    """What came of a promise: `error` is by how much the logarithm of the wait was more."""

    error: float
    size: float
    weight: float
    age: float


class Calibration:
    """See the module. Times are seconds on any clock that goes forward; it must be told of
    promises, starts and withdrawals in their order."""

    def __init__(self, steps: tuple[float, float] = STEPS) -> None:
        self._settled: list[_Settled] = []
        self._age = self._age_settled = 0.0
        self._open: dict[JobId, _Open] = {}
        self._late: dict[JobId, _Open] = {}
        self._due: list[tuple[float, int, int, _Open]] = []
        self._made = 0
        self._leeways = tuple(Leeway(*one) for one in zip(SHARES, steps, strict=True))
        self._past: tuple[float, tuple[Floats, Floats, Floats]] | None = None

    @property
    def stretch(self) -> Stretch:
        """By how much bounds are stretched now."""
        return Stretch(*(one.stretch for one in self._leeways))

    def spread(self, guess_s: float, now_s: float) -> Spread:
        """How long somebody waits of whom this is guessed. It changes nothing."""
        size = _size_of(guess_s)
        errors, shares = self._shares(size, now_s)
        places = np.searchsorted(shares, np.array(LEVELS) - 1e-9)
        found = errors[np.minimum(places, len(errors) - 1)].tolist()
        apart = [one - found[2] for one in found]
        for (low, high), leeway in zip(ENDS, self._leeways, strict=True):
            factor = math.exp(leeway.stretch)
            apart[low] = min(apart[low], -LEAST_APART) * factor
            apart[high] = max(apart[high], LEAST_APART) * factor
        # The inner bounds give way: the outer ones are right for nine in ten, and so for half.
        apart[1], apart[3] = max(apart[1], apart[0]), min(apart[3], apart[4])
        return Spread(*(_wait_of(size + found[2] + one) for one in apart))

    def promise(
        self,
        job_id: JobId,
        now_s: float,
        guess_s: float,
        spread: Spread,
        stretch: Stretch | None = None,
    ) -> None:
        """A job was promised this; it counts until it is settled or dropped. `stretch` is what was
        in force then, for one that was made by an earlier process."""
        self.catch_up(now_s)
        if stretch is not None:
            for leeway, value in zip(self._leeways, stretch, strict=True):
                leeway.stretch = value
        weight = (len(self._open) + 1) ** -ALONE
        self._age += weight
        one = _Open(job_id, now_s, _size_of(guess_s), spread, weight, self._age)
        self._open[job_id] = one
        for kind, (_, high) in enumerate(ENDS):
            self._made += 1
            heapq.heappush(self._due, (now_s + spread[high], self._made, kind, one))

    def catch_up(self, now_s: float) -> None:
        """It is that late, and who was promised a start before has none yet."""
        while self._due and self._due[0][0] < now_s:
            _, _, kind, one = heapq.heappop(self._due)
            if self._open.get(one.job_id) is not one:
                continue
            self._judge(one, kind, is_missed=True)
            if kind == MOST:
                self._late[one.job_id] = one
                self._past = None

    def settle(self, job_id: JobId, now_s: float) -> None:
        """The job has started; nothing for one that was promised nothing."""
        self.catch_up(now_s)
        one = self._open.pop(job_id, None)
        if one is None:
            return
        self._late.pop(job_id, None)
        wait_s = max(0.0, now_s - one.since_s)
        self._past, self._age_settled = None, self._age
        error = _size_of(wait_s) - one.size
        self._settled.append(_Settled(error, one.size, one.weight, one.age))
        if len(self._settled) > 2 * KEPT:
            del self._settled[:-KEPT]
        for kind, (low, high) in enumerate(ENDS):
            is_kept = one.spread[low] <= wait_s <= one.spread[high]
            self._judge(one, kind, is_missed=not is_kept)

    def drop(self, job_id: JobId) -> None:
        """The job will not start, or not in this wait. What it has missed stays missed."""
        self._open.pop(job_id, None)
        if self._late.pop(job_id, None) is not None:
            self._past = None

    def _judge(self, one: _Open, kind: int, *, is_missed: bool) -> None:
        if not one.is_judged[kind]:
            one.is_judged[kind] = True
            self._leeways[kind].judge(is_missed=is_missed)

    def _shares(self, size: float, now_s: float) -> tuple[Floats, Floats]:
        """Errors in order, and which share of all waits of about this size are off by no more."""
        # Without anybody who is late the past is the same whenever it is asked for.
        at_s = now_s if self._late else 0.0
        if self._past is None or self._past[0] != at_s:
            self._past = (at_s, self._sorted(now_s))
        errors, sizes, weights = self._past[1]
        apart = np.where(np.isnan(sizes), 0.0, (sizes - size) / NEAR)
        shares = np.cumsum(weights * np.exp(-(apart**2) / 2))
        return errors, shares / shares[-1]

    def _sorted(self, now_s: float) -> tuple[Floats, Floats, Floats]:
        """The errors of the past in order, each with the size of its guess (none for what is only
        taken to be so) and what it counted at the last start: who asks between starts, and how
        often, changes nothing."""
        late = [
            _Settled(_size_of(now_s - one.since_s) - one.size, one.size, one.weight, one.age)
            for one in self._late.values()
        ]
        known = [*self._settled[-KEPT:], *late]
        past = np.array(known).reshape(-1, len(_Settled._fields))
        aged = past[:, 2] * 0.5 ** ((self._age_settled - past[:, 3]) / HALF_AFTER)
        errors = np.concatenate([past[:, 0], PRIOR])
        sizes = np.concatenate([past[:, 1], np.full(len(PRIOR), math.nan)])
        weights = np.concatenate([aged, np.full(len(PRIOR), PRIOR_WEIGHT / len(PRIOR))])
        order = np.argsort(errors, kind="stable")
        return errors[order], sizes[order], weights[order]


def _size_of(wait_s: float) -> float:
    return math.log(min(wait_s, EVER_S) + LEAST_S)


def _wait_of(size: float) -> float:
    if size >= _size_of(EVER_S):
        return EVER_S
    return max(0.0, math.exp(size) - LEAST_S)
