"""A cluster at work, as the scheduler sees it: nodes in racks, units and pods, jobs that hold parts
of them, and people with limits. No server, no processes: only what a decision reads and changes."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, Final

from quarterdeck.adapters.sites.catalogue import load_catalogue
from quarterdeck.basics.ids import JobId, format_id
from quarterdeck.core.cluster.demand import Demand, Grant, Level, Resources, Wish
from quarterdeck.core.cluster.hardware import Location
from quarterdeck.core.cluster.nodetype import nodes_of
from quarterdeck.core.cluster.room import room_of
from quarterdeck.core.governance.limits import Bound, Quota
from quarterdeck.core.governance.people import Organization, People, Team, User
from quarterdeck.core.jobs import decide
from quarterdeck.core.jobs import events as ev
from quarterdeck.core.jobs.evolve import evolve
from quarterdeck.core.jobs.spec import JobSpec
from quarterdeck.core.scheduling.allowances import allowances_of, parties_of, quotas_of
from quarterdeck.core.scheduling.capacity import capacity_of
from quarterdeck.core.scheduling.counts import Counts
from quarterdeck.core.scheduling.fragments import Recent
from quarterdeck.core.scheduling.holders import HoldersBook
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.pools import Cells, Pool
from quarterdeck.core.scheduling.queue import running_of
from quarterdeck.core.scheduling.runs import RunsBook
from quarterdeck.core.scheduling.snapshot import Holder, Policy, Snapshot, Waiting
from quarterdeck.core.scheduling.standing import Keeper
from quarterdeck.testing.people import a_large_organization

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from random import Random

    from quarterdeck.core.cluster.hardware import Node
    from quarterdeck.core.cluster.room import Room
    from quarterdeck.core.jobs.job import Job
    from quarterdeck.core.scheduling.allowances import Party
    from quarterdeck.core.scheduling.plan import Plan

SITE: Final = "bench"
GPUS_PER_NODE: Final = 8
NODES_PER_RACK: Final = 4
NODES_PER_UNIT: Final = 20
AT_NS: Final = 1_760_000_000 * 10**9
GIB: Final = 2**30
TEAMS: Final = 50
USERS: Final = 2600
NO_USERS: Final = People(Organization("ACME"))

GPUS: Final = (1, 2, 4, 8)
SHARES: Final = (0.5, 0.15, 0.15, 0.2)
"""How often jobs of one node ask for so many: see `core/scheduling/fragments`."""


def rooms_of(nodes: Iterable[Node]) -> list[Room]:
    """Nodes on which nothing runs."""
    return [room_of(SITE, node, ()) for node in nodes]


def build_nodes(count: int, nodes_per_pod: int) -> tuple[Node, ...]:
    """DGX A100 in three tiers: racks, scalable units, pods."""
    places = [
        Location(
            f"r{index % NODES_PER_UNIT // NODES_PER_RACK}",
            f"su{index % nodes_per_pod // NODES_PER_UNIT}",
            f"p{index // nodes_per_pod}",
        )
        for index in range(count)
    ]
    names = [f"dgx-{index:05}" for index in range(count)]
    return nodes_of(load_catalogue()["dgx-a100"], names, places)


def limited_people() -> People:
    """50 teams and 2,600 people, every one with a limit of running jobs. Some are at it often, and
    one in five is kept to certain sites."""
    teams, users = {}, {}
    for number, entry in enumerate(a_large_organization(USERS, TEAMS)):
        sites = ((SITE,), (SITE, "elsewhere"))[number % 2] if number % 5 == 0 else None
        if isinstance(entry, Team):
            quota = Quota(running_jobs=Bound(40 + 40 * (number % 10)), sites=sites)
            teams[entry.name] = replace(entry, quota=quota)
        elif isinstance(entry, User):
            quota = Quota(running_jobs=Bound(2 + number % 8), sites=sites)
            users[entry.name] = replace(entry, quota=quota)
    return People(Organization("ACME"), teams, users)


def guaranteed(people: People, nodes: int) -> Policy:
    """Each of these people's teams is guaranteed so many whole nodes."""
    return Policy(pools=tuple(Pool(team, (Cells(nodes),)) for team in sorted(people.teams)))


def single_demand(rng: Random) -> Demand:
    """What a job of one node asks for, of 48 shapes."""
    gpus = rng.choices(GPUS, SHARES)[0]
    cpus, memory_gib = rng.choice((4, 8, 16)), rng.choice((32, 64))
    model = rng.choice((None, "A100"))
    return Demand(1, Resources(gpus, model, cpus * gpus, memory_gib * GIB * gpus))


def gang_demand(rng: Random, sizes: Sequence[int]) -> Demand:
    """What a gang of whole nodes asks for; most leave its topology to the scheduler."""
    wishes = (Wish(), Wish(), Wish(prefer=Level.UNIT), Wish(require=Level.POD))
    whole = Resources(GPUS_PER_NODE, "A100", 64, 512 * GIB)
    return Demand(rng.choice(sizes), whole, topology=rng.choice(wishes))


