"""Nothing that passes a job which nothing may make later makes it start later."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from quarterdeck.basics.ids import JobId
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.cluster.demand import Demand, Grant, Resources
from quarterdeck.core.cluster.room import room_of
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.snapshot import Policy, Running, Snapshot, Waiting
from quarterdeck.testing.builders import START_NS, a_job_id, a_node

GPUS = 4
NODES = 4
POLICY = Policy(patience_s=0, nearness_patience_s=0, pod_patience_s=0)
LIMITS_S = st.sampled_from((60.0, 300.0, 900.0, 3600.0))

jobs = st.lists(
    st.tuples(
        st.integers(0, 600),  # seconds after the one before
        st.integers(1, NODES),
        st.sampled_from((1, 2, 4)),
        LIMITS_S,
        st.floats(0.05, 1.0),  # of the limit, until it ends
    ),
    min_size=3,
    max_size=14,
)


def snapshot(now_ns: int, waiting: list[Waiting], running: dict[JobId, Running]) -> Snapshot:
    held: dict[str, list[Grant]] = {f"n{n}": [] for n in range(NODES)}
    for one in running.values():
        for grant in one.grants:
            held[grant.node].append(grant)
    rooms = tuple(room_of("local", a_node(name, gpus=GPUS), held[name]) for name in held)
    return Snapshot(now_ns, 1, rooms, tuple(waiting), running=tuple(running.values()))


@settings(max_examples=150)
@given(jobs)
def test_the_head_starts_when_it_was_told_or_sooner(
    drawn: list[tuple[int, int, int, float, float]],
) -> None:
    coming = []
    at_ns = START_NS
    for number, (gap_s, nodes, gpus, limit_s, part) in enumerate(drawn):
        at_ns += gap_s * NS_PER_S
        job = Waiting(
            a_job_id(number),
            Demand(nodes, Resources(gpus)),
            0,
            at_ns,
            limit_s=limit_s,
            grace_s=10.0,
        )
        coming.append((at_ns, job, int(limit_s * part * NS_PER_S)))
    takes_ns = {job.job_id: length for _, job, length in coming}
    waiting: list[Waiting] = []
    running: dict[JobId, Running] = {}
    ends_ns: dict[JobId, int] = {}
    told: dict[JobId, int] = {}
    while coming or waiting or running:
        now_ns = min([*(at for at, _, _ in coming[:1]), *ends_ns.values()])
        for job_id in [one for one, at in ends_ns.items() if at <= now_ns]:
            del running[job_id], ends_ns[job_id]
        while coming and coming[0][0] <= now_ns:
            waiting.append(coming.pop(0)[1])
        plan = make_plan(snapshot(now_ns, waiting, running), POLICY)
        if plan.head is not None:
            head, start_ns = plan.head
            assert start_ns <= told.get(head, start_ns), (head, plan)
            told[head] = start_ns
        for placed in plan.placements:
            job = next(one for one in waiting if one.job_id == placed.job_id)
            waiting.remove(job)
            assert now_ns <= told.pop(job.job_id, now_ns), job
            assert job.limit_s is not None
            running[job.job_id] = Running(
                job.job_id, "local", job.demand, placed.grants, 0, job.submitted_at_ns, now_ns, 0.0,
                ends_at_ns=now_ns + int((job.limit_s + job.grace_s) * NS_PER_S),
            )  # fmt: skip
            ends_ns[job.job_id] = now_ns + takes_ns[job.job_id]
