"""An engine and a control plane that do what a test says, and write down what was asked of them."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from quarterdeck.adapters.blobs.memory import MemoryBlobs
from quarterdeck.agent.agent import SiteAgent
from quarterdeck.basics.errors import NotFound, Unavailable
from quarterdeck.core.cluster.demand import Grant
from quarterdeck.core.cluster.hardware import Node
from quarterdeck.core.jobs.events import Sighting
from quarterdeck.core.jobs.job import RankExit
from quarterdeck.core.jobs.states import ReplicaState
from quarterdeck.ports.engine import Abilities, AttemptRef, LaunchOrder, Observation
from quarterdeck.ports.site import Desired, Report, StopOrder
from quarterdeck.testing.builders import SITE, START_NS, a_dgx, a_job_id, a_job_spec

STARTED = (Sighting(0, ReplicaState.STARTED, START_NS),)
EXITED = (Sighting(0, ReplicaState.EXITED, START_NS, START_NS, (RankExit(0, 0),)),)


def ref(number: int, attempt: int = 1) -> AttemptRef:
    return AttemptRef(a_job_id(number), attempt)


def an_order(number: int, *, nodes: int = 1, snapshot: str | None = None) -> LaunchOrder:
    grants = tuple(Grant(f"n{rank}") for rank in range(nodes))
    return LaunchOrder(ref(number), a_job_spec(snapshot=snapshot), grants)


class ScriptedEngine:
    """Attempts start when they are launched, and end when the test or a stop says so."""

    abilities = Abilities()

    def __init__(self) -> None:
        self.nodes: tuple[Node, ...] = (a_dgx(),)
        self.attempts: dict[AttemptRef, tuple[Sighting, ...]] = {}
        self.hidden: dict[AttemptRef, tuple[Sighting, ...]] = {}
        self.ever: set[AttemptRef] = set()
        self.starts: list[AttemptRef] = []
        self.calls: list[tuple[object, ...]] = []
        self.away: set[str] = set()
        self.loses_reply_to: set[AttemptRef] = set()
        self.stubborn = False
        self.broken: Exception | None = None
        self.breaks_on: set[AttemptRef] | None = None

    def _answer(self, call: str) -> None:
        if call in self.away:
            raise Unavailable(f"no answer to {call}")

    def list_nodes(self) -> tuple[Node, ...]:
        self._answer("list_nodes")
        return self.nodes

    def observe(self) -> list[Observation]:
        self._answer("observe")
        return [Observation(one, sightings) for one, sightings in self.attempts.items()]

    def launch(self, order: LaunchOrder) -> None:
        self.calls.append(("launch", order.ref))
        self._answer("launch")
        if self.broken is not None and (self.breaks_on is None or order.ref in self.breaks_on):
            raise self.broken
        if order.ref in self.ever:
            return
        self.ever.add(order.ref)
        self.starts.append(order.ref)
        sightings = tuple(replace(STARTED[0], node_rank=n) for n in range(len(order.grants)))
        if order.ref in self.loses_reply_to:
            self.hidden[order.ref] = sightings
            raise Unavailable("it was launched, but that is not seen yet")
        self.attempts[order.ref] = sightings

    def stop(self, attempt: AttemptRef, grace_s: float) -> None:
        self.calls.append(("stop", attempt, grace_s))
        self._answer("stop")
        if attempt in self.attempts and not self.stubborn:
            self.end(attempt)

    def forget(self, refs: Iterable[AttemptRef]) -> None:
        self._answer("forget")
        for one in refs:
            self.calls.append(("forget", one))
            if all(sight.state.is_gone for sight in self.attempts.get(one, ())):
                self.attempts.pop(one, None)

    def end(self, attempt: AttemptRef) -> None:
        self.attempts[attempt] = tuple(
            replace(EXITED[0], node_rank=sight.node_rank) for sight in self.attempts[attempt]
        )

    def uncover(self) -> None:
        """What was launched without a reply can be seen now."""
        self.attempts |= self.hidden
        self.hidden.clear()

    def take_calls(self) -> list[tuple[object, ...]]:
        calls, self.calls = self.calls, []
        return calls


class ScriptedLink:
    """Answers with `answer` once, and then with nothing new."""

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self.answer: Desired | None = None
        self.is_away = False
        self.blobs: dict[str, bytes] = {}
        self.fetched: list[str] = []
        self._cursor = 0

    def exchange(self, report: Report) -> Desired:
        self.reports.append(report)
        if self.is_away:
            raise Unavailable("nobody answers")
        self._cursor += 1
        answer, self.answer = self.answer, None
        if answer is None:
            answer = Desired(0, is_complete=len(self.reports) == 1)
        return replace(answer, cursor=self._cursor)

    def open_blob(self, digest: str) -> BinaryIO:
        self.fetched.append(digest)
        if digest not in self.blobs:
            raise NotFound(f"there is no blob {digest}")
        return io.BytesIO(self.blobs[digest])


@dataclass
class Site:
    """An agent between the two."""

    engine: ScriptedEngine = field(default_factory=ScriptedEngine)
    link: ScriptedLink = field(default_factory=ScriptedLink)
    blobs: MemoryBlobs = field(default_factory=MemoryBlobs)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self.agent = SiteAgent(SITE, self.engine, self.link, self.blobs)

    def turn(
        self,
        *,
        run: tuple[LaunchOrder, ...] = (),
        stop: tuple[StopOrder, ...] = (),
        gone: tuple[AttemptRef, ...] = (),
        is_complete: bool = False,
    ) -> bool:
        """One turn in which the control plane answers so."""
        self.link.answer = Desired(0, is_complete, run, stop, gone)
        return self.agent.turn()

    def quiet_turn(self) -> bool:
        """A turn in which nothing new is wished."""
        return self.agent.turn()

    def told(self) -> dict[AttemptRef, tuple[Sighting, ...]]:
        """What the latest report said of attempts."""
        return {one.ref: one.sightings for one in self.link.reports[-1].observations}


def running_site(*numbers: int) -> Site:
    """A site where these jobs run and everybody knows it."""
    site = Site()
    site.turn(is_complete=True, run=tuple(an_order(number) for number in numbers))
    site.quiet_turn()
    site.engine.take_calls()
    return site