class Cluster:
    """See the module."""

    def __init__(
        self, nodes: Sequence[Node], people: People, rng: Random, policy: Policy | None = None
    ) -> None:
        self.rng = rng
        self.people = people
        self.policy = policy or Policy()
        self._keeper = Keeper()
        self._attempts: RunsBook[JobId] = RunsBook()
        self.capacity = capacity_of(rooms_of(nodes))
        self.gpus = GPUS_PER_NODE * len(nodes)
        self.gpus_held = 0
        self.recent = Recent()
        self._quotas = quotas_of(people)
        self._running: Counts[Party] = Counts()
        self._held: dict[str, dict[JobId, Grant]] = {node.name: {} for node in nodes}
        self._singles: list[tuple[Job, tuple[Grant, ...]]] = []
        self._gangs: list[tuple[Job, tuple[Grant, ...]]] = []
        self._holders = HoldersBook()
        self._names = sorted(people.users) or ["ada"]
        self._count = 0

    def submit(self, demand: Demand) -> tuple[Job, Waiting]:
        """A job of somebody, in one of their teams, and what the scheduler sees of it."""
        self._count += 1
        owner = self.rng.choice(self._names)
        teams = self.people.users[owner].teams if self.people.users else ()
        team = self.rng.choice(teams)[0] if teams else "default"
        job_id = JobId(format_id("j", self._count))
        spec = JobSpec(command=("python", "train.py"), demand=demand, team=team)
        job = evolve(None, job_id, ev.Submitted(AT_NS + self._count, owner, spec))
        self.recent.add(demand.resources)
        return job, Waiting(job_id, demand, 0, AT_NS + self._count, team=team, owner=owner)

    def fill(self, share: float) -> None:
        """Jobs of one node each until so much is held, on nodes taken at random, each filled up."""
        rows = list(range(len(self.capacity)))
        self.rng.shuffle(rows)
        for row in rows:
            node = self.capacity[row].node
            left = [device.id for device in node.devices]
            while left and self.gpus_held < share * self.gpus:
                demand = single_demand(self.rng)
                wanted = demand.resources
                if wanted.gpus > len(left):
                    continue
                job, _ = self.submit(demand)
                devices, left = tuple(left[: wanted.gpus]), left[wanted.gpus :]
                grant = Grant(node.name, devices, wanted.cpus, wanted.memory_bytes)
                event = decide.place(job, SITE, (grant,), AT_NS)
                self._hold(evolve(job, job.id, event), (grant,))
        self.capacity = capacity_of(
            [room_of(SITE, one.node, self._held[one.node.name].values()) for one in self.capacity]
        )

    def snapshot(self, waiting: tuple[Waiting, ...]) -> Snapshot:
        """As the server takes it: everybody's limits, and who holds what."""
        return Snapshot(
            AT_NS + 10**9,
            1,
            self.capacity,
            waiting,
            self._holders.now(),
            allowances_of(self._quotas, self._running.now(), dict),
            self.recent.asked(),
            self._attempts.now(),
        )

    def decide(self, job: Job, waiting: Waiting) -> tuple[float, Plan]:
        """Seconds of one whole decision: snapshot, plan (with the verdict where it does not fit),
        the record of it, and the update of what is free."""
        began = perf_counter()
        plan = make_plan(self.snapshot((waiting,)), self.policy, keeper=self._keeper)
        for placed in plan.placements:
            event = decide.place(job, placed.site, placed.grants, AT_NS)
            event = replace(
                event,
                grounds=placed.grounds,
                allreduce_gbytes_s=placed.allreduce_gbytes_s,
                is_owed=placed.is_owed,
            )
            self._hold(evolve(job, job.id, event), placed.grants)
            self._renew(placed.grants)
        return perf_counter() - began, plan

    def end_some(self, share: float, *, gangs: bool = False) -> None:
        """Jobs taken at random, of one node or of several, end until no more than this is held."""
        gone: list[Grant] = []
        jobs = self._gangs if gangs else self._singles
        while self.gpus_held > share * self.gpus:
            place = self.rng.randrange(len(jobs))
            jobs[place], jobs[-1] = jobs[-1], jobs[place]
            job, grants = jobs.pop()
            self._running.add(parties_of(job.spec.team, job.actor), -1)
            self._holders.pop(job.id)
            self._attempts.pop(job.id)
            for grant in grants:
                del self._held[grant.node][job.id]
                self.gpus_held -= len(grant.devices)
            gone += grants
        self._renew(gone)

    def _hold(self, job: Job, grants: tuple[Grant, ...]) -> None:
        (self._gangs if len(grants) > 1 else self._singles).append((job, grants))
        self._running.add(parties_of(job.spec.team, job.actor))
        gpus = sum(len(grant.devices) for grant in grants)
        cpus = sum(grant.cpus for grant in grants)
        self._holders.put(job.id, Holder(job.id, SITE, len(grants), gpus, cpus))
        self._attempts.put(job.id, running_of(job, job.attempts[-1]))
        self.gpus_held += gpus
        for grant in grants:
            self._held[grant.node][job.id] = grant

    def _renew(self, grants: Iterable[Grant]) -> None:
        rows = self.capacity.fleet.rows
        changed = []
        for name in {grant.node: None for grant in grants}:
            node = self.capacity[rows[SITE, name]].node
            changed.append(room_of(SITE, node, self._held[name].values()))
        if changed:
            self.capacity = self.capacity.replaced(changed)
