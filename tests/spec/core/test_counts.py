"""Counts that are looked at while they go on changing; checked against a counter."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from quarterdeck.basics.chance import Chance
from quarterdeck.core.scheduling.counts import LATELY_MAX, Counts

if TYPE_CHECKING:
    from collections.abc import Mapping

KEYS = 300


@pytest.mark.parametrize("seed", range(20))
def test_each_look_stays_what_it_was(seed: int) -> None:
    """Whatever is added after it."""
    chance, counts, known = Chance(seed), Counts[int](), Counter[int]()
    looks: list[tuple[Mapping[int, int], Counter[int]]] = []
    for _ in range(3 * LATELY_MAX):
        for _ in range(chance.below(4)):
            keys = [chance.below(KEYS), chance.below(KEYS)]
            sign = -1 if all(known[key] > 0 for key in keys) and chance.happens(0.5) else 1
            counts.add(keys, sign)
            for key in keys:
                known[key] += sign
        looks.append((counts.now(), known.copy()))
        look, then = chance.pick(looks)
        assert [look.get(key, 0) for key in range(KEYS)] == [then[key] for key in range(KEYS)]
