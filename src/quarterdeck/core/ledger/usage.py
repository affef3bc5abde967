"""GPU time that people have held for their teams, by days of UTC.

Time counts while devices are held: from when an attempt is placed until nothing of it lives. A
share of a GPU counts as its percentage and a slice as its sevenths, since a GPU has seven compute
slices (NVIDIA, "Multi-Instance GPU User Guide", supported profiles).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeVar

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.cluster.parts import parse_part

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from quarterdeck.core.cluster.demand import Grant
    from quarterdeck.core.jobs.job import Attempt, Job

    Member = tuple[str, str]

K = TypeVar("K")
DAY_NS: Final = 86_400 * NS_PER_S
DAYS_MAX: Final = 62
"""What is remembered of each person: two months, so the present month is whole."""
COMPUTE_SLICES: Final = 7
_MS: Final = 1000


@dataclass(frozen=True, slots=True)
class Used:
    """What one person has held for one team on one day, counted from 1970-01-01."""

    team: str
    owner: str
    day: int
    gpu_ms: int


def day_of(at_ns: int) -> int:
    """The day of UTC."""
    return at_ns // DAY_NS


def month_of(now_ns: int) -> tuple[int, int]:
    """The first day of the month, and that of the next one."""
    now = datetime.fromtimestamp(now_ns // NS_PER_S, UTC)
    first = datetime(now.year, now.month, 1, tzinfo=UTC)
    following = datetime(now.year + now.month // 12, now.month % 12 + 1, 1, tzinfo=UTC)
    return _midnight(first), _midnight(following)


def _midnight(at: datetime) -> int:
    return day_of(int(at.timestamp()) * NS_PER_S)


def gpus_of(grants: Iterable[Grant]) -> float:
    """How many GPUs these are."""
    return sum(_part(device) for grant in grants for device in grant.devices)


def used_by(job: Job, attempt: Attempt, ended_at_ns: int) -> list[Used]:
    """What an attempt has held, once it has ended."""
    gpus = gpus_of(replica.grant for replica in attempt.replicas)
    who = (job.spec.team, job.actor)
    return used_between(who, gpus, attempt.placed_at_ns, ended_at_ns)


def used_between(who: Member, gpus: float, from_ns: int, to_ns: int) -> list[Used]:
    """What somebody of a team held for a time, day by day; nothing for who held no GPU."""
    found = []
    while gpus and from_ns < to_ns:
        end_ns = min(to_ns, (day_of(from_ns) + 1) * DAY_NS)
        gpu_ms = round(gpus * (end_ns - from_ns) * _MS / NS_PER_S)
        found.append(Used(*who, day_of(from_ns), gpu_ms))
        from_ns = end_ns
    return found


def average_held(gpus: float, since_ns: int, now_ns: int, half_life_s: float) -> float:
    """What is held since then and still is, as an average in which time counts half as much with
    every half-life that it lies back."""
    age_s = max(0, now_ns - since_ns) / NS_PER_S
    return gpus * -math.expm1(-age_s * math.log(2) / half_life_s)


class DayUse:
    """The GPU time of each of some days, newest last. It never changes."""

    __slots__ = ("_days", "_earlier")

    def __init__(self, days: Iterable[tuple[int, int]] = ()) -> None:
        self._days = tuple(days)
        self._earlier: tuple[float, int, float] = (0.0, 0, 0.0)

    def plus(self, day: int, gpu_ms: int) -> DayUse:
        """With so much more on one of the days, and without those that are too old by then."""
        days = dict(self._days)
        days[day] = days.get(day, 0) + gpu_ms
        oldest = max(days) - DAYS_MAX
        return DayUse(sorted((one, held) for one, held in days.items() if one > oldest))

    def gpu_s_since(self, day: int) -> float:
        """The GPU seconds of that day and later ones."""
        return sum(gpu_ms for one, gpu_ms in self._days if one >= day) / _MS

    def average(self, now_ns: int, half_life_s: float) -> float:
        """How many GPUs that is on average, where time counts half as much with every half-life
        that it lies back: GPU seconds, each weighted so, over the sum of all weights, the half-life
        over ln 2. Within a day time is taken to be used evenly, today until now."""
        today, tau_s = day_of(now_ns), half_life_s / math.log(2)
        midnight_s = (now_ns - today * DAY_NS) / NS_PER_S
        if self._earlier[:2] != (half_life_s, today):
            # What lay before this midnight, as of midnight: it only decays from there on.
            earlier = sum(
                _weighted(gpu_ms / _MS, (today - day - 1) * 86_400.0, 86_400.0, tau_s)
                for day, gpu_ms in self._days
                if day < today
            )
            self._earlier = (half_life_s, today, earlier)
        now_s = sum(gpu_ms for day, gpu_ms in self._days if day >= today) / _MS
        faded = self._earlier[2] * math.exp(-midnight_s / tau_s)
        return (faded + _weighted(now_s, 0.0, midnight_s, tau_s)) / tau_s


@dataclass(frozen=True, slots=True)
class Usage:
    """What was held, by team, by owner, and by the owners of each team: `(team, owner)`."""

    teams: Mapping[str, DayUse] = field(default_factory=dict)
    owners: Mapping[str, DayUse] = field(default_factory=dict)
    members: Mapping[Member, DayUse] = field(default_factory=dict)


class UsageBook:
    """What was held until now. One thread at a time."""

    def __init__(self, used: Iterable[Used] = ()) -> None:
        self._teams: dict[str, DayUse] = {}
        self._owners: dict[str, DayUse] = {}
        self._members: dict[Member, DayUse] = {}
        self._view: Usage | None = None
        self.add(used)

    def add(self, used: Iterable[Used]) -> None:
        """So much more."""
        for one in used:
            _more(self._teams, one.team, one)
            _more(self._owners, one.owner, one)
            _more(self._members, (one.team, one.owner), one)
            self._view = None

    def view(self) -> Usage:
        """As it is now, whatever is added later."""
        if self._view is None:
            self._view = Usage(dict(self._teams), dict(self._owners), dict(self._members))
        return self._view


def _more(known: dict[K, DayUse], key: K, used: Used) -> None:
    known[key] = known.get(key, DayUse()).plus(used.day, used.gpu_ms)


def _weighted(gpu_s: float, from_s: float, span_s: float, tau_s: float) -> float:
    """GPU seconds that were used evenly over a span which ended so long ago, as they count now."""
    if span_s <= 0:
        return gpu_s
    return gpu_s * math.exp(-from_s / tau_s) * -math.expm1(-span_s / tau_s) * tau_s / span_s


def _part(device: str) -> float:
    if "/" not in device:
        return 1.0
    part = parse_part(device)
    return int(part.profile[0]) / COMPUTE_SLICES if part.profile else part.percent / 100
