"""The virtual engine: the port's promises kept at the virtual site, when it answers at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.basics.errors import Unavailable
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.states import ReplicaState
from quarterdeck.ports.engine import Abilities, AttemptRef, LaunchOrder, Observation
from quarterdeck.sim.faults import Fault
from quarterdeck.sim.replicas import VirtualAttempt, VirtualReplica

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quarterdeck.core.cluster.hardware import Node
    from quarterdeck.sim.faults import Faults
    from quarterdeck.sim.site import VirtualSite


class AgentCrashed(BaseException):
    """The agent's process is killed here."""


class VirtualEngine:
    """An `Engine`. A new one on the same site finds everything, and clears half-written orders."""

    def __init__(self, site: VirtualSite, faults: Faults) -> None:
        self._site = site
        self._faults = faults
        self._halves = 0
        site.half_written.clear()

    @property
    def abilities(self) -> Abilities:
        """As the local engine."""
        return Abilities()

    def list_nodes(self) -> tuple[Node, ...]:
        """The nodes as they can be seen."""
        self._answer("list_nodes")
        return self._site.list_nodes()

    def launch(self, order: LaunchOrder) -> None:
        """Start it, unless it was ever launched before."""
        self._answer("launch")
        known = self._site.find_attempt(order.ref)
        if known is not None:
            if order.ref not in self._site.tracked:
                self._site.tracked[order.ref] = _lost(order, known)
            return
        if self._faults.strikes(Fault.LAUNCH_HALFWAY):
            self._halves += 1
            if self._halves % 2:
                self._site.half_written.add(order.ref)
            else:
                self._site.spawn(order)
            raise Unavailable(f"launch of {order.ref}: the engine went away half-way")
        self._site.spawn(order)
        if self._faults.strikes(Fault.LAUNCH_REPEATED):
            self.launch(order)
        self._may_crash()

    def stop(self, ref: AttemptRef, grace_s: float) -> None:
        """Ask it to stop."""
        self._answer("stop")
        attempt = self._site.tracked.get(ref)
        if attempt is not None:
            self._site.stop(attempt, grace_s)
        self._may_crash()

    def observe(self) -> list[Observation]:
        """Everything launched and not forgotten."""
        self._answer("observe")
        for attempt in self._site.tracked.values():
            self._site.release(attempt)
        return [attempt.observe() for attempt in self._site.tracked.values()]

    def forget(self, refs: Iterable[AttemptRef]) -> None:
        """Drop what is gone."""
        self._answer("forget")
        for ref in refs:
            attempt = self._site.tracked.get(ref)
            if attempt is not None and attempt.is_gone:
                del self._site.tracked[ref]
                self._site.forgotten.setdefault(ref, attempt)
                self._may_crash()

    def _answer(self, call: str) -> None:
        if self._faults.strikes(Fault.ENGINE_UNAVAILABLE):
            raise Unavailable(f"the engine does not answer to {call}")
        self._may_crash()

    def _may_crash(self) -> None:
        if self._faults.strikes(Fault.AGENT_CRASH):
            raise AgentCrashed


def _lost(order: LaunchOrder, before: VirtualAttempt) -> VirtualAttempt:
    """What is said of an attempt that has ended before: it is not run again."""
    lost = VirtualAttempt(order, before.script)
    lost.replicas = [
        VirtualReplica(
            rank, grant, lost, state=ReplicaState.LOST, reason=Reason.NODE_FAILURE, has_stood=True
        )
        for rank, grant in enumerate(order.grants)
    ]
    lost.is_released = True
    return lost
