"""How much of whom runs: thousands of counts, of which each plan sees those of its moment."""

from __future__ import annotations

from collections import ChainMap
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping

K = TypeVar("K", bound="Hashable")

LATELY_MAX: Final = 64
"""So many that have changed are copied for each plan at most; then all are, once."""


class Counts(Generic[K]):
    """See the module. It is for one thread; what `now` gives does not change any more."""

    def __init__(self) -> None:
        self._before: dict[K, int] = {}
        """Never changed, as those share it who have looked."""
        self._lately: dict[K, int] = {}

    def add(self, keys: Iterable[K], count: int = 1) -> None:
        """So many more of each, or fewer."""
        lately, before = self._lately, self._before
        for key in keys:
            known = lately[key] if key in lately else before.get(key, 0)
            lately[key] = known + count

    def now(self) -> Mapping[K, int]:
        """All of them as they are; of what is not there is none."""
        if len(self._lately) > LATELY_MAX:
            both = (self._before | self._lately).items()
            self._before, self._lately = {key: count for key, count in both if count}, {}
        return ChainMap(self._lately.copy(), self._before)
