"""The order by finish times: small for their slowdown first, and in time who would finish last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quarterdeck.basics.ids import JobId
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.cluster.demand import Demand, Group, Resources
from quarterdeck.core.cluster.hardware import Cordon
from quarterdeck.core.cluster.room import Room, room_of
from quarterdeck.core.scheduling.order import order_lasts_s, order_of
from quarterdeck.core.scheduling.snapshot import Order, Policy, Running, Snapshot, Waiting
from quarterdeck.sim.fast.run import run
from quarterdeck.sim.fast.workload import SimJob
from quarterdeck.testing.builders import START_NS, a_demand, a_dgx

if TYPE_CHECKING:
    from collections.abc import Sequence

FINISH_TIME = Policy(order=Order.FINISH_TIME)
NOW_NS = START_NS + 100 * 86400 * NS_PER_S
DGX = Room.empty("here", a_dgx())
LONG = 1e6
"""Of what runs, where nobody is to be last."""


def waits(name: str, expected_s: float | None, *, since_s: float = 0.0, **more: Any) -> Waiting:
    demand = more.pop("demand", None) or a_demand(1, more.pop("gpus", 1))
    at_ns = NOW_NS - round(since_s * NS_PER_S)
    return Waiting(JobId(name), demand, 0, at_ns, expected_s=expected_s, **more)


def runs(expected_s: float | None, *, for_s: float = 0.0, gpus: int = 1) -> Running:
    began_ns = NOW_NS - round(for_s * NS_PER_S)
    demand = a_demand(1, gpus)
    return Running(JobId("r"), "here", demand, (), 0, 0, began_ns, 0.0, expected_s=expected_s)


def line(
    *waiting: Waiting, running: Sequence[Running] = (), rooms: Sequence[Room] = (DGX,)
) -> list[str]:
    snapshot = Snapshot(NOW_NS, 1, rooms, waiting, running=tuple(running))
    return [one.job_id for one in sorted(waiting, key=order_of(snapshot, FINISH_TIME))]


def among_longer(*waiting: Waiting) -> list[str]:
    return line(*waiting, running=[runs(LONG)])


def test_who_needs_least_gpu_time_goes_first() -> None:
    wide, long, small = waits("wide", 100, gpus=8), waits("long", 600), waits("small", 500)
    assert among_longer(wide, long, small) == ["small", "long", "wide"]


def test_a_job_that_takes_twice_its_run_time_counts_as_half_as_large() -> None:
    late = waits("late", 1000, since_s=1000)
    assert among_longer(late, waits("more", 501))[0] == "late"
    assert among_longer(late, waits("less", 499))[0] == "less"


def test_of_a_job_of_which_nothing_is_known_an_hour_is_expected() -> None:
    unknown, less, more = waits("unknown", None), waits("less", 3500), waits("more", 3700)
    assert among_longer(more, unknown, less) == ["less", "unknown", "more"]


def test_no_job_counts_as_shorter_than_ten_seconds() -> None:
    """Ten seconds that wait for ten count as five, and nothing at all that waits for 5 as 6.7."""
    none, ten = waits("none", 0.0, since_s=5), waits("ten", 10, since_s=10)
    assert among_longer(none, ten) == ["ten", "none"]


def test_a_job_without_gpus_takes_none_from_anybody() -> None:
    assert among_longer(waits("gpu", 100), waits("cpu", 9000, gpus=0)) == ["cpu", "gpu"]
    both = (waits("gpu", 100), waits("cpu", LONG, gpus=0))
    assert line(*both)[0] == "gpu"


def test_who_would_finish_last_goes_first() -> None:
    """Eight GPUs do the 8 × 300 s in 300 s: who runs for longer than that and its own part would
    still run when all others are done."""
    others = [waits(f"other{number}", 300) for number in range(8)]
    assert line(*others, waits("last", 400))[0] == "last"
    assert line(*others, waits("not", 330))[-1] == "not"
    assert line(*others, waits("last", 500), waits("longest", 700))[:2] == ["longest", "last"]


def test_all_tasks_of_an_array_are_to_be_done() -> None:
    array = waits("array", 300, tasks=tuple(range(8)), room=1)
    assert line(array, waits("last", 400))[0] == "last"
    assert line(array, waits("not", 330))[0] == "array"


def test_what_runs_is_work_too_and_what_has_longer_left_finishes_later() -> None:
    small, last = waits("small", 10), waits("last", 400)
    assert line(small, last)[0] == "last"
    assert line(small, last, running=[runs(1000, for_s=650)])[0] == "last"
    assert line(small, last, running=[runs(1000, for_s=550)])[0] == "small"
    assert line(small, last, running=[runs(1000, for_s=5000)])[0] == "last"
    assert line(small, last, running=[runs(380, gpus=8)])[0] == "small"
    assert line(small, last, running=[runs(1000, gpus=0)])[0] == "last"
    assert line(small, waits("last", 4000), running=[runs(None)])[0] == "last"
    assert line(small, waits("not", 3000), running=[runs(None)])[0] == "small"


def test_only_gpus_that_are_up_do_the_work() -> None:
    """Of 16 GPUs 150 s would do; the node that is cordoned does none of it."""
    others = [waits(f"other{number}", 300) for number in range(8)]
    second = Room.empty("here", a_dgx("dgx-2"))
    away = room_of("here", second.node, [], (Cordon("dgx-2", None, "new fan", "ann", START_NS),))
    assert line(*others, waits("long", 320), rooms=[DGX, second])[0] == "long"
    assert line(*others, waits("long", 320), rooms=[DGX, away])[-1] == "long"


def test_a_gang_over_several_nodes_does_not_go_first_for_that() -> None:
    beside = Demand(1, Resources(1), beside=(Group(1, Resources(1)),))
    for demand in (a_demand(2, 1), beside):
        assert line(waits("gang", 9000, demand=demand), waits("small", 10))[0] == "small"


def test_it_changes_by_itself() -> None:
    assert order_lasts_s(FINISH_TIME) == 60.0


def test_in_a_run_who_would_be_last_starts_before_the_small_ones() -> None:
    """Beside what runs for longer it takes its turn."""

    def starts(first_s: float) -> list[str]:
        def job(name: str, submit_s: float, lasts_s: float) -> SimJob:
            demand = Demand(1, Resources(4))
            return SimJob(1, name, submit_s, lasts_s, demand, estimate_s=lasts_s)

        jobs = [job("first", 0, first_s), job("second", 0, 50)]
        jobs += [job(f"small{number}", 1 + number, 100) for number in range(2)]
        story = run([a_dgx()], [*jobs, job("long", 3, 800)], FINISH_TIME)
        return [one.job.name for one in sorted(story.ran, key=lambda one: one.start_s)]

    assert starts(60.0)[2:] == ["long", "small0", "small1"]
    assert starts(2000.0)[2:] == ["small0", "small1", "long"]
