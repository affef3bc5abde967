"""The jobs people bring, and what their commands will do. All of it follows from the seed.

What a command does depends on the job and the attempt alone, so the same attempt does the same
whatever else happens around it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.chance import Chance
from quarterdeck.basics.quantities import GIB
from quarterdeck.core.cluster.demand import Demand, Resources
from quarterdeck.core.cluster.hardware import Device, Node
from quarterdeck.core.jobs.array import Array, Span
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.spec import JobSpec, Priority, Retry, Stopping

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterdeck.ports.engine import LaunchOrder

NODES: Final = 20
GPUS: Final = 8
CPUS: Final = 256
MEMORY_BYTES: Final = 1024 * GIB
SECONDS_PER_JOB: Final = 12.0
SPAN_S_MIN: Final = 2500.0
"""Faults need time to strike, however few the jobs are."""
CROWD_PART: Final = 0.25
ARRAY_PART: Final = 0.06
CROWD_S: Final = 60.0
"""A part of the jobs comes at about the same time, as before a deadline."""
_BAD_CODES: Final = (1, 2, 7, 126, 137)


@dataclass(frozen=True, slots=True)
class Request:
    """A job somebody will bring, and what they will do about it later.

    `needs` are the numbers of requests before it. `held_for_s` is how long it stays held from the
    start; `hold_after_s` is when somebody holds it later.
    """

    number: int
    spec: JobSpec
    submit_at_s: float
    can_fit: bool
    cancel_after_s: float | None
    requeue_after_s: float | None
    needs: tuple[int, ...]
    held_for_s: float | None
    hold_after_s: float | None


@dataclass(frozen=True, slots=True)
class Script:
    """What one attempt's command does. `bad_replica` fails, if any, after `bad_after` of its time;
    with `bad_code` None it cannot even be set up."""

    stand_after_s: tuple[float, ...]
    lasts_s: float
    bad_replica: int | None
    bad_code: int | None
    bad_after: float
    yields_after_s: float | None
    yields_with_zero: bool


def make_nodes() -> tuple[Node, ...]:
    """Twenty imaginary machines with eight GPUs each."""
    return tuple(_make_node(f"dgx-{number:02d}") for number in range(1, NODES + 1))


def _make_node(name: str) -> Node:
    devices = tuple(
        Device(f"GPU-{name}-{index}", "A100-SXM4-80GB", 80 * GIB) for index in range(GPUS)
    )
    return Node(name, CPUS, MEMORY_BYTES, devices, pretend=True)


def span_s(count: int) -> float:
    """How long people keep bringing jobs."""
    return max(SPAN_S_MIN, count * SECONDS_PER_JOB)


def make_requests(chance: Chance, count: int, snapshots: Sequence[str]) -> list[Request]:
    """Everything that people will ask for, by time."""
    crowd_at_s = chance.between(0.2, 0.6) * span_s(count)
    times = sorted(
        crowd_at_s + chance.between(0.0, CROWD_S)
        if chance.happens(CROWD_PART)
        else chance.between(1.0, span_s(count))
        for _ in range(count)
    )
    return [_make_request(chance.split(), n, at_s, snapshots) for n, at_s in enumerate(times)]


def _make_request(chance: Chance, number: int, at_s: float, snapshots: Sequence[str]) -> Request:
    can_fit = not chance.happens(0.04)
    demand = _draw_demand(chance) if can_fit else _draw_impossible(chance)
    array = _draw_array(chance) if demand.nodes == 1 and chance.happens(ARRAY_PART) else None
    spec = JobSpec(
        command=("train", str(number)),
        name=f"job-{number}",
        demand=demand,
        ranks_per_node=chance.pick((1, 1, 2)),
        snapshot=chance.pick(snapshots) if chance.happens(0.2) else None,
        priority=chance.pick((Priority.LOW, *[Priority.NORMAL] * 4, Priority.HIGH)),
        retry=_draw_retry(chance),
        stopping=Stopping(grace_s=chance.pick((0.0, 2.0, 10.0, 30.0))),
        time_limit_s=chance.between(1.0, 900.0) if chance.happens(0.15) else None,
        array=array,
    )
    can_need = number > 0 and chance.happens(0.15)
    return Request(
        number,
        spec,
        at_s,
        can_fit,
        chance.between(0.0, 600.0) if chance.happens(0.08) else None,
        chance.between(0.0, 900.0) if chance.happens(0.06) else None,
        needs=_draw_needs(chance, number) if can_need else (),
        held_for_s=chance.between(1.0, 600.0) if chance.happens(0.05) else None,
        hold_after_s=chance.between(0.0, 200.0) if chance.happens(0.08) else None,
    )


def _draw_array(chance: Chance) -> Array:
    """A few tasks; some arrays let only one or a few of them run at once."""
    count, step = 2 + chance.below(6), chance.pick((1, 1, 3))
    first = chance.below(5)
    last = first + (count - 1) * step
    parallel = chance.pick((None, 1, 2, 3))
    return Array((Span(first, last, step),), parallel)


def _draw_needs(chance: Chance, number: int) -> tuple[int, ...]:
    """One to three of those that came shortly before it."""
    drawn = (number - 1 - chance.below(min(number, 30)) for _ in range(1 + chance.below(3)))
    return tuple(sorted(set(drawn)))


def _draw_demand(chance: Chance) -> Demand:
    kind = chance.fraction()
    if kind < 0.45:
        return Demand(1, Resources(chance.pick((1, 1, 1, 2)), None, 8, 64 * GIB))
    if kind < 0.60:
        return Demand(1, Resources(8, "A100", 64, 512 * GIB))
    if kind < 0.75:
        gpus = chance.pick((4, 8, 8))
        return Demand(2 + chance.below(7), Resources(gpus, None, 32, 256 * GIB))
    return Demand(1, Resources(0, None, 1 + chance.below(64), chance.pick((1, 8, 128)) * GIB))


def _draw_impossible(chance: Chance) -> Demand:
    return chance.pick(
        (
            Demand(1, Resources(GPUS + 1)),
            Demand(NODES + 1, Resources(1)),
            Demand(1, Resources(1, "H100")),
            Demand(1, Resources(0, None, 1, 4 * MEMORY_BYTES)),
            Demand(1, Resources(1), site="elsewhere"),
        )
    )


def _draw_retry(chance: Chance) -> Retry:
    on = chance.pick(
        (
            (Reason.NODE_FAILURE,),
            (Reason.NODE_FAILURE, Reason.USER_ERROR),
            (Reason.NODE_FAILURE, Reason.USER_ERROR, Reason.SETUP_FAILED),
            (Reason.NODE_FAILURE, Reason.TIMED_OUT),
        )
    )
    return Retry(chance.pick((0, 1, 2, 3)), on, chance.pick((0.0, 5.0, 60.0)))


def make_script(seed: int, order: LaunchOrder) -> Script:
    """What the attempt will do."""
    spec = order.spec
    number = int(spec.name.removeprefix("job-"))
    chance = Chance((seed << 32) ^ (number << 12) ^ order.ref.attempt).split()
    nodes = spec.demand.nodes
    longest_s = 900.0 if nodes > 1 else 2400.0
    is_bad = chance.happens(0.14)
    bad_code = chance.pick(_BAD_CODES) if chance.happens(0.85) else None
    return Script(
        stand_after_s=tuple(chance.between(0.05, 3.0) for _ in range(nodes)),
        lasts_s=chance.between(0.0, 1.0) ** 2 * longest_s,
        bad_replica=chance.below(nodes) if is_bad else None,
        bad_code=bad_code,
        bad_after=chance.fraction(),
        yields_after_s=chance.between(0.0, 8.0) if chance.happens(0.75) else None,
        yields_with_zero=chance.happens(0.3),
    )
