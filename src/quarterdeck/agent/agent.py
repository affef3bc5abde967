"""One turn of the site agent: observe, exchange, act.

Level-triggered and idempotent: a turn compares what should be with what is, and does the
difference. Nothing is remembered that a new agent would not find again, so an agent may be killed
between any two lines. It knows neither what the engine is nor where the control plane is.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from quarterdeck.agent.snapshots import fetch_snapshot
from quarterdeck.basics.errors import QuarterdeckError, Unavailable
from quarterdeck.core.cluster.events import may_wait_s
from quarterdeck.core.jobs.events import Sighting
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.states import ReplicaState
from quarterdeck.ports.engine import AttemptRef, LaunchOrder, Observation
from quarterdeck.ports.site import Desired, Report, StopOrder

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable

    from quarterdeck.core.cluster.hardware import Node
    from quarterdeck.ports.blobs import Blobs
    from quarterdeck.ports.engine import Engine
    from quarterdeck.ports.site import ControlLink

LAUNCH_S: Final = 0.25
"""For how long a turn launches, when many are to be: what has ended meanwhile is to be told."""
log = logging.getLogger(__name__)


class SiteAgent:
    """The agent of one site. Not for several threads at once. `now_s` is a clock that never goes
    back; without one everything is told, and launched, at once."""

    def __init__(
        self,
        site: str,
        engine: Engine,
        link: ControlLink,
        blobs: Blobs,
        now_s: Callable[[], float] | None = None,
    ) -> None:
        self._site = site
        self._engine = engine
        self._link = link
        self._blobs = blobs
        self._cursor = 0
        self._run: dict[AttemptRef, LaunchOrder] = {}
        self._stop: dict[AttemptRef, StopOrder] = {}
        self._gone: set[AttemptRef] = set()
        self._asked_to_stop: dict[AttemptRef, float] = {}
        self._own_sightings: dict[AttemptRef, tuple[Sighting, ...]] = {}
        self._accepted: dict[AttemptRef, tuple[Sighting, ...]] = {}
        self._accepted_nodes: tuple[Node, ...] | None = None
        self._nodes_as_of = 0
        self._now_s = now_s
        self._told_nodes_at = 0.0

    def turn(self) -> bool:
        """Observe, exchange, act; says whether another turn has something to do at once.

        Raises `Unavailable` when the engine or the control plane did not answer: nothing was
        forgotten, the next turn says it again. An engine that only cannot say its nodes is heard
        and told to stop all the same; it is told to launch when it can.
        """
        seen = {one.ref: self._complete(one) for one in self._engine.observe()}
        nodes = self._list_nodes()
        told = {ref: sight for ref, sight in seen.items() if self._accepted.get(ref) != sight}
        told.update(self._own_sightings)
        report = Report(
            site=self._site,
            cursor=self._cursor,
            observations=tuple(Observation(ref, sight) for ref, sight in told.items()),
            nodes=nodes if self._is_news(nodes) else None,
        )
        desired = self._link.exchange(report)
        self._accepted.update(told)
        is_overwritten = report.nodes is None and desired.nodes_as_of != self._nodes_as_of
        if report.nodes is not None:
            self._accepted_nodes = nodes
            self._told_nodes_at = self._clock()
        elif is_overwritten:
            self._accepted_nodes = None
        self._nodes_as_of = desired.nodes_as_of
        self._take_wishes(desired, seen)
        return self._act(seen, knows_nodes=nodes is not None)

    @property
    def has_told_nodes(self) -> bool:
        """Whether the control plane knows the site's nodes from this agent."""
        return self._accepted_nodes is not None

    def _complete(self, seen: Observation) -> tuple[Sighting, ...]:
        """With a word on each replica that the engine does not know although all that it knows of
        the attempt are gone: nobody else would ever say that these are."""
        run, stop = self._run.get(seen.ref), self._stop.get(seen.ref)
        count = len(run.grants) if run is not None else stop.replicas if stop is not None else 0
        if len(seen.sightings) >= count or not seen.is_gone:
            return seen.sightings
        known = {sight.node_rank for sight in seen.sightings}
        missing = (rank for rank in range(count) if rank not in known)
        return (*seen.sightings, *map(_unknown, missing))

    def _list_nodes(self) -> tuple[Node, ...] | None:
        """None when the engine does not know them now: those that were told before stay."""
        try:
            return self._engine.list_nodes()
        except Unavailable as error:
            log.debug("the nodes of %s: %s", self._site, error)
            return None

    def _clock(self) -> float:
        return 0.0 if self._now_s is None else self._now_s()

    def _is_news(self, nodes: tuple[Node, ...] | None) -> bool:
        """Whether to tell of the nodes now; what others have less of them may wait a little."""
        known = self._accepted_nodes
        if nodes is None:
            return False
        if known is None or known == nodes:
            return known is None
        if self._now_s is None:
            return True
        return self._clock() - self._told_nodes_at >= may_wait_s(known, nodes)

    def _take_wishes(self, desired: Desired, seen: Iterable[AttemptRef]) -> None:
        if desired.is_complete:
            self._run.clear()
            self._stop.clear()
            self._gone.clear()
            self._own_sightings.clear()
            self._accepted.clear()  # who cannot tell since when may not know these any more
        for run in desired.run:
            self._run[run.ref] = run
        for stop in desired.stop:
            self._run.pop(stop.ref, None)
            self._stop[stop.ref] = stop
        for ref in desired.gone:
            self._run.pop(ref, None)
            self._stop.pop(ref, None)
            self._own_sightings.pop(ref, None)
            self._gone.add(ref)
        # Also one whose launch was given up as lost and shows only now.
        self._gone.update(ref for ref in seen if ref not in self._run and ref not in self._stop)
        self._cursor = desired.cursor

    def _act(self, seen: dict[AttemptRef, tuple[Sighting, ...]], *, knows_nodes: bool) -> bool:
        is_all = not knows_nodes or self._launch_all(seen)
        for ref, stop in self._stop.items():
            if ref not in seen:
                self._own_sightings[ref] = _never_launched(stop)
            elif self._asked_to_stop.get(ref) != stop.grace_s:
                self._engine.stop(ref, stop.grace_s)
                self._asked_to_stop[ref] = stop.grace_s
        self._clear_away(seen)
        is_behind = knows_nodes and self._accepted_nodes is None
        return (
            not is_all
            or is_behind
            or any(self._accepted.get(ref) != own for ref, own in self._own_sightings.items())
        )

    def _launch_all(self, seen: Container[AttemptRef]) -> bool:
        """One at least; False when some are left for the next turn."""
        until_s = self._clock() + LAUNCH_S
        is_late = False
        for ref, run in self._run.items():
            if ref in seen or ref in self._own_sightings:
                continue
            if is_late:
                return False
            self._launch(run)
            is_late = self._clock() > until_s
        return True

    def _launch(self, run: LaunchOrder) -> None:
        """One that finds nobody is tried again with the next turn, one that fails has failed, of
        whatever; the others go on."""
        try:
            fetch_snapshot(run.spec.snapshot, self._blobs, self._link)
            self._engine.launch(run)
        except Unavailable as error:
            log.warning("launch of %s/%d: %s", *run.ref, error)
        except QuarterdeckError as error:
            self._own_sightings[run.ref] = _not_prepared(run, str(error))
        except AssertionError:
            raise  # Somebody checks us, as the simulator does.
        except Exception as error:  # One that raises for ever must not keep all others waiting.
            log.exception("launch of %s/%d", *run.ref)
            if not any(one.ref == run.ref for one in self._engine.observe()):  # else it may run
                told = f"{type(error).__name__}: {error}"
                self._own_sightings[run.ref] = _not_prepared(run, told)

    def _clear_away(self, seen: dict[AttemptRef, tuple[Sighting, ...]]) -> None:
        """Forget what has ended and is known to have; what still lives must not, and is killed."""
        ended = []
        for ref in sorted(self._gone):
            sightings = seen.get(ref)
            if sightings is not None and not Observation(ref, sightings).is_gone:
                if self._asked_to_stop.get(ref) != 0.0:
                    self._engine.stop(ref, 0.0)
                    self._asked_to_stop[ref] = 0.0
            else:
                ended.append(ref)
        self._engine.forget([ref for ref in ended if ref in seen])
        for ref in ended:
            self._gone.discard(ref)
            self._asked_to_stop.pop(ref, None)
            self._accepted.pop(ref, None)


def _not_prepared(run: LaunchOrder, why: str) -> tuple[Sighting, ...]:
    message = f"the site could not prepare it: {why}"
    return tuple(
        Sighting(rank, ReplicaState.EXITED, reason=Reason.SETUP_FAILED, message=message)
        for rank in range(len(run.grants))
    )


def _unknown(rank: int) -> Sighting:
    message = "the site does not know this replica any more"
    return Sighting(rank, ReplicaState.LOST, reason=Reason.NODE_FAILURE, message=message)


def _never_launched(stop: StopOrder) -> tuple[Sighting, ...]:
    """The engine does not know the attempt, and only this agent could have told it to: whoever
    waits for its end may stop waiting."""
    return tuple(
        Sighting(rank, ReplicaState.EXITED, message="stopped before it was launched")
        for rank in range(stop.replicas)
    )
