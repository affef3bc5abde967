"""When a waiting job should start, as it is promised: with bounds that half and nine in ten of all
starts keep to (`calibration` says where they come from)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from quarterdeck.basics.ids import JobId
from quarterdeck.basics.times import NS_PER_S


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


class Stretch(NamedTuple):
    """The logarithms of the factors by which both bounds were wider than the past told, as so many
    had been missed."""

    half: float
    most: float


NONE: Final = Stretch(0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Promise:
    """What a job was told of its start: half of all such starts are within `half`, nine in ten
    within `most`, as many before `expected_at_ns` as after it. `guess_s` is the wait that the look
    ahead made out. `because` and `why` say what changed since the promise before it; they name no
    other job. `stretch` is kept so that a server that starts again goes on from it."""

    job_id: JobId
    made_at_ns: int
    guess_s: float
    expected_at_ns: int
    half: Bounds
    most: Bounds
    because: Because = Because.FIRST
    why: str = ""
    stretch: Stretch = NONE

    @property
    def is_first(self) -> bool:
        """Whether it was made when the wait began: those are counted."""
        return self.because is Because.FIRST


class Spread(NamedTuple):
    """A wait in seconds, by quantiles: 5, 25, 50, 75 and 95 %."""

    most_from_s: float
    half_from_s: float
    middle_s: float
    half_to_s: float
    most_to_s: float


def promise_of(
    job_id: JobId,
    now_ns: int,
    guess_s: float,
    spread: Spread,
    why: tuple[Because, str],
    stretch: Stretch = NONE,
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
        stretch,
    )
