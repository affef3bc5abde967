"""Nothing of ours is ever placed on what others of the site hold, or is still there when what they
have reserved begins; and what that leaves is used as well as ever."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarterdeck.basics.ids import JobId
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.cluster.demand import Demand, Grant, Resources
from quarterdeck.core.cluster.hardware import Foreign, Node
from quarterdeck.core.cluster.room import room_of
from quarterdeck.core.scheduling.capacity import Capacity, capacity_of
from quarterdeck.core.scheduling.latency import START_S
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.plan import Blocker
from quarterdeck.core.scheduling.promised import Promised
from quarterdeck.core.scheduling.snapshot import Backfill, Policy, Running, Snapshot, Waiting
from quarterdeck.testing.builders import START_NS, a_job_id, a_node

NODES, GPUS, CPUS = 4, 4, 16
MINUTE_NS = 60 * NS_PER_S
EASY = Policy(patience_s=120.0, nearness_patience_s=0, pod_patience_s=0)
POLICIES = (EASY, replace(EASY, patience_s=0, backfill=Backfill.CONSERVATIVE))


@st.composite
def foreign_jobs(draw: st.DrawFn) -> list[tuple[int, int, int, Foreign, int]]:
    """Jobs of others: when each comes, how long it is there, on which node, what it holds, and
    until when it must be over as it is told: later than it is, or at a time that nobody knows."""
    made = []
    for number in range(draw(st.integers(0, 8))):
        from_min, lasts = draw(st.integers(0, 60)), draw(st.integers(1, 60))
        told = draw(st.sampled_from((None, lasts, lasts, lasts + 30)))
        ends_at_ns = None if told is None else START_NS + (from_min + told) * MINUTE_NS
        node = draw(st.integers(0, NODES - 1))
        first = draw(st.integers(0, GPUS - 1))
        devices = tuple(f"GPU-n{node}-{n}" for n in range(first, draw(st.integers(first, GPUS))))
        one = Foreign(f"Slurm job {number}", devices, draw(st.integers(0, CPUS)), 0, ends_at_ns)
        made.append((from_min, from_min + lasts, node, one, number))
    return made


@st.composite
def reservations(draw: st.DrawFn) -> list[tuple[int, Foreign]]:
    """Of whole nodes, told from the beginning on."""
    made = []
    for number in range(draw(st.integers(0, 3))):
        from_min, lasts = draw(st.integers(1, 90)), draw(st.integers(1, 60))
        starts_at_ns = START_NS + from_min * MINUTE_NS
        ends_at_ns = draw(st.sampled_from((starts_at_ns + lasts * MINUTE_NS, None)))
        one = Foreign(f"r{number}", ends_at_ns=ends_at_ns, starts_at_ns=starts_at_ns)
        nodes = draw(st.sets(st.integers(0, NODES - 1), min_size=1, max_size=2))
        made += [(node, one) for node in nodes]
    return made


@st.composite
def our_jobs(draw: st.DrawFn) -> list[tuple[int, Waiting, int]]:
    made = []
    for number in range(draw(st.integers(1, 12))):
        limit = draw(st.sampled_from((None, 5, 20, 60)))
        demand = Demand(
            draw(st.integers(1, 2)),
            Resources(draw(st.sampled_from((0, 1, 2, 4))), None, draw(st.integers(1, 8))),
        )
        submit = draw(st.integers(0, 60))
        job = Waiting(
            a_job_id(number),
            demand,
            0,
            START_NS + submit * MINUTE_NS,
            limit_s=None if limit is None else limit * 60.0,
        )
        made.append((submit, job, draw(st.integers(1, limit or 90))))
    return made


class World:
    """Nodes minute by minute. Others take only what ours leave: so it is at a site whose own
    scheduler knows of our jobs."""

    def __init__(
        self,
        foreign: list[tuple[int, int, int, Foreign, int]],
        reserved: list[tuple[int, Foreign]],
        policy: Policy,
    ) -> None:
        self.foreign, self.reserved, self.policy = foreign, reserved, policy
        self.there: dict[int, tuple[int, Foreign]] = {}
        self.running: dict[JobId, Running] = {}
        self.ends_min: dict[JobId, int] = {}
        self.waiting: list[Waiting] = []
        self.kept: tuple[Promised, ...] = ()
        self.capacity: Capacity | None = None

    def granted(self, node: int) -> list[Grant]:
        return [g for one in self.running.values() for g in one.grants if g.node == f"n{node}"]

    def node(self, number: int) -> Node:
        others = [one for node, one in self.there.values() if node == number]
        others += [one for node, one in self.reserved if node == number]
        return a_node(f"n{number}", gpus=GPUS, cpus=CPUS, others=tuple(others))

    def come_and_go(self, now_min: int) -> None:
        for from_min, to_min, node, one, number in self.foreign:
            if from_min == now_min:
                room = room_of("local", self.node(node), self.granted(node))
                if room.free_cpus >= one.cpus and {*one.devices} <= {*room.free_devices}:
                    self.there[number] = (node, one)
            if to_min == now_min:
                self.there.pop(number, None)

    def rooms(self) -> Capacity:
        """As a server has it that is told of changes, and the same as one that starts anew."""
        rooms = [room_of("local", self.node(n), self.granted(n)) for n in range(NODES)]
        fresh = capacity_of(rooms)
        kept = fresh if self.capacity is None else self.capacity.replaced(rooms)
        assert (kept.rooms, kept.shared) == (fresh.rooms, fresh.shared)
        for field in ("state", "cpus", "gpus_free", "gpus_idle", "is_open"):
            assert (getattr(kept, field) == getattr(fresh, field)).all(), field
        self.capacity = kept
        return kept

    def turn(self, now_min: int) -> None:
        now_ns = START_NS + now_min * MINUTE_NS
        self.come_and_go(now_min)
        if not self.waiting:
            return
        running = tuple(self.running.values())
        snapshot = Snapshot(
            now_ns, 1, self.rooms(), tuple(self.waiting), running=running, promised=self.kept
        )
        plan = make_plan(snapshot, self.policy)
        self.kept = plan.promised
        for placed in plan.placements:
            job = next(one for one in self.waiting if one.job_id == placed.job_id)
            self.waiting.remove(job)
            runs_ns = None if job.limit_s is None else int((job.limit_s + START_S) * NS_PER_S)
            ends_at_ns = None if runs_ns is None else now_ns + runs_ns
            self.check(placed.grants, now_ns, ends_at_ns)
            self.running[job.job_id] = Running(
                job.job_id, "local", job.demand, placed.grants, 0, job.submitted_at_ns, now_ns,
                0.0, ends_at_ns=ends_at_ns,
            )  # fmt: skip
        self.check_room()
        if any(one.blocked_by is Blocker.RESERVED for one in plan.verdicts.values()):
            assert self.reserved

    def check(self, grants: tuple[Grant, ...], now_ns: int, ends_at_ns: int | None) -> None:
        """A job that is given this now and is over then at the latest is in nobody's way."""
        for grant in grants:
            number = int(grant.node.removeprefix("n"))
            for node, one in self.there.values():
                assert node != number or not {*one.devices} & {*grant.devices}, (one, grant)
            for node, one in self.reserved:
                is_over = one.ends_at_ns is not None and one.ends_at_ns <= now_ns
                is_before = ends_at_ns is not None and ends_at_ns <= one.starts_at_ns
                assert node != number or is_over or is_before, (one, grant, ends_at_ns)

    def check_room(self) -> None:
        for number in range(NODES):
            grants = self.granted(number)
            held = [one for node, one in self.there.values() if node == number]
            assert sum(g.cpus for g in grants) + sum(one.cpus for one in held) <= CPUS
            devices = [device for one in grants for device in one.devices]
            devices += [device for one in held for device in one.devices]
            assert len(devices) == len({*devices})


