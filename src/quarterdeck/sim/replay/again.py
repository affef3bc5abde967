"""Every recorded plan made again on the very snapshot it was made on, and compared.

The board of each server start is told again: from the jobs that were unfinished then, and from the
log of events up to the place where each plan was made. What it knows only since its start (what was
asked lately, where data lies) comes about again in the same way.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.control.board import Board
from quarterdeck.control.restore import read_log
from quarterdeck.core.governance.people import Organization, People, Team, User
from quarterdeck.core.jobs.events import Placed
from quarterdeck.core.scheduling.imprint import describe_placement, imprint_of
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.plan import Placement
from quarterdeck.core.scheduling.standing import Keeper
from quarterdeck.ports.cycles import Outcome
from quarterdeck.ports.store import JobRecord
from quarterdeck.sim.replay.cycles import load_cycles
from quarterdeck.sim.replay.gaps import Gap, Gaps
from quarterdeck.sim.replay.past import Past, Telling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from quarterdeck.core.governance.limits import Quota
    from quarterdeck.core.scheduling.allowances import Party
    from quarterdeck.core.scheduling.plan import Plan
    from quarterdeck.ports.cycles import Cycle, CycleLog, Start
    from quarterdeck.ports.locality import Locality
    from quarterdeck.ports.store import History

SHOWN_MAX: Final = 5
LATE_NS: Final = 3600 * NS_PER_S
"""Stamps of the log are in order but for moments; so much later none is looked for any more."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A cycle whose plan is another one when it is made again, and in what."""

    start: int
    number: int
    at_ns: int
    what: tuple[str, ...]


@dataclass(slots=True)
class Again:
    """What came of making plans again. `placements` counts those of the log of events that were
    compared, `events_gone` the places of the log that retention has emptied."""

    cycles: int = 0
    same: int = 0
    placements: int = 0
    events_gone: int = 0
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    starts: list[Start] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)


def replay(
    history: History,
    cycle_log: CycleLog,
    span_ns: tuple[int, int],
    make_locality: Callable[[], Locality | None],
    tell: Callable[[int], None] = lambda _: None,
) -> Again:
    """Make the plans of that time again; both ends are in it. `tell` hears of when each was."""
    return _Replay(history, cycle_log, span_ns, make_locality, tell).run()


