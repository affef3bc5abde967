"""Token buckets: how often something may happen. Pure arithmetic; the caller brings the time.

A bucket holds up to `burst` tokens and gains `rate_per_s` of them; what happens takes some out.
Nothing runs in the background: a bucket is two numbers, and what it has gained since is counted
when somebody looks.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """So many a second over time, and up to `burst` at once."""

    rate_per_s: float
    burst: float


@dataclass(slots=True)
class Bucket:
    """How many tokens were there at some time."""

    tokens: float
    at_s: float

    def take(self, rate: Rate, cost: float, now_s: float) -> float:
        """Take them out and answer 0; or leave them and answer in how many seconds there will be
        enough. What costs more than the bucket holds is let through by a full one, which then owes
        the rest: otherwise it could never happen."""
        # A clock that was put back brings nothing and takes nothing.
        gained = max(0.0, now_s - self.at_s) * rate.rate_per_s
        self.tokens = min(rate.burst, self.tokens + gained)
        self.at_s = max(self.at_s, now_s)
        needed = min(cost, rate.burst)
        if self.tokens >= needed:
            self.tokens -= cost
            return 0.0
        return (needed - self.tokens) / rate.rate_per_s


class Buckets:
    """One bucket for each of many, in bounded memory: whoever was not seen for longest is forgotten
    first, which is the one whose bucket is most likely full again."""

    def __init__(self, rate: Rate, kept_max: int = 10_000) -> None:
        self._rate = rate
        self._kept_max = kept_max
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, who: str, cost: float, now_s: float) -> float:
        """As `Bucket.take`, for one of them. Who was never seen has a full bucket."""
        bucket = self._buckets.get(who)
        if bucket is None:
            bucket = self._buckets[who] = Bucket(self._rate.burst, now_s)
            if len(self._buckets) > self._kept_max:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(who)
        return bucket.take(self._rate, cost, now_s)
