"""The virtual site: nodes, runners and commands on virtual time.

What each command does is a script, which the caller makes of the launch order.
It outlives agents and control planes, as processes and their spool do. It knows the truth (what
lives where) and keeps it apart from what can be seen of it: a node that has died is noticed later.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.cluster.hardware import Node, NodeState
from quarterdeck.core.cluster.parts import parse_part
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.states import ReplicaState
from quarterdeck.sim.checks import Check
from quarterdeck.sim.replicas import VirtualAttempt, VirtualReplica

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from quarterdeck.basics.chance import Chance
    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.jobs.job import RankExit
    from quarterdeck.ports.engine import AttemptRef, LaunchOrder
    from quarterdeck.sim.checks import Checks
    from quarterdeck.sim.timeline import SimClock, Timeline
    from quarterdeck.sim.workload import Script

RELEASE_S: Final = 0.05


class Lags(NamedTuple):
    """Between which seconds it takes to notice that something is gone, and to start a node."""

    detection_s: tuple[float, float]
    boot_s: tuple[float, float]


LAGS: Final = Lags((5.0, 60.0), (1.0, 10.0))
AT_ONCE: Final = Lags((0.0, 0.0), (0.0, 0.0))


@dataclass(slots=True)
class _VirtualNode:
    """One machine: whether it is up, and whether that has been noticed."""

    node: Node
    is_up: bool = True


class VirtualSite:
    """See the module. `news` is called whenever a spool got a new line."""

    def __init__(
        self,
        script_of: Callable[[LaunchOrder], Script],
        chance: Chance,
        timeline: Timeline,
        clock: SimClock,
        checks: Checks,
        nodes: Iterable[Node],
        *,
        lags: Lags = LAGS,
    ) -> None:
        self._script_of = script_of
        self._lags = lags
        self._chance = chance
        self._timeline = timeline
        self._clock = clock
        self._checks = checks
        self._nodes = {node.name: _VirtualNode(node) for node in nodes}
        self._users: dict[str, VirtualReplica] = {}
        self.tracked: dict[AttemptRef, VirtualAttempt] = {}
        self.forgotten: dict[AttemptRef, VirtualAttempt] = {}
        self.half_written: set[AttemptRef] = set()
        self.news: Callable[[], None] = lambda: None
        self.has_ended: Callable[[AttemptRef], bool] = lambda _: False

    # What the engine asks for

    def list_nodes(self) -> tuple[Node, ...]:
        """The nodes as they can be seen."""
        return tuple(one.node for one in self._nodes.values())

    def find_attempt(self, ref: AttemptRef) -> VirtualAttempt | None:
        """Whatever was ever launched under that name."""
        return self.tracked.get(ref) or self.forgotten.get(ref)

    def spawn(self, order: LaunchOrder) -> None:
        """Start one runner per grant."""
        ref = order.ref
        self._checks.hold(
            Check.LAUNCH_ONCE,
            self.find_attempt(ref) is None,
            lambda: f"{ref.job_id}/{ref.attempt} is launched again",
            ref.job_id,
        )
        script = self._script_of(order)
        attempt = VirtualAttempt(order, script)
        self.tracked[ref] = attempt
        self.half_written.discard(ref)
        for rank, grant in enumerate(order.grants):
            replica = VirtualReplica(rank, grant, attempt)
            attempt.replicas.append(replica)
            if not self._nodes[grant.node].is_up:
                self._notice_later(replica)
                continue
            self._occupy(replica)
            self._timeline.after(script.stand_after_s[rank], partial(self._stand, replica))
        self._checks.hold(
            Check.TASK_ONCE,
            self._count_live(ref.job_id, order.task) <= 1,
            lambda: f"{ref} is launched beside another attempt of the same",
            ref.job_id,
        )

    def release(self, attempt: VirtualAttempt) -> None:
        """The barrier: once every replica has said that it stands, all may start."""
        if attempt.is_released or any(
            replica.state is not ReplicaState.STANDING for replica in attempt.replicas
        ):
            return
        attempt.is_released = True
        for replica in attempt.replicas:
            self._timeline.after(self._chance.between(0.0, RELEASE_S), partial(self.start, replica))

    def stop(self, attempt: VirtualAttempt, grace_s: float) -> None:
        """Signal everything, and kill what is left after the grace. The shortest grace counts."""
        for replica in attempt.replicas:
            if replica.lives:
                self._begin_stop(replica, grace_s)

    def _begin_stop(self, replica: VirtualReplica, grace_s: float) -> None:
        kill_at_ns = self._timeline.now_ns + round(grace_s * NS_PER_S)
        yields_after_s = replica.attempt.script.yields_after_s
        if replica.kill_at_ns is None and yields_after_s is not None:
            self._timeline.after(yields_after_s, partial(self._yield_to, replica))
        if replica.kill_at_ns is None or kill_at_ns < replica.kill_at_ns:
            replica.kill_at_ns = kill_at_ns
            self._timeline.after(grace_s, partial(self._kill, replica))

    # What happens by itself

    def list_live_replicas(self) -> list[VirtualReplica]:
        """Every runner that lives."""
        return [one for a in self.tracked.values() for one in a.replicas if one.lives]

    def list_up(self) -> list[str]:
        """Nodes with power."""
        return [name for name, one in self._nodes.items() if one.is_up]

    def lose_node(self, name: str) -> None:
        """Power off: what ran there is dead at once, and that is noticed later."""
        self._nodes[name].is_up = False
        for replica in self.list_live_replicas():
            if replica.grant.node == name:
                self.lose_runner(replica)
        self._timeline.after(self._draw_detection_s(), partial(self._notice_node, name))

    def return_node(self, name: str) -> None:
        """Power on: the node is empty."""
        self._nodes[name].is_up = True
        self._timeline.after(
            self._chance.between(*self._lags.boot_s), partial(self._notice_node, name)
        )

    def lose_runner(self, replica: VirtualReplica) -> None:
        """The runner dies with all it started, without a last word."""
        self._vacate(replica)
        self._notice_later(replica)

    def start(self, replica: VirtualReplica) -> None:
        """The command starts."""
        if not replica.lives or replica.state is not ReplicaState.STANDING:
            return
        ref = replica.attempt.ref
        told = partial("{}/{} on {}".format, ref.job_id, ref.attempt, replica.grant.node)
        stood = all(peer.has_stood for peer in replica.attempt.replicas)
        self._checks.hold(Check.BARRIER, stood, told, ref.job_id)
        replica.starts += 1
        self._checks.hold(Check.STARTED_ONCE, replica.starts == 1, told, ref.job_id)
        self._checks.hold(Check.FENCED, not self.has_ended(ref), told, ref.job_id)
        replica.state = ReplicaState.STARTED
        replica.started_at_ns = self._clock.now_ns()
        script = replica.attempt.script
        part = script.bad_after if script.bad_replica == replica.node_rank else 1.0
        self._timeline.after(script.lasts_s * part, partial(self._finish, replica))
        limit_s = replica.attempt.order.spec.time_limit_s
        if limit_s is not None:
            self._timeline.after(limit_s, partial(self._run_out, replica))
        self._tell(replica)

    def _stand(self, replica: VirtualReplica) -> None:
        if not replica.lives:
            return
        script = replica.attempt.script
        if script.bad_replica == replica.node_rank and script.bad_code is None:
            replica.reason = Reason.SETUP_FAILED
            replica.message = "its work folder could not be laid out"
            self._exit(replica, ())
            return
        replica.has_stood = True
        replica.state = ReplicaState.STANDING
        if len(replica.attempt.replicas) == 1:
            self.start(replica)
        else:
            self._tell(replica)

    def _finish(self, replica: VirtualReplica) -> None:
        """The command's end. A gang that has lost a rank waits for it for ever, as collectives do:
        somebody has to stop it."""
        if not replica.lives:
            return
        script = replica.attempt.script
        if script.bad_replica == replica.node_rank:
            self._exit(replica, replica.make_exits(code=script.bad_code))
        elif not any(peer.has_failed for peer in replica.attempt.replicas):
            self._exit(replica, replica.make_exits(code=0))

    def _run_out(self, replica: VirtualReplica) -> None:
        """The time limit has passed: the runner begins the stop by itself, and says so."""
        if not replica.lives or replica.kill_at_ns is not None:
            return
        replica.is_overdue = True
        replica.reason = Reason.TIMED_OUT
        self._begin_stop(replica, replica.attempt.order.spec.stopping.grace_s)
        self._tell(replica)

    def _yield_to(self, replica: VirtualReplica) -> None:
        """A command that heeds the signal ends."""
        if not replica.lives:
            return
        if replica.starts == 0:
            self._exit(replica, ())
        elif replica.attempt.script.yields_with_zero:
            self._exit(replica, replica.make_exits(code=0, stopped=True))
        else:
            self._exit(replica, replica.make_exits(signal=15, stopped=True))

    def _kill(self, replica: VirtualReplica) -> None:
        if replica.lives and replica.kill_at_ns == self._timeline.now_ns:
            ends = replica.make_exits(signal=9, stopped=True) if replica.starts else ()
            self._exit(replica, ends)

    def _exit(self, replica: VirtualReplica, exits: tuple[RankExit, ...]) -> None:
        self._vacate(replica)
        replica.exits = exits
        replica.state = ReplicaState.EXITED
        replica.ended_at_ns = self._clock.now_ns()
        self._tell(replica)

    def _count_live(self, job_id: JobId, task: int | None) -> int:
        return sum(
            attempt.order.task == task and attempt.lives
            for ref, attempt in self.tracked.items()
            if ref.job_id == job_id
        )

    def _notice_later(self, replica: VirtualReplica) -> None:
        self._timeline.after(self._draw_detection_s(), partial(self._notice_loss, replica))

    def _notice_loss(self, replica: VirtualReplica) -> None:
        replica.state = ReplicaState.LOST
        replica.reason = Reason.NODE_FAILURE
        replica.message = "its runner was lost"
        self._tell(replica)

    def _notice_node(self, name: str) -> None:
        one = self._nodes[name]
        state = NodeState.READY if one.is_up else NodeState.DOWN
        if one.node.state is not state:
            one.node = replace(one.node, state=state)
            self.news()

    def _draw_detection_s(self) -> float:
        return self._chance.between(*self._lags.detection_s)

    def _tell(self, replica: VirtualReplica) -> None:
        replica.attempt.seen = None
        self.news()

    def _occupy(self, replica: VirtualReplica) -> None:
        grant, ref = replica.grant, replica.attempt.ref
        self._checks.hold(
            Check.FENCED, not self.has_ended(ref), lambda: f"{ref} is launched", ref.job_id
        )
        node = self._nodes[grant.node].node
        here = {device.id for device in node.devices}
        for device in grant.devices:
            if not parse_part(device).is_whole:
                continue  # several live on one GPU, and two shares of it have the same id
            user = self._users.get(device)
            self._checks.hold(
                Check.USED_ONCE,
                user is None and device in here,
                lambda d=device, u=user: f"{d}: {ref}, and {u and u.attempt.ref}",  # type: ignore[misc]
                ref.job_id,
            )
            self._users[device] = replica
        replica.lives = True
        beside = [one.grant for one in self.list_live_replicas() if one.grant.node == grant.node]
        cpus = sum(one.cpus for one in beside)
        memory_bytes = sum(one.memory_bytes for one in beside)
        self._checks.hold(
            Check.CAPACITY,
            cpus <= node.cpus and memory_bytes <= node.memory_bytes,
            lambda: f"{grant.node} has {cpus} CPUs and {memory_bytes} bytes in use with {ref}",
            ref.job_id,
        )

    def _vacate(self, replica: VirtualReplica) -> None:
        replica.lives = False
        for device in replica.grant.devices:
            if self._users.get(device) is replica:
                del self._users[device]