class _Replay:
    """One replay's present."""

    def __init__(
        self,
        history: History,
        cycle_log: CycleLog,
        span_ns: tuple[int, int],
        make_locality: Callable[[], Locality | None],
        tell: Callable[[int], None],
    ) -> None:
        self._history = history
        self._log = cycle_log
        self._span_ns = span_ns
        self._make_locality = make_locality
        self._tell = tell
        self._telling = Telling(history)
        self._placed: deque[_Logged] = deque()
        self._orphans_ns: list[int] = []
        self._gaps = Gaps(span_ns)
        self._is_whole = True
        self._is_loaded = False
        self._again = Again()

    def run(self) -> Again:
        """Start by start."""
        starts = self._log.list_starts()
        for index, start in enumerate(starts):
            following = starts[index + 1] if index + 1 < len(starts) else None
            self._replay(start, following)
        orphans_ns = (*self._orphans_ns, *(one.at_ns for one in self._placed))
        self._again.gaps = self._gaps.list_gaps(orphans_ns)
        return self._again

    def _replay(self, start: Start, following: Start | None) -> None:
        """The cycles of one start that are of this time."""
        past: Past | None = None
        board: Board | None = None
        people = _people_of(())
        last: Cycle | None = None
        keeper = Keeper()
        for cycle in load_cycles(self._log, start.number, self._span_ns):
            if board is None or past is None:
                active = replace(self._telling.active_at(start.as_of), used=start.used)
                past = Past(self._history, active)
                board = Board(past, self._make_locality())
                self._again.starts.append(start)
                self._load_placed(cycle.as_of)
            if last is None or last.inputs.limits != cycle.inputs.limits:
                people = _people_of(cycle.inputs.limits)
            self._gaps.note_cycle(start, last, cycle)
            past.head = cycle.as_of
            board.catch_up()
            board.promised = cycle.inputs.promised
            snapshot = board.booked_snapshot(cycle.at_ns, people, cycle.inputs.times)
            made = make_plan(snapshot, cycle.inputs.policy, keeper=keeper)
            self._compare(start, cycle, made)
            last = cycle
        if past is not None and last is not None:
            self._again.events_gone += past.gone
            self._gaps.note_end(start, last, following)

    def _load_placed(self, after: int) -> None:
        """What the log of events has of placements from the first cycle on."""
        if self._is_loaded:
            return
        self._is_loaded = True
        for record in read_log(self._history, after):
            self._is_whole = self._is_whole and record.seq == after + 1
            after, event = record.seq, record.event
            if event.at_ns > self._span_ns[1] + LATE_NS:
                break
            if isinstance(record, JobRecord) and isinstance(event, Placed):
                made = Placement(record.job_id, event.site, event.grants, event.task)
                self._placed.append(_Logged(after, event.at_ns, describe_placement(made)))

    def _take_logged(self, cycle: Cycle, made: Plan) -> list[_Logged]:
        """What the log of events has of a plan: since nothing is committed once somebody else has
        placed anything, it is the first after the place that the plan was made at."""
        while self._placed and self._placed[0].seq <= cycle.as_of:
            self._orphans_ns.append(self._placed.popleft().at_ns)
        taken: list[_Logged] = []
        lines = {describe_placement(one) for one in made.placements}
        while self._placed and self._placed[0].at_ns == cycle.at_ns:
            if cycle.outcome is Outcome.UNSURE:
                is_its = self._placed[0].line in lines
            else:
                is_its = len(taken) < cycle.kept
            if not is_its:
                break
            taken.append(self._placed.popleft())
        return taken

    def _compare(self, start: Start, cycle: Cycle, made: Plan) -> None:
        again = self._again
        again.cycles += 1
        again.outcomes[cycle.outcome] += 1
        logged = [one.line for one in self._take_logged(cycle, made)]
        again.placements += len(logged)
        what = [*_differ(cycle, made), *_differ_from_log(made, logged)]
        if self._is_whole and cycle.outcome is not Outcome.UNSURE and len(logged) != cycle.kept:
            what.append(
                f"the log of events has {len(logged)} placements of it, and {cycle.kept} were kept"
            )
        if what:
            again.differences.append(
                Difference(start.number, cycle.number, cycle.at_ns, tuple(what))
            )
        else:
            again.same += 1
        self._tell(cycle.at_ns)


class _Logged(NamedTuple):
    """A placement in the log of events."""

    seq: int
    at_ns: int
    line: str


def _differ(cycle: Cycle, made: Plan) -> Iterator[str]:
    """What the imprint of the plan that was made again has other than the recorded one."""
    now, then = imprint_of(made), cycle.imprint
    if now.placements != then.placements:
        yield f"it places {now.placed}, and placed {then.placed}" + (
            " elsewhere" if now.placed == then.placed else ""
        )
    if now.verdicts != then.verdicts:
        codes = sorted({code for code, _ in (*now.waiting, *then.waiting)})
        new, old = dict(now.waiting), dict(then.waiting)
        told = [
            f"{code}: {new.get(code, 0)} instead of {old.get(code, 0)}"
            for code in codes
            if new.get(code) != old.get(code)
        ]
        yield "verdicts: " + (", ".join(told) or "as many of each code, for other jobs")


def _differ_from_log(made: Plan, logged: Sequence[str]) -> Iterator[str]:
    """What the log of events has other than the plan. A job that was cancelled between the plan and
    its commit is in the plan only."""
    lines = {describe_placement(one) for one in made.placements}
    strange = [line for line in logged if line not in lines]
    for line in strange[:SHOWN_MAX]:
        yield f"the log of events has: {line}"
    if len(strange) > SHOWN_MAX:
        yield f"and {len(strange) - SHOWN_MAX} more"
    missing = sorted(lines.difference(logged)) if strange else []
    for line in missing[:SHOWN_MAX]:
        yield f"made again it is: {line}"


def _people_of(limits: Iterable[tuple[Party, Quota]]) -> People:
    """People who are nothing but their limits."""
    teams: dict[str, Team] = {}
    users: dict[str, User] = {}
    for (kind, name), quota in limits:
        if kind == "team":
            teams[name] = Team(name, quota=quota)
        else:
            users[name] = User(name, quota=quota)
    return People(Organization("replayed"), teams, users)
