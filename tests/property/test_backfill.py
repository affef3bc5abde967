"""Nothing that passes a job which nothing may make later makes it start later."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarterdeck.basics.ids import JobId
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.cluster.demand import Demand, Grant, Resources
from quarterdeck.core.cluster.room import room_of
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.promised import Promised
from quarterdeck.core.scheduling.snapshot import Backfill, Order, Policy, Running, Snapshot, Waiting
from quarterdeck.testing.builders import START_NS, a_job_id, a_node

GPUS = 4
NODES = 4
EASY = Policy(patience_s=0, nearness_patience_s=0, pod_patience_s=0)
CONSERVATIVE = replace(EASY, backfill=Backfill.CONSERVATIVE)
LIMITS_S = st.sampled_from((60.0, 300.0, 900.0, 3600.0))

Drawn = tuple[int, int, int, float, float]


def jobs(most: int) -> st.SearchStrategy[list[Drawn]]:
    return st.lists(
        st.tuples(
            st.integers(0, 600),  # seconds after the one before
            st.integers(1, NODES),
            st.sampled_from((1, 2, 4)),
            LIMITS_S,
            st.floats(0.05, 1.0),  # of the limit, until it ends
        ),
        min_size=3,
        max_size=most,
    )


class World:
    """A few nodes in time, and what was promised on them."""

    def __init__(self, drawn: list[Drawn], policy: Policy) -> None:
        self.policy = policy
        self.coming: list[tuple[int, Waiting]] = []
        self.takes_ns: dict[JobId, int] = {}
        at_ns = START_NS
        for number, (gap_s, nodes, gpus, limit_s, part) in enumerate(drawn):
            at_ns += gap_s * NS_PER_S
            demand = Demand(nodes, Resources(gpus))
            job = Waiting(a_job_id(number), demand, 0, at_ns, limit_s=limit_s, grace_s=10.0)
            self.coming.append((at_ns, job))
            self.takes_ns[job.job_id] = int(limit_s * part * NS_PER_S)
        self.waiting: list[Waiting] = []
        self.running: dict[JobId, Running] = {}
        self.ends_ns: dict[JobId, int] = {}
        self.told: dict[JobId, int] = {}
        self.kept: tuple[Promised, ...] = ()

    def snapshot(self, now_ns: int) -> Snapshot:
        held: dict[str, list[Grant]] = {f"n{n}": [] for n in range(NODES)}
        for one in self.running.values():
            for grant in one.grants:
                held[grant.node].append(grant)
        rooms = tuple(room_of("local", a_node(name, gpus=GPUS), held[name]) for name in held)
        running = tuple(self.running.values())
        return Snapshot(now_ns, 1, rooms, tuple(self.waiting), running=running, promised=self.kept)

    def run(self) -> None:
        while self.coming or self.waiting or self.running:
            now_ns = min([*(at for at, _ in self.coming[:1]), *self.ends_ns.values()])
            for job_id in [one for one, at in self.ends_ns.items() if at <= now_ns]:
                del self.running[job_id], self.ends_ns[job_id]
            while self.coming and self.coming[0][0] <= now_ns:
                self.waiting.append(self.coming.pop(0)[1])
            self.turn(now_ns)

    def turn(self, now_ns: int) -> None:
        plan = make_plan(self.snapshot(now_ns), self.policy)
        promised = {one.job_id: one.start_ns for one in plan.promised}
        promised |= dict([plan.head]) if plan.head is not None else {}
        for placed in plan.placements:
            job = next(one for one in self.waiting if one.job_id == placed.job_id)
            self.waiting.remove(job)
            assert now_ns <= self.told.pop(job.job_id, now_ns), job
            assert job.limit_s is not None
            self.running[job.job_id] = Running(
                job.job_id, "local", job.demand, placed.grants, 0, job.submitted_at_ns, now_ns, 0.0,
                ends_at_ns=now_ns + int((job.limit_s + job.grace_s) * NS_PER_S),
            )  # fmt: skip
            self.ends_ns[job.job_id] = now_ns + self.takes_ns[job.job_id]
        for job_id, start_ns in promised.items():
            assert start_ns <= self.told.get(job_id, start_ns), (job_id, plan)
        self.told |= promised
        if self.policy.backfill is Backfill.CONSERVATIVE:
            assert self.told == promised, plan
        self.kept = plan.promised


@settings(max_examples=150)
@given(jobs(14))
def test_the_head_starts_when_it_was_told_or_sooner(drawn: list[Drawn]) -> None:
    World(drawn, EASY).run()


@pytest.mark.parametrize("order", [Order.FIRST_COME, Order.SHORTEST, Order.FINISH_TIME])
@settings(max_examples=150)
@given(jobs(22))
def test_whoever_was_promised_a_start_starts_then_or_sooner(
    order: Order, drawn: list[Drawn]
) -> None:
    World(drawn, replace(CONSERVATIVE, order=order)).run()
