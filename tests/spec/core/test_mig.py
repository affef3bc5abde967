"""NVIDIA's slices against the table of the MIG User Guide, written down once more here."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest

from quarterdeck.basics.errors import Invalid
from quarterdeck.basics.quantities import GIB
from quarterdeck.core.cluster.mig import (
    MEDIA_BIT,
    OCCUPANCIES,
    best_start,
    cost_table,
    count_table,
    free_starts,
    mask_of,
    maximal_placements,
    occupancy_of,
    profile_for,
    profiles_of,
)

GB = 10**9
A100_40 = profiles_of("A100-SXM4-40GB", 40 * GIB)
MODELS = {
    ("A100-SXM4-40GB", 40 * GIB): "1g.5gb 1g.5gb+me 1g.10gb 2g.10gb 3g.20gb 4g.20gb 7g.40gb",
    ("A100-SXM4-80GB", 80 * GIB): "1g.10gb 1g.10gb+me 1g.20gb 2g.20gb 3g.40gb 4g.40gb 7g.80gb",
    ("H100-80GB-HBM3", 80 * GIB): "1g.10gb 1g.10gb+me 1g.20gb 2g.20gb 3g.40gb 4g.40gb 7g.80gb",
    ("H100-NVL", 94 * GIB): "1g.12gb 1g.12gb+me 1g.24gb 2g.24gb 3g.47gb 4g.47gb 7g.94gb",
    ("H200", 141 * GB): "1g.18gb 1g.18gb+me 1g.35gb 2g.35gb 3g.71gb 4g.71gb 7g.141gb",
    ("B200", 180 * GIB): "1g.23gb 1g.23gb+me 1g.45gb 2g.45gb 3g.90gb 4g.90gb 7g.180gb",
    ("A30", 24 * GIB): "1g.6gb 1g.6gb+me 2g.12gb 4g.24gb",
}
STARTS = {
    "1g.5gb": (1, (0, 1, 2, 3, 4, 5, 6)),
    "1g.5gb+me": (1, (0, 1, 2, 3, 4, 5, 6)),
    "1g.10gb": (2, (0, 2, 4, 6)),
    "2g.10gb": (2, (0, 2, 4)),
    "3g.20gb": (4, (0, 4)),
    "4g.20gb": (4, (0,)),
    "7g.40gb": (8, (0,)),
}
MOST = {"1g.5gb": 7, "1g.5gb+me": 1, "1g.10gb": 4, "2g.10gb": 3, "3g.20gb": 2, "4g.20gb": 1}


@pytest.mark.parametrize(("gpu", "names"), MODELS.items())
def test_each_model_has_its_profiles(gpu: tuple[str, int], names: str) -> None:
    assert [*profiles_of(*gpu)] == names.split()


@pytest.mark.parametrize("model", ["V100-SXM2-32GB", "T4", "A10", "L4", "A1000", "RTX-4090"])
def test_others_cannot_be_cut(model: str) -> None:
    assert profiles_of(model, 40 * GIB) == {}


@pytest.mark.parametrize("name", STARTS)
def test_a_profile_starts_where_nvidia_lets_it(name: str) -> None:
    assert (A100_40[name].size, A100_40[name].starts) == STARTS[name]


@pytest.mark.parametrize("name", MOST)
def test_so_many_of_one_profile_fit_an_empty_gpu(name: str) -> None:
    assert count_table(A100_40[name])[0] == MOST[name]


def test_there_are_nineteen_ways_to_cut_an_a100() -> None:
    plain = [A100_40[name] for name in ("1g.5gb", "2g.10gb", "3g.20gb", "4g.20gb", "7g.40gb")]
    found = maximal_placements(plain)
    assert len(found) == 19
    assert len({tuple(sorted(name for name, _ in one)) for one in found}) == 14
    found = maximal_placements([*plain, A100_40["1g.10gb"]])
    assert len(found) == 78
    assert len({tuple(sorted(name for name, _ in one)) for one in found}) == 38


def most_by_trying(occupied: int, name: str) -> int:
    """The most instances of a profile, by every choice of starts."""
    size, starts = STARTS[name]

    def tries(at: int, taken: int) -> Iterator[int]:
        yield 0
        for place in range(at, len(starts)):
            mask = ((1 << size) - 1) << starts[place]
            if not taken & mask:
                for more in tries(place + 1, taken | mask):
                    yield 1 + more

    most = max(tries(0, occupied & 0xFF))
    if name.endswith("+me"):
        return 0 if occupied & MEDIA_BIT else min(1, most)
    return most


@pytest.mark.parametrize("name", ["1g.5gb+me", "1g.10gb", "2g.10gb", "3g.20gb", "4g.20gb"])
def test_how_many_more_fit_is_right_for_every_occupancy(name: str) -> None:
    table = count_table(A100_40[name])
    assert len(table) == OCCUPANCIES
    assert all(table[occupied] == most_by_trying(occupied, name) for occupied in range(OCCUPANCIES))


@pytest.mark.parametrize("name", STARTS)
def test_the_best_start_is_a_legal_one_and_its_cost_is_finite(name: str) -> None:
    profile = A100_40[name]
    costs = cost_table(A100_40, profile)
    for occupied in range(OCCUPANCIES):
        start = best_start(A100_40, occupied, profile)
        assert (start is None) == (free_starts(occupied, profile) == ())
        assert (start is None) == (costs[occupied] == float("inf"))
        assert start is None or start in free_starts(occupied, profile)


def test_a_small_slice_leaves_room_for_a_large_one() -> None:
    assert best_start(A100_40, 0, A100_40["1g.5gb"]) == 6
    assert best_start(A100_40, 0, A100_40["3g.20gb"]) == 4
    used = mask_of(A100_40["1g.5gb"], 6)
    assert 0 in free_starts(used, A100_40["4g.20gb"])


def test_memory_asks_for_the_smallest_slice_that_has_it() -> None:
    asked = [5 * GB, 6 * GB, 11 * GB, 20 * GB, 21 * GB, 40 * GB]
    found = [profile_for(A100_40, size_bytes) for size_bytes in asked]
    names = [one.name for one in found if one is not None]
    assert names == ["1g.5gb", "1g.10gb", "3g.20gb", "3g.20gb", "7g.40gb", "7g.40gb"]
    assert profile_for(A100_40, 41 * GB) is None
    assert all(one.size <= other.size for one, other in pairwise(found) if one and other)


def test_what_the_driver_would_refuse_is_refused() -> None:
    assert occupancy_of([("4g.20gb", 0), ("3g.20gb", 4)], A100_40) == 0xFF
    for wrong in ([("3g.20gb", 2)], [("4g.20gb", 4)], [("9g.1gb", 0)], [("7g.40gb", 0)] * 2,
                  [("1g.5gb+me", 0), ("1g.5gb+me", 1)]):  # fmt: skip
        with pytest.raises(Invalid):
            occupancy_of(wrong, A100_40)