def run(world: World, ours: list[tuple[int, Waiting, int]]) -> None:
    for now_min in range(130):
        for job_id in [one for one, at in world.ends_min.items() if at <= now_min]:
            del world.running[job_id], world.ends_min[job_id]
        world.waiting += [job for submit, job, _ in ours if submit == now_min]
        world.turn(now_min)
        for _, job, runs_min in ours:
            if job.job_id in world.running and job.job_id not in world.ends_min:
                world.ends_min[job.job_id] = now_min + runs_min


@pytest.mark.parametrize("policy", POLICIES, ids=["easy", "conservative"])
@settings(max_examples=100)
@given(foreign_jobs(), reservations(), our_jobs())
def test_ours_and_others_are_never_in_each_others_way(
    policy: Policy,
    foreign: list[tuple[int, int, int, Foreign, int]],
    reserved: list[tuple[int, Foreign]],
    ours: list[tuple[int, Waiting, int]],
) -> None:
    run(World(foreign, reserved, policy), ours)


@st.composite
def held_from_the_start(draw: st.DrawFn) -> list[tuple[int, int, int, Foreign, int]]:
    """Others that are there from the beginning, and never longer than they are told to be."""
    made = []
    for number in range(draw(st.integers(1, NODES))):
        lasts, told = draw(st.integers(1, 60)), draw(st.integers(0, 30))
        devices = tuple(f"GPU-n{number}-{n}" for n in range(draw(st.integers(1, GPUS))))
        ends_at_ns = START_NS + (lasts + told) * MINUTE_NS
        one = Foreign(f"Slurm job {number}", devices, 2, 0, ends_at_ns)
        made.append((0, lasts, number, one, number))
    return made


@settings(max_examples=150)
@given(held_from_the_start(), reservations(), our_jobs())
def test_the_first_starts_when_it_was_told_or_sooner(
    foreign: list[tuple[int, int, int, Foreign, int]],
    reserved: list[tuple[int, Foreign]],
    ours: list[tuple[int, Waiting, int]],
) -> None:
    """Where others end when they must, and all that is to come is known."""
    world = Told(foreign, reserved, replace(EASY, patience_s=0))
    run(world, [(0, replace(job, submitted_at_ns=START_NS), runs) for _, job, runs in ours])


class Told(World):
    """What the head was told is held against what comes."""

    told: tuple[JobId, int] | None = None

    def turn(self, now_min: int) -> None:
        before = {one.job_id for one in self.waiting}
        super().turn(now_min)
        if not before:
            return
        now_ns = START_NS + now_min * MINUTE_NS
        if self.told is not None and self.told[0] in before:
            job_id, start_ns = self.told
            if now_ns >= start_ns + MINUTE_NS:
                assert job_id in self.running, (job_id, start_ns, now_ns)
        running = tuple(self.running.values())
        snapshot = Snapshot(now_ns, 1, self.rooms(), tuple(self.waiting), running=running)
        plan = make_plan(snapshot, self.policy)
        if self.told is not None and plan.head is not None and plan.head[0] == self.told[0]:
            assert plan.head[1] <= max(self.told[1], now_ns + 1), (plan.head, self.told)
        self.told = plan.head
