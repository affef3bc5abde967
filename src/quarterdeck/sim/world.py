"""The whole of it: a site, its agent, a control plane, people, and everything that goes wrong."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from quarterdeck.agent.agent import SiteAgent
from quarterdeck.basics.chance import Chance
from quarterdeck.basics.errors import Stale, Unavailable
from quarterdeck.control.nodes import Place, cordon, resume
from quarterdeck.control.snapshots import keep_snapshot
from quarterdeck.core.jobs.manifest import Manifest, ManifestFile
from quarterdeck.sim.audit import Auditor
from quarterdeck.sim.checks import Check, Checks
from quarterdeck.sim.ending import check_end_of
from quarterdeck.sim.engine import AgentCrashed, VirtualEngine
from quarterdeck.sim.faults import Fault, Faults
from quarterdeck.sim.link import FaultyLink
from quarterdeck.sim.people import People
from quarterdeck.sim.server import SimServer
from quarterdeck.sim.site import VirtualSite
from quarterdeck.sim.timeline import SimClock, SimIds, Timeline, Turns
from quarterdeck.sim.workload import make_nodes, make_requests, make_script, span_s

if TYPE_CHECKING:
    from collections.abc import Callable

    from quarterdeck.control.plane import ControlPlane
    from quarterdeck.core.jobs.job import Job
    from quarterdeck.ports.blobs import Blobs
    from quarterdeck.ports.store import Store

SITE: Final = "local"
AGENT_EVERY_S: Final = 5.0
SCHEDULER_EVERY_S: Final = 60.0
NODES_AWAY_S_MAX: Final = 900.0
CORDONED_S_MAX: Final = 300.0
COMPARE_EVERY_S: Final = 900.0
PATIENCE_S: Final = 8 * 3600.0
"""How long everything may take to end once nothing goes wrong any more."""
CLOCK_ERROR_S_MAX: Final = 2 * 3600.0
EMPTY_DIGEST: Final = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


class World:
    """See the module."""

    def __init__(
        self, seed: int, jobs: int, make_store: Callable[[], Store], make_blobs: Callable[[], Blobs]
    ) -> None:
        chance = Chance(seed)
        self._chance = chance.split()
        self._jobs = jobs
        self._calm_since_s = 0.0
        self._cordons = 0
        self.checks = Checks()
        self.faults = Faults(chance.split())
        self.timeline = Timeline()
        self.clock = SimClock(self.timeline)
        self.store = make_store()
        self.site = VirtualSite(
            partial(make_script, seed),
            chance.split(),
            self.timeline,
            self.clock,
            self.checks,
            make_nodes(),
        )
        self.auditor = Auditor(self.store, self.site, self.checks)
        self.site.has_ended = self.auditor.has_ended
        with self.faults.paused():
            self.server = SimServer(
                self.store,
                make_blobs(),
                self.clock,
                SimIds(chance.split()),
                timeline=self.timeline,
                faults=self.faults,
                checks=self.checks,
                chance=chance.split(),
            )
            snapshots = self.server.ask(_keep_snapshots)
        ask = self.server.ask
        self._link = FaultyLink(ask, self.faults, self.checks, self.timeline, chance.split())
        self._site_blobs = make_blobs()
        self._agent = self._new_agent()
        self.people = People(ask, self.faults, self.checks, self.timeline, chance.split())
        self.requests = make_requests(chance.split(), jobs, snapshots)
        self._agent_turns = Turns(self.timeline, self._turn_agent, AGENT_EVERY_S)
        self._scheduler_turns = Turns(self.timeline, self.server.turn, SCHEDULER_EVERY_S)
        self.server.race(self.people.change_mind, self._turn_agent_at_once)
        self.server.changed = self._wake_all
        self.server.started = self._check_kept
        self.site.news = self._poke

    def run(self) -> None:
        """From the first job to the last end. Raises `Violation`."""
        self.people.expect(self.requests)
        self._plan_faults()
        self._compare_later()
        until_s = span_s(self._jobs)
        while self.timeline.now_s < until_s:
            self._step()
        self._calm_down()
        give_up_s = self.timeline.now_s + PATIENCE_S
        while not self._is_over():
            if self.timeline.now_s > give_up_s:
                self._give_up()
            self._step()
        self._check_end()

    def list_jobs(self) -> list[Job]:
        """Every job, in the order in which they came."""
        return list(self.auditor.jobs.values())

    def _step(self) -> None:
        self.timeline.step()
        self.auditor.catch_up()

    def _wake_all(self) -> None:
        """Something was committed, or a control plane has started."""
        self._agent_turns.wake()
        self._scheduler_turns.wake()

    def _poke(self) -> None:
        """A runner tells the agent that it has news; the poke may get lost."""
        if not self.faults.strikes(Fault.NEWS_DROPPED):
            self._agent_turns.wake()

    def _new_agent(self) -> SiteAgent:
        engine = VirtualEngine(self.site, self.faults)
        return SiteAgent(SITE, engine, self._link, self._site_blobs)

    def _turn_agent(self) -> bool:
        try:
            return self._agent.turn()
        except AgentCrashed:
            self._agent = self._new_agent()
            raise Unavailable("the agent died and is started again") from None

    def _turn_agent_at_once(self) -> None:
        self._turn_agent()

    def _plan_faults(self) -> None:
        for fault, strike in (
            (Fault.NODE_LOST, self._lose_node),
            (Fault.NODE_CORDONED, self._cordon_node),
            (Fault.GPU_CORDONED, self._cordon_gpu),
            (Fault.RUNNER_LOST, self._lose_runner),
            (Fault.CLOCK_BACK, partial(self._jump, Fault.CLOCK_BACK, -1)),
            (Fault.CLOCK_FORWARD, partial(self._jump, Fault.CLOCK_FORWARD, 1)),
            (Fault.PLANE_RESTART, self.server.restart),
            (Fault.RESTORE, self.server.restore),
            (Fault.AGENT_RESTART, self._restart_agent),
        ):
            self._again_and_again(fault, strike, is_first=True)

    def _again_and_again(
        self, fault: Fault, strike: Callable[[], None], *, is_first: bool = False
    ) -> None:
        if not self.faults.are_on:
            return
        if not is_first:
            strike()
        self.timeline.after(
            self.faults.draw_pause_s(fault), partial(self._again_and_again, fault, strike)
        )

    def _lose_node(self) -> None:
        up = self.site.list_up()
        if len(up) > 1:
            name = self._chance.pick(up)
            self.faults.note(Fault.NODE_LOST)
            self.site.lose_node(name)
            self.timeline.after(
                self._chance.between(2.0, NODES_AWAY_S_MAX), partial(self._return_node, name)
            )

    def _return_node(self, name: str) -> None:
        self.faults.note(Fault.NODE_RETURNED)
        self.site.return_node(name)

    def _cordon_node(self) -> None:
        self._cordon(
            Fault.NODE_CORDONED, Place(SITE, self._chance.pick(self.site.list_nodes()).name)
        )

    def _cordon_gpu(self) -> None:
        node = self._chance.pick([node for node in self.site.list_nodes() if node.devices])
        device = self._chance.pick(node.devices)
        self._cordon(Fault.GPU_CORDONED, Place(SITE, node.name, (device.id,)))

    def _cordon(self, fault: Fault, place: Place) -> None:
        """An operator keeps new work off it for a while."""
        try:
            self.server.ask(lambda plane: cordon(plane, place, "it is odd", "olga"))
        except (Unavailable, Stale):
            pass  # it may have been written all the same
        else:
            self.faults.note(fault)
        self._cordons += 1
        self.timeline.after(
            self._chance.between(30.0, CORDONED_S_MAX), partial(self._resume, place)
        )

    def _resume(self, place: Place) -> None:
        try:
            self.server.ask(lambda plane: resume(plane, place, "olga"))
        except (Unavailable, Stale):
            self.timeline.after(self._chance.between(0.5, 8.0), partial(self._resume, place))
        else:
            self._cordons -= 1

    def _lose_runner(self) -> None:
        live = self.site.list_live_replicas()
        if live:
            self.faults.note(Fault.RUNNER_LOST)
            self.site.lose_runner(self._chance.pick(live))

    def _jump(self, fault: Fault, sign: int) -> None:
        by_s = sign * self._chance.between(1.0, 3600.0)
        if abs(self.clock.error_s + by_s) <= CLOCK_ERROR_S_MAX:
            self.faults.note(fault)
            self.clock.jump(by_s)

    def _restart_agent(self) -> None:
        self.faults.note(Fault.AGENT_RESTART)
        self._agent = self._new_agent()
        self._agent_turns.wake()

    def _compare_later(self) -> None:
        self.timeline.after(COMPARE_EVERY_S, self._compare)

    def _compare(self) -> None:
        self.auditor.compare_all()
        self._check_kept()
        self._compare_later()

    def _check_kept(self) -> None:
        for number, job_id in self.people.accepted.items():
            job = self.store.find_job(job_id)
            self.checks.hold(
                Check.KEPT,
                job is not None and job.spec == self.people.asked_for[number],
                lambda n=number, i=job_id: f"request {n} was accepted as {i}",  # type: ignore[misc]
                job_id,
            )

    def _calm_down(self) -> None:
        """Nothing goes wrong any more, but for one old report that is still on its way."""
        self.faults.cease()
        self._calm_since_s = self.timeline.now_s
        self.timeline.after(NODES_AWAY_S_MAX + 60.0, self._link.deliver_kept)

    def _is_over(self) -> bool:
        return (
            self.timeline.now_s > self._calm_since_s + NODES_AWAY_S_MAX + 120.0
            and self.people.are_done
            and not self._cordons
            and self.server.is_up
            and not self.site.tracked
            and not self.store.load_active().jobs
        )

    def _give_up(self) -> None:
        stuck = [job for job in self.list_jobs() if not job.state.is_final]
        left = ", ".join(f"{ref.job_id}/{ref.attempt}" for ref in self.site.tracked)
        self.checks.hold(
            Check.CONVERGED,
            holds=False,
            told=lambda: f"{len(stuck)} jobs do not end; the site still knows {left or 'nothing'}",
            job_id=stuck[0].id if stuck else None,
        )

    def _check_end(self) -> None:
        self.auditor.compare_all()
        self._check_kept()
        accepted = set(self.people.accepted.values())
        for job in self.list_jobs():
            self.checks.hold(
                Check.ONE_PER_KEY, job.id in accepted, lambda: "a job nobody has", job.id
            )
            check_end_of(job, self.auditor, self.site, self.people, self.checks)
        (known,) = self.store.load_active().sites
        self.checks.hold(
            Check.NODES_KNOWN,
            known.nodes == self.site.list_nodes(),
            lambda: f"known {known.nodes}, true {self.site.list_nodes()}",
        )


def _keep_snapshots(plane: ControlPlane) -> list[str]:
    """A few work folders that jobs bring along."""
    plane.blobs.put(EMPTY_DIGEST, [b""])
    return [
        keep_snapshot(
            plane, Manifest((ManifestFile(f"train_{number}.py", digest=EMPTY_DIGEST),))
        ).digest
        for number in range(12)
    ]
