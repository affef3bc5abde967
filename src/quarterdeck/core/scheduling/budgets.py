"""Device hours of a month, held against what was used of them.

A month is one of UTC's calendar. What runs counts up to now, so a budget is used up while jobs run:
these go on to their end, and nothing new starts before the next month.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.ledger.usage import DAY_NS, DayUse, gpus_of, month_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from quarterdeck.core.cluster.demand import Grant
    from quarterdeck.core.ledger.usage import Usage

S_PER_H: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Budget:
    """Device hours of this month: those that were used, and how many there are. At `until_ns` the
    next month begins, with as many again; None where that is none."""

    used_h: float
    most_h: int
    until_ns: int | None

    @property
    def is_spent(self) -> bool:
        """Whether nothing is left."""
        return self.used_h >= self.most_h


class Live(Protocol):
    """What holds devices now: a `Running`."""

    @property
    def team(self) -> str: ...  # noqa: D102
    @property
    def owner(self) -> str: ...  # noqa: D102
    @property
    def grants(self) -> tuple[Grant, ...]: ...  # noqa: D102
    @property
    def started_at_ns(self) -> int: ...  # noqa: D102


class MonthUse:
    """What teams and people have used of the month until now. What runs is looked at when somebody
    asks."""

    def __init__(
        self, used: Usage, list_running: Callable[[], Iterable[Live]], now_ns: int
    ) -> None:
        self._used = used
        self._list_running = list_running
        self._now_ns = now_ns
        self._first, following = month_of(now_ns)
        self.until_ns = following * DAY_NS
        self._live: dict[tuple[str, ...], float] | None = None

    def hours(self, whose: Literal["team", "owner"], name: str) -> float:
        """The GPU hours of a team or a person."""
        ended = self._used.teams if whose == "team" else self._used.owners
        return self._hours(ended.get(name), (whose, name))

    def hours_of_member(self, team: str, owner: str) -> float:
        """Those that a person used for one team."""
        return self._hours(self._used.members.get((team, owner)), (team, owner, ""))

    def budget(self, whose: Literal["team", "owner"], name: str, most_h: int) -> Budget:
        """Theirs, where it is so many hours."""
        return Budget(self.hours(whose, name), most_h, self.until_ns if most_h else None)

    def _hours(self, ended: DayUse | None, live: tuple[str, ...]) -> float:
        gpu_s = 0.0 if ended is None else ended.gpu_s_since(self._first)
        return (gpu_s + self._running().get(live, 0.0)) / S_PER_H

    def _running(self) -> dict[tuple[str, ...], float]:
        if self._live is None:
            self._live = defaultdict(float)
            first_ns = self._first * DAY_NS
            for one in self._list_running():
                held_ns = max(0, self._now_ns - max(first_ns, one.started_at_ns))
                gpu_s = gpus_of(one.grants) * held_ns / NS_PER_S
                for key in (("team", one.team), ("owner", one.owner), (one.team, one.owner, "")):
                    self._live[key] += gpu_s
        return self._live
