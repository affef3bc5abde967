"""When a waiting job should start, with bounds that half and nine in ten of all starts keep to.

`lookahead` makes a guess at each wait. How far such guesses were off before says what to make of
the next one: by which factor the waits of like guesses were longer or shorter (localised conformal
prediction: Guan, "Localized Conformal Prediction", Biometrika 2023).

A guess goes wrong for many in a row, as they wait for the same jobs: four hundred who wait together
are no four hundred experiences, nor are they a single one. What came of a promise counts by one
over the root of how many were waiting with theirs when it was made. So a long queue does not
drown what was known before it, and bounds stay wide until several have been seen through.

As the times change all the same, the quantiles that are taken of the past follow how many were kept
lately (Gibbs and Candès, "Adaptive Conformal Inference Under Distribution Shift", NeurIPS 2021):
each start outside moves a bound outward, each other one inward a little, so that in the long run
about as many are kept as was promised, however wrong the guesses are. It moves only so far: while a
queue grows for days no start tells how wrong the last guesses were, and bounds that went on
meanwhile would end up anywhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from quarterdeck.basics.ids import JobId
from quarterdeck.basics.times import NS_PER_S

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_S: Final = 60.0
"""Added to a wait and to a guess before they are compared: of seconds nobody needs the factor."""
KEPT: Final = 2000
"""How many settled promises are looked at. With 400 the pinball loss on three ITP traces is 6 to
14 % higher."""
HALF_AFTER: Final = 50.0
"""After further promises that count so much together one counts half."""
NEAR: Final = 0.8
"""Guesses that differ by this (as a natural logarithm) count 0.6, by twice it 0.14."""
STEP: Final = 0.01
"""How far a start outside moves the quantile that is taken for a bound, as a share of what that
leaves outside: the outer bounds move as much less as fewer starts lie beyond them."""
PRIOR: Final = (-1.2, -0.6, -0.2, 0.0, 0.2, 0.6, 1.2)
"""What is taken to be so before anything is known: most waits are within threefold of the guess."""
PRIOR_WEIGHT: Final = 2.0
"""It counts as much as so many who waited alone."""
LEVELS: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
"""The quantiles of a spread: half of all starts between the inner ones, nine in ten between the
outer ones."""
ROOM: Final = ((0.005, 0.12), (0.1, 0.35), (0.5, 0.5), (0.65, 0.9), (0.88, 0.995))
"""Between which quantiles each of these may move."""
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


class _Open(NamedTuple):
    """A promise that waits for its start. `size` is the logarithm of its guess, `weight` what it
    will count, and `age` what all promises until this one count together."""

    since_s: float
    size: float
    spread: Spread
    weight: float
    age: float


class _Settled(NamedTuple):
    """What came of a promise: `error` is by how much the logarithm of the wait was more."""

    error: float
    size: float
    weight: float
    age: float


class Calibration:
    """See the module. Times are seconds on any clock that goes forward; it must be told of
    promises, starts and withdrawals in their order."""

    def __init__(self) -> None:
        self._settled: list[_Settled] = []
        self._age = self._age_settled = 0.0
        self._open: dict[JobId, _Open] = {}
        self._levels = [*LEVELS]
        self._past: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]] | None
        self._past = None

    def spread(self, guess_s: float) -> Spread:
        """How long somebody waits of whom this is guessed."""
        size = _size_of(guess_s)
        errors, shares = self._shares(size)
        places = np.searchsorted(shares, np.array(self._levels) - 1e-9)
        waits = np.exp(size + errors[np.minimum(places, len(errors) - 1)]) - LEAST_S
        return Spread(*np.maximum.accumulate(np.clip(waits, 0.0, EVER_S)).tolist())

    def promise(self, job_id: JobId, now_s: float, guess_s: float, spread: Spread) -> None:
        """A job was promised this; it counts until it is settled or dropped."""
        weight = (len(self._open) + 1) ** -0.5
        self._age += weight
        self._open[job_id] = _Open(now_s, _size_of(guess_s), spread, weight, self._age)

    def settle(self, job_id: JobId, now_s: float) -> None:
        """The job has started; nothing for one that was promised nothing."""
        one = self._open.pop(job_id, None)
        if one is None:
            return
        wait_s = max(0.0, now_s - one.since_s)
        self._past, self._age_settled = None, self._age
        error = _size_of(wait_s) - one.size
        self._settled.append(_Settled(error, one.size, one.weight, one.age))
        if len(self._settled) > 2 * KEPT:
            del self._settled[:-KEPT]
        for number, (level, bound_s) in enumerate(zip(LEVELS, one.spread, strict=True)):
            self._move(number, STEP * min(level, 1 - level) * ((wait_s > bound_s) - (1 - level)))

    def drop(self, job_id: JobId) -> None:
        """The job will not start, or not in this wait."""
        self._open.pop(job_id, None)

    def _move(self, number: int, by: float) -> None:
        """A bound is meant to be exceeded by as many as its level leaves."""
        least, most = ROOM[number]
        self._levels[number] = min(max(self._levels[number] + by, least), most)

    def _shares(self, size: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Errors in order, and which share of all waits of about this size are off by no more."""
        if self._past is None:
            self._past = self._sorted()
        errors, sizes, weights = self._past
        apart = np.where(np.isnan(sizes), 0.0, (sizes - size) / NEAR)
        shares = np.cumsum(weights * np.exp(-(apart**2) / 2))
        return errors, shares / shares[-1]

    def _sorted(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """The errors of the past in order, each with the size of its guess (none for what is only
        taken to be so) and what it counted at the last start: who asks between starts, and how
        often, changes nothing."""
        past = np.array(self._settled[-KEPT:]).reshape(-1, len(_Settled._fields))
        aged = past[:, 2] * 0.5 ** ((self._age_settled - past[:, 3]) / HALF_AFTER)
        errors = np.concatenate([past[:, 0], PRIOR])
        sizes = np.concatenate([past[:, 1], np.full(len(PRIOR), math.nan)])
        weights = np.concatenate([aged, np.full(len(PRIOR), PRIOR_WEIGHT / len(PRIOR))])
        order = np.argsort(errors, kind="stable")
        return errors[order], sizes[order], weights[order]


def _size_of(wait_s: float) -> float:
    return math.log(min(wait_s, EVER_S) + LEAST_S)
