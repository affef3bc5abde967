"""What every verb of the control plane works on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from quarterdeck.control.holdings import Holdings
from quarterdeck.control.latest import LatestPlan
from quarterdeck.control.rules import Rules
from quarterdeck.control.signal import Signal

if TYPE_CHECKING:
    from quarterdeck.control.agenda import Agenda
    from quarterdeck.control.board import Board
    from quarterdeck.control.cycles import Cycles
    from quarterdeck.control.promises import Promises
    from quarterdeck.control.roster import Roster
    from quarterdeck.control.waits import Waits
    from quarterdeck.core.calendar.occurrences import Occurrence
    from quarterdeck.core.governance.people import People
    from quarterdeck.core.scheduling.snapshot import Policy
    from quarterdeck.ports.blobs import Blobs
    from quarterdeck.ports.clock import Clock
    from quarterdeck.ports.disk import Disk
    from quarterdeck.ports.ids import Ids
    from quarterdeck.ports.store import Store


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """The ports and the board. `changed` rings after every commit that adds to the event log,
    `wished` after those that may change what a site is to run: a submit alone does not.

    `roster` is who there is, None for a plane without people, such as the simulator's. `waits`
    keeps what waiting jobs were told, `promises` what they were promised and `cycles` every plan
    that was made, None for a plane that forgets; `latest` is the plan that is told to who asks.
    `disk` is where the site keeps what jobs write; None for a plane that need not care.
    `agenda` is the calendar, None for a plane without one.
    `snapshots_used` says when each work folder was last seen whole (see `snapshots`), `holdings`
    who has sent which files, and `folders_held` who may name which work folders.
    """

    store: Store
    clock: Clock
    ids: Ids
    blobs: Blobs
    board: Board
    rules: Rules = field(default_factory=Rules)
    changed: Signal = field(default_factory=Signal)
    wished: Signal = field(default_factory=Signal)
    disk: Disk | None = None
    roster: Roster | None = None
    waits: Waits | None = None
    promises: Promises | None = None
    cycles: Cycles | None = None
    agenda: Agenda | None = None
    latest: LatestPlan = field(default_factory=LatestPlan)
    snapshots_used: dict[str, int] = field(default_factory=dict)
    holdings: Holdings = field(default_factory=Holdings)
    folders_held: Holdings = field(default_factory=Holdings)

    @property
    def policy(self) -> Policy:
        """What is in force now."""
        return self.rules.now.policy

    def times(self, now_ns: int) -> tuple[Occurrence, ...]:
        """What is booked now and in the coming days."""
        return self.agenda.times(now_ns) if self.agenda is not None else ()

    def people(self) -> People | None:
        """Who there is, with their limits; None where there is nobody."""
        return self.roster.people if self.roster is not None else None
