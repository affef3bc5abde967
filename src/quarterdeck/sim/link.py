"""The way from the agent to the control plane, which loses, doubles and delays what it carries."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, Protocol, TypeVar

from quarterdeck.basics.errors import Stale, Unavailable
from quarterdeck.control.link import PlaneLink
from quarterdeck.sim.checks import Check
from quarterdeck.sim.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from quarterdeck.basics.chance import Chance
    from quarterdeck.control.plane import ControlPlane
    from quarterdeck.ports.site import Desired, Report
    from quarterdeck.sim.checks import Checks
    from quarterdeck.sim.faults import Faults
    from quarterdeck.sim.timeline import Timeline

T = TypeVar("T")


class Asks(Protocol):
    """Calls on whatever control plane is up, or raises `Unavailable`."""

    def __call__(self, call: Callable[[ControlPlane], T], /) -> T:
        """Call it."""
        ...


class FaultyLink:
    """A `ControlLink` over a bad network."""

    def __init__(
        self, ask: Asks, faults: Faults, checks: Checks, timeline: Timeline, chance: Chance
    ) -> None:
        self._ask = ask
        self._faults = faults
        self._checks = checks
        self._timeline = timeline
        self._chance = chance
        self._kept: Report | None = None

    def exchange(self, report: Report) -> Desired:
        """Carry the report there and the answer back, perhaps."""
        if report.nodes is not None and self._faults.are_on:
            self._kept = report
        if self._faults.strikes(Fault.REPORT_LOST):
            raise Unavailable("the report was lost")
        if self._is_late(report):
            self._timeline.after(self._chance.between(1.0, 120.0), partial(self._deliver, report))
            raise Unavailable("no answer came in time")
        answer = self._carry(report)
        if self._faults.strikes(Fault.REPORT_DOUBLED):
            answer = self._carry_again(report, answer)
        if self._faults.strikes(Fault.ANSWER_LOST):
            raise Unavailable("the answer was lost")
        return answer

    def deliver_kept(self) -> None:
        """The last node list that was sent while things went wrong arrives once more."""
        if self._kept is not None:
            self._faults.note(Fault.NODES_LATE)
            self._deliver(self._kept)

    def open_blob(self, digest: str) -> BinaryIO:
        """Bytes from the control plane's blobs."""
        if self._faults.strikes(Fault.BLOB_LOST):
            raise Unavailable("the blob did not come")
        return self._ask(lambda plane: PlaneLink(plane).open_blob(digest))

    def _carry(self, report: Report) -> Desired:
        return self._ask(lambda plane: PlaneLink(plane).exchange(report))

    def _carry_again(self, report: Report, first: Desired) -> Desired:
        """The same report once more: whatever it had to say is known by now."""
        heads: list[int] = []

        def twice(plane: ControlPlane) -> Desired:
            heads.append(plane.store.head())
            answer = PlaneLink(plane).exchange(report)
            heads.append(plane.store.head())
            return answer

        with self._faults.paused():
            second = self._ask(twice)
        self._checks.hold(
            Check.TWICE_ONCE, heads[0] == heads[1], lambda: f"the log grew: {heads}, {report}"
        )
        return self._chance.pick((first, second))

    def _is_late(self, report: Report) -> bool:
        if report.nodes is not None and self._faults.strikes(Fault.NODES_LATE):
            return True
        return self._faults.strikes(Fault.REPORT_LATE)

    def _deliver(self, report: Report) -> None:
        """An old report arrives; nobody waits for the answer any more."""
        with suppress(Unavailable, Stale):
            self._carry(report)
