"""What is typical, and how much of what is free it could not use."""

from __future__ import annotations

import numpy as np
import pytest

from quarterdeck.core.cluster.demand import Resources
from quarterdeck.core.scheduling.fragments import TYPICAL_MAX, Recent, Typical, typical_of


def unusable(typical: Typical, gpus: int, cpus: int = 64) -> float:
    free = [np.array([value], np.int64) for value in (gpus, cpus, 2**40)]
    return float(typical.fragments(*free)[0])


def test_with_no_jobs_yet_it_is_the_usual_ones() -> None:
    """Half of them ask for one GPU, a fifth for eight."""
    typical = typical_of(())
    assert unusable(typical, 1) == pytest.approx(0.5)
    assert unusable(typical, 4) == pytest.approx(4 * 0.2)
    assert unusable(typical, 8) == pytest.approx(0)
    assert unusable(typical, 0) == 0


def test_a_few_jobs_say_little_and_many_say_all() -> None:
    few = typical_of([(Resources(4), 2)])
    many = typical_of([(Resources(4), 2000)])
    assert unusable(few, 2) == pytest.approx(2 * (0.35 * 20 + 2) / 22)
    assert unusable(many, 2) == pytest.approx(2 * (0.35 * 20 + 2000) / 2020)


def test_what_lacks_cpus_for_a_usual_job_is_of_no_use_to_it() -> None:
    typical = typical_of([(Resources(1, cpus=32), 10**6)])
    assert unusable(typical, 1, cpus=64) < 0.01
    assert unusable(typical, 1, cpus=31) > 0.99


def test_jobs_without_gpus_and_rare_shapes_are_no_part_of_it() -> None:
    assert len(typical_of([(Resources(0, cpus=8), 50)]).share) == len(typical_of(()).share)
    many = [(Resources(1, cpus=number), number) for number in range(1, 40)]
    assert len(typical_of(many).share) == TYPICAL_MAX
    assert typical_of(many).share.sum() == pytest.approx(1)


def test_only_the_last_jobs_are_remembered() -> None:
    recent = Recent(size=3)
    for gpus in (1, 2, 2, 4):
        recent.add(Resources(gpus))
    assert recent.counts() == {Resources(2): 2, Resources(4): 1}
