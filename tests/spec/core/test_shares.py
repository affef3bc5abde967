"""What is expected to stay unused of a GPU of which shares are held, and where they go by that."""

from __future__ import annotations

import numpy as np
import pytest

from quarterdeck.basics.ids import JobId
from quarterdeck.core.cluster.demand import Demand, GpuUnit, Grant, Resources
from quarterdeck.core.cluster.hardware import Device, Node
from quarterdeck.core.cluster.room import room_of
from quarterdeck.core.scheduling.capacity import CLOSED, FREE, SHARED
from quarterdeck.core.scheduling.fragments import typical_of
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.shares import (
    OPENING,
    USUAL_SHARES,
    costs_of,
    shares_of,
    unused_of,
)
from quarterdeck.core.scheduling.snapshot import Policy, Snapshot, Waiting

NOBODY = 0.02
HALVES = ((50, 1 - NOBODY),)
MIXED = ((32, 0.3), (47, 0.5), (65, 0.18))
LARGE = ((30, 0.02), (50, 0.3), (70, 0.66))


def gpus_of(node: str, count: int) -> tuple[Device, ...]:
    return tuple(Device(f"{node}{number}", "A100", 2**36) for number in range(count))


def share(percent: int) -> Resources:
    return Resources(1, cpus=1, gpu_unit=GpuUnit.SHARE, gpu_percent=percent)


def test_while_nobody_has_asked_for_shares_all_that_is_left_stays_unused() -> None:
    assert unused_of(()) == pytest.approx(np.arange(101) / 100)


def test_what_a_usual_share_fills_is_rarely_left() -> None:
    unused = unused_of(HALVES)
    assert unused[49] == pytest.approx(0.49)
    assert unused[50] == pytest.approx(NOBODY * 0.5)
    assert unused[100] == pytest.approx(NOBODY * 1.0 + (1 - NOBODY) * unused[50])
    assert unused[99] == pytest.approx(NOBODY * 0.99 + (1 - NOBODY) * 0.49)


def test_a_rare_share_is_not_counted_on() -> None:
    """Two in a hundred would fill the last 16 %; it is as likely that nobody comes."""
    unused = unused_of(((16, NOBODY), (84, 1 - 2 * NOBODY)))
    assert unused[16] == pytest.approx(0.08)


def test_a_share_goes_where_least_is_expected_to_stay_unused() -> None:
    costs = costs_of(32, MIXED)
    assert costs[SHARED + 65] < costs[SHARED + 47] < costs[FREE]
    assert np.isinf(costs[[SHARED + 69, SHARED + 100, CLOSED, 1]]).all()
    assert np.isfinite(costs[SHARED + 68])


def test_it_opens_a_gpu_rather_than_spoil_one_that_others_would_fill() -> None:
    """Another half would fill the GPU, and seven tenths the new one, which most ask for."""
    costs = costs_of(30, LARGE)
    assert costs[FREE] == pytest.approx(OPENING + unused_of(LARGE)[70])
    assert costs[FREE] < costs[SHARED + 50]


def test_among_gpus_that_promise_alike_the_fuller_one_is_taken() -> None:
    costs = costs_of(10, ())
    assert costs[SHARED + 80] < costs[SHARED + 20] < costs[FREE]


def test_the_first_few_who_ask_say_little() -> None:
    """Nobody counts as much as so many who ask."""
    few, many = shares_of({50: 1}), shares_of({50: 10_000})
    assert few == ((50, 1 / (1 + USUAL_SHARES)),)
    assert unused_of(few)[50] > 0.9 * 0.5
    assert unused_of(many)[50] < 0.01 * 0.5
    assert typical_of([(share(50), 1), (Resources(2), 7)]).shares == few
    assert typical_of(()).shares == ()


def test_a_share_does_not_break_a_node_that_jobs_want_whole() -> None:
    """It would go well with what most ask for on a GPU of its own, but that is one of eight which
    jobs of eight GPUs would take together."""
    counts = ((share(30), 20), (share(50), 300), (share(70), 680), (Resources(8), 5000))
    busy, idle = (Node(name, 64, 2**40, gpus_of(name, 8)) for name in ("busy", "idle"))
    held = Grant("busy", ("busy0/50%", *(f"busy{n}" for n in range(1, 8))), 8, 0)
    rooms = (room_of("here", busy, [held]), room_of("here", idle, ()))
    waiting = Waiting(JobId("j000000001"), Demand(1, share(30)), 0, 0)
    (placed,) = make_plan(Snapshot(1, 1, rooms, (waiting,), asked=counts), Policy()).placements
    assert placed.grants[0].devices == ("busy0/30%",)


@pytest.mark.parametrize(
    ("percent", "asked", "gpu"),
    [(32, MIXED, "c"), (50, HALVES, "b"), (30, LARGE, "a"), (30, (), "c")],
)
def test_a_plan_puts_shares_together_that_go_together(
    percent: int, asked: tuple[tuple[int, float], ...], gpu: str
) -> None:
    """Of three GPUs `b` is held to 50 % and `c` to 65 %, or to 75 % where nothing else may fit.
    What is asked for says where more goes; where that says nothing the fullest is taken."""
    node = Node("n", 64, 2**40, tuple(Device(name, "A100", 2**36) for name in "abc"))
    more = 75 if asked == LARGE else 65
    held = [Grant("n", ("b/50%",), 1, 0), Grant("n", (f"c/{more}%",), 1, 0)]
    waiting = Waiting(JobId("j000000001"), Demand(1, share(percent)), 0, 0)
    counts = tuple((share(one), round(100_000 * part)) for one, part in asked)
    snapshot = Snapshot(1, 1, (room_of("here", node, held),), (waiting,), asked=counts)
    (placed,) = make_plan(snapshot, Policy()).placements
    assert placed.grants[0].devices == (f"{gpu}/{percent}%",)
