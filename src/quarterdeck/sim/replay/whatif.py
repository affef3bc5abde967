"""What happened in a while, as it would have been: under another policy, on other nodes, or both.

What is compared is simulated on both sides: the while as it was, under the policy that was in
force, and the other one. Beside them stands what really happened, which says how far to trust that.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import TYPE_CHECKING, Final

from quarterdeck.core.cluster.parts import gpu_of
from quarterdeck.sim.fast.run import run
from quarterdeck.sim.fast.story import Begun, Story

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quarterdeck.core.cluster.hardware import Node
    from quarterdeck.core.ledger.usage import Used
    from quarterdeck.core.scheduling.snapshot import Policy
    from quarterdeck.sim.fast.story import Outage
    from quarterdeck.sim.fast.workload import SimJob
    from quarterdeck.sim.replay.rulings import InForce
    from quarterdeck.sim.replay.workload import Told

CLOSE_S: Final = 30.0
"""A start that is as near to the real one as this is the same to people."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A while on certain nodes, ready to be run. `remarks` count what does not fit there."""

    nodes: tuple[Node, ...]
    jobs: tuple[SimJob, ...]
    begun: tuple[Begun, ...]
    outages: tuple[Outage, ...]
    remarks: Counter[str] = field(default_factory=Counter)
    used: tuple[Used, ...] = ()


def place(told: Told, nodes: Sequence[Node]) -> Elsewhere:
    """The while on these nodes. What ran on a node that is not there waits at the beginning, and
    the outages of such nodes are left out."""
    known = {node.name: {device.id for device in node.devices} for node in nodes}
    remarks: Counter[str] = Counter()
    begun: list[Begun] = []
    waiting: list[SimJob] = []
    for one in told.begun:
        if all(_is_there(grant.node, grant.devices, known) for grant in one.grants):
            begun.append(one)
        else:
            waiting.append(one.job)
            remarks["ran at the beginning on a node that is not there: it waits instead"] += 1
    outages = tuple(one for one in told.outages if one.node in known)
    if len(outages) < len(told.outages):
        remarks["outage of a node that is not there is left out"] = len(told.outages) - len(outages)
    jobs = (*waiting, *told.jobs)
    return Elsewhere(tuple(nodes), jobs, tuple(begun), outages, remarks, told.used)


def simulate(
    there: Elsewhere,
    policy: Policy,
    in_force: InForce,
    tell: Callable[[int], None] = lambda _: None,
) -> Story:
    """What becomes of it under a policy, with the limits and the calendar as they were; `tell`
    hears how many jobs are done with."""
    return run(
        there.nodes,
        there.jobs,
        policy,
        tell,
        outages=there.outages,
        begun=there.begun,
        limits=in_force.limits,
        bookings=in_force.booked,
        used=there.used,
    )


def really(told: Told, plans: int) -> Story:
    """What really became of it."""
    ran = sorted(told.really, key=lambda one: one.end_s)
    return Story(told.nodes, tuple(ran), (), plans, told.outages)


@dataclass(frozen=True, slots=True)
class Fidelity:
    """How near simulated starts are to the real ones, over jobs that began in the while: by how
    much half of them differ at most, the share that is within `CLOSE_S`, and both mean waits."""

    jobs: int
    off_p50_s: float
    close: float
    wait_mean_s: float
    really_wait_mean_s: float


def fidelity_of(told: Told, simulated: Story) -> Fidelity:
    """Of a while that was simulated as it was."""
    began = {one.job.line for one in told.begun}
    real = {one.job.line: one for one in told.really if one.job.line not in began}
    pairs = [(real[one.job.line], one) for one in simulated.ran if one.job.line in real]
    if not pairs:
        return Fidelity(0, 0.0, 1.0, 0.0, 0.0)
    off_s = [abs(then.start_s - now.start_s) for then, now in pairs]
    return Fidelity(
        len(pairs),
        median(off_s),
        sum(one <= CLOSE_S for one in off_s) / len(pairs),
        sum(now.wait_s for _, now in pairs) / len(pairs),
        sum(then.wait_s for then, _ in pairs) / len(pairs),
    )


@dataclass(frozen=True, slots=True)
class Moved:
    """A job that starts at another time, by how many seconds earlier."""

    job: SimJob
    wait_s: float
    other_wait_s: float

    @property
    def gained_s(self) -> float:
        """Less waiting; negative for more."""
        return self.wait_s - self.other_wait_s


def moved(was: Story, other: Story) -> list[Moved]:
    """All jobs that start in both, those that gain most first."""
    before = {one.job.line: one for one in was.ran}
    found = [
        Moved(one.job, before[one.job.line].wait_s, one.wait_s)
        for one in other.ran
        if one.job.line in before
    ]
    return sorted(found, key=lambda one: (-one.gained_s, one.job.line))


def most(moved: Sequence[Moved], number: int) -> tuple[list[Moved], list[Moved]]:
    """The jobs that gain most and those that lose most, so many of each."""
    gained = [one for one in moved[:number] if one.gained_s > 0]
    lost = [one for one in reversed(moved[-number:]) if one.gained_s < 0]
    return gained, lost


@dataclass(frozen=True, slots=True)
class TeamMoved:
    """The jobs of a team: how many start earlier and later, and what they wait on average."""

    team: str
    jobs: int
    earlier: int
    later: int
    wait_s: float
    other_wait_s: float


def by_team(moved: Sequence[Moved]) -> list[TeamMoved]:
    """Who gains and who loses, those that gain most first. What differs by less than a second does
    not count as earlier or later."""
    teams: dict[str, list[Moved]] = {}
    for one in moved:
        teams.setdefault(one.job.team, []).append(one)
    found = [
        TeamMoved(
            team,
            len(jobs),
            sum(one.gained_s >= 1 for one in jobs),
            sum(one.gained_s <= -1 for one in jobs),
            fmean(one.wait_s for one in jobs),
            fmean(one.other_wait_s for one in jobs),
        )
        for team, jobs in teams.items()
    ]
    return sorted(found, key=lambda one: (one.other_wait_s - one.wait_s, one.team))


def _is_there(node: str, devices: Sequence[str], known: dict[str, set[str]]) -> bool:
    """Whether a node has these devices, of which some may be parts."""
    ids = known.get(node)
    return ids is not None and all(gpu_of(device) in ids for device in devices)
