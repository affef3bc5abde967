"""A wall clock that jumps back an hour, before the clock of the server and behind it."""

from __future__ import annotations

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.control.submit import Asked, drop_old_replies, submit
from quarterdeck.testing.builders import START_NS, a_demand, a_dgx, a_job_spec
from quarterdeck.wiring.clock import SteadyClock
from tests.spec.control.desk import Desk

HOUR_NS = 3600 * NS_PER_S


class Hands:
    """A wall clock that can be set, beside one that cannot."""

    def __init__(self) -> None:
        self.wall_ns, self.steady_ns = START_NS, 0

    def pass_s(self, span_s: float) -> None:
        self.wall_ns += int(span_s * NS_PER_S)
        self.steady_ns += int(span_s * NS_PER_S)


def a_desk(hands: Hands) -> Desk:
    desk = Desk()
    clock = SteadyClock(wall_ns=lambda: hands.wall_ns, steady_ns=lambda: hands.steady_ns)
    object.__setattr__(desk.plane, "clock", clock)
    desk.report(a_dgx(gpus=8))
    return desk


def ask(desk: Desk, hands: Hands, gpus: int = 1, key: str | None = None) -> str:
    hands.pass_s(1)
    asked = Asked(key, "digest") if key else None
    return submit(desk.plane, a_job_spec(demand=a_demand(gpus=gpus)), "ada", asked).job.id


def test_the_queue_keeps_its_order_across_the_jump() -> None:
    hands = Hands()
    desk = a_desk(hands)
    first = ask(desk, hands, gpus=8)
    desk.scheduler.turn()
    waiting = [ask(desk, hands, gpus=8) for _ in range(2)]
    hands.wall_ns -= HOUR_NS
    waiting += [ask(desk, hands, gpus=8) for _ in range(2)]
    order: list[str] = []
    for job_id in (first, *waiting):
        hands.pass_s(1)
        job = desk.job(job_id)  # type: ignore[arg-type]
        assert job.live_attempts, f"{job_id} was passed; order so far {order}"
        order.append(job_id)
        desk.start(job)
        desk.end(job)
        desk.scheduler.turn()
    assert order == [first, *waiting]


def test_patience_is_not_an_hour_longer_for_the_jump() -> None:
    """A large job that has waited past the policy's patience is not passed any more."""
    hands = Hands()
    desk = a_desk(hands)
    ask(desk, hands, gpus=4)
    desk.scheduler.turn()
    ask(desk, hands, gpus=8)
    hands.wall_ns -= HOUR_NS
    hands.pass_s(2 * desk.plane.policy.patience_s + 1)
    small = ask(desk, hands, gpus=1)
    assert desk.scheduler.turn() == 0
    assert desk.job(small).state == "queued"  # type: ignore[arg-type]


def test_idempotency_keys_hold_across_the_jump() -> None:
    hands = Hands()
    desk = a_desk(hands)
    job_id = ask(desk, hands, key="key")
    hands.wall_ns -= HOUR_NS
    assert ask(desk, hands, key="key") == job_id
    hands.pass_s(23 * 3600)
    assert drop_old_replies(desk.plane) == 0
    assert ask(desk, hands, key="key") == job_id
    hands.pass_s(3 * 3600)
    assert drop_old_replies(desk.plane) == 1


def test_stamps_of_a_job_never_go_back() -> None:
    hands = Hands()
    desk = a_desk(hands)
    job_id = ask(desk, hands)
    desk.scheduler.turn()
    hands.wall_ns -= HOUR_NS
    job = desk.start(desk.job(job_id))  # type: ignore[arg-type]
    hands.pass_s(5)
    desk.end(job)
    stamps = [record.event.at_ns for record in desk.store.list_records(0)]
    assert stamps == sorted(stamps)
