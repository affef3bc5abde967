"""Chance that a seed replays."""

from __future__ import annotations

import pytest

from quarterdeck.basics.chance import Chance

VECTORS = {
    0: (0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F, 0xF88BB8A8724C81EC),
    1234567: (
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ),
}
"""The reference implementation's outputs, as other implementations of SplitMix64 test them."""


@pytest.mark.parametrize("seed", VECTORS)
def test_draws_are_those_of_splitmix64(seed: int) -> None:
    chance = Chance(seed)
    assert tuple(chance.bits64() for _ in VECTORS[seed]) == VECTORS[seed]


def test_a_seed_is_taken_modulo_2_to_the_64() -> None:
    assert Chance(2**64 + 5).bits64() == Chance(5).bits64()
    assert Chance(-1).bits64() == Chance(2**64 - 1).bits64()


def test_every_draw_stays_in_its_bounds() -> None:
    chance = Chance(42)
    for _ in range(2000):
        assert 0 <= chance.fraction() < 1
        assert 0 <= chance.below(7) < 7
        assert 2.0 <= chance.between(2.0, 3.0) < 3.0
        assert chance.pick("abc") in "abc"


def test_all_values_below_a_bound_come_up() -> None:
    chance = Chance(1)
    assert {chance.below(7) for _ in range(500)} == set(range(7))


def test_what_is_certain_happens_and_what_is_impossible_does_not() -> None:
    chance = Chance(3)
    assert all(chance.happens(1.0) for _ in range(100))
    assert not any(chance.happens(0.0) for _ in range(100))


def test_a_probability_is_met_in_the_long_run() -> None:
    chance = Chance(9)
    assert 2250 < sum(chance.happens(0.25) for _ in range(10_000)) < 2750


def test_a_split_stream_is_not_shifted_by_its_parent() -> None:
    one, other = Chance(7), Chance(7)
    split_one, split_other = one.split(), other.split()
    one.bits64()
    assert [split_one.bits64() for _ in range(5)] == [split_other.bits64() for _ in range(5)]


def test_there_is_nothing_below_zero() -> None:
    with pytest.raises(AssertionError):
        Chance(1).below(0)
