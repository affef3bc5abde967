"""The control plane's process: what is in its memory, and what happens when that is lost."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

from quarterdeck.basics.errors import Unavailable
from quarterdeck.control.board import Board
from quarterdeck.control.plane import ControlPlane
from quarterdeck.control.restore import restore
from quarterdeck.control.rules import FollowedPolicy, Rules
from quarterdeck.control.schedule import Scheduler
from quarterdeck.core.scheduling.snapshot import Policy, Snapshot
from quarterdeck.ports.store import JobFilter
from quarterdeck.sim.checks import Check
from quarterdeck.sim.faults import Fault
from quarterdeck.sim.plans import WatchedBoard, check_plan
from quarterdeck.sim.store import FaultyStore, PlaneCrashed

if TYPE_CHECKING:
    from collections.abc import Callable

    from quarterdeck.basics.chance import Chance
    from quarterdeck.core.governance.people import People
    from quarterdeck.ports.blobs import Blobs
    from quarterdeck.ports.store import Store
    from quarterdeck.sim.checks import Checks
    from quarterdeck.sim.faults import Faults
    from quarterdeck.sim.timeline import SimClock, SimIds, Timeline

T = TypeVar("T")
DOWN_S: Final = (0.5, 15.0)
ALL_JOBS: Final = JobFilter(limit=1_000_000)


class SimServer:
    """A control plane that can be down. `inner` is its store without faults; with `judges_plans`
    each plan that is made is looked at, which knows what the simulator's own jobs ask for."""

    def __init__(  # noqa: PLR0913 - a world gives it all that it has
        self,
        inner: Store,
        blobs: Blobs,
        clock: SimClock,
        ids: SimIds,
        *,
        timeline: Timeline,
        faults: Faults,
        checks: Checks,
        chance: Chance,
        policy: Policy | None = None,
        judges_plans: bool = True,
    ) -> None:
        self._inner = inner
        self._store = FaultyStore(inner, faults)
        self._blobs = blobs
        self._clock = clock
        self._ids = ids
        self._timeline = timeline
        self._faults = faults
        self._checks = checks
        self._chance = chance
        self._policy = policy or Policy()
        self._judges_plans = judges_plans
        self._races = 0
        self._rivals: list[Callable[[], None]] = [self._schedule_elsewhere]
        self._restore_next = False
        self._plane: ControlPlane | None = None
        self._board: WatchedBoard | None = None
        self._scheduler: Scheduler | None = None
        self.changed: Callable[[], None] = lambda: None
        self.started: Callable[[], None] = lambda: None
        self.start()

    @property
    def is_up(self) -> bool:
        """Whether anybody answers."""
        return self._plane is not None

    def ask(self, call: Callable[[ControlPlane], T], /) -> T:
        """Call on the control plane as over a network: when it dies, only the silence is heard."""
        if self._plane is None:
            raise Unavailable("the control plane is down")
        try:
            return call(self._plane)
        except PlaneCrashed:
            self.die()
            raise Unavailable("the connection was reset") from None

    def race(self, *rivals: Callable[[], None]) -> None:
        """Let these, too, commit between the scheduler's look and its commit."""
        self._rivals.extend(rivals)

    def turn(self) -> int:
        """A turn of the scheduler, perhaps overtaken by another commit; then look at its plan."""
        scheduler, board = self._scheduler, self._board
        if scheduler is None or board is None:
            raise Unavailable("the control plane is down")
        self._store.overtake = self._overtake
        try:
            return self.ask(lambda _: scheduler.turn())
        finally:
            self._store.overtake = None
            snapshot = board.take_last()
            if snapshot is not None and self._judges_plans:
                check_plan(snapshot, self._policy, self._checks)

    def die(self) -> None:
        """The process is gone, with everything it had in memory; somebody starts another."""
        self._plane = self._scheduler = None
        self._timeline.after(self._chance.between(*DOWN_S), self.start)

    def restart(self) -> None:
        """Killed while nothing was under way."""
        if self._plane is not None:
            self._faults.note(Fault.PLANE_RESTART)
            self.die()

    def restore(self) -> None:
        """Killed, if it still lives, and all its tables are lost but the log."""
        self._restore_next = True
        if self._plane is not None:
            self.die()

    def start(self) -> None:
        """A new process on the same store."""
        if self._restore_next:
            self._restore_next = False
            self._rebuild()
        before, self._board = self._board, None
        try:
            self._board = WatchedBoard(self._store)
        except Unavailable:
            self._board = before
            self._timeline.after(1.0, self.start)
            return
        if before is not None:
            self._compare_boards(before, self._board)
        plane = ControlPlane(
            self._store,
            self._clock,
            self._ids,
            self._blobs,
            self._board,
            Rules(FollowedPolicy(self._policy)),
        )
        plane.changed.subscribe(self._tell)
        self._plane = plane
        self._scheduler = Scheduler(plane)
        self.started()
        self.changed()

    def _tell(self) -> None:
        self.changed()

    def _rebuild(self) -> None:
        """Lose every job and site, and rebuild them from the log."""
        self._faults.note(Fault.RESTORE)
        jobs = self._inner.list_jobs(ALL_JOBS)
        sites = self._inner.load_active().sites
        self._inner.replace_jobs(iter(()), iter(()))
        done = restore(self._inner)
        same = self._inner.list_jobs(ALL_JOBS) == jobs and done.jobs == len(jobs)
        same = same and self._inner.load_active().sites == sites
        self._checks.hold(Check.REPLAY, same, lambda: "the restored jobs are others than before")

    def _compare_boards(self, before: WatchedBoard, after: WatchedBoard) -> None:
        """What the dead process would have known by now is what the new one has read."""
        with self._faults.paused():
            before.catch_up()
        now_ns = self._clock.now_ns()
        old, new = _comparable(before.snapshot(now_ns)), _comparable(after.snapshot(now_ns))
        after.take_last()
        self._checks.hold(Check.REBUILT, old == new, lambda: f"before {old}\nafter {new}")

    def _overtake(self) -> None:
        """Between the scheduler's look and its commit somebody else commits."""
        if not self._faults.strikes(Fault.STORE_RACE):
            return
        before = self._inner.head()
        with self._faults.paused():
            for _ in self._rivals:
                self._rivals[self._races % len(self._rivals)]()
                self._races += 1
                if self._inner.head() > before:
                    return
        self._faults.take_back(Fault.STORE_RACE)

    def _schedule_elsewhere(self) -> None:
        """Another scheduler on the same store, which would serve people in another order."""
        board = _ContraryBoard(self._inner)
        rival = ControlPlane(self._inner, self._clock, self._ids, self._blobs, board)
        Scheduler(rival).turn()


class _ContraryBoard(Board):
    """A board on which the last come first, so that its plans grant the same devices to others."""

    def snapshot(self, now_ns: int, people: People | None = None) -> Snapshot:
        true = super().snapshot(now_ns, people)
        waiting = tuple(
            replace(one, priority=-one.priority, submitted_at_ns=-one.submitted_at_ns)
            for one in true.waiting
        )
        return replace(true, waiting=waiting)


def _comparable(snapshot: Snapshot) -> tuple[object, ...]:
    """A snapshot without the order in which a board came to know of things."""
    return (
        sorted(snapshot.rooms, key=lambda room: room.node.name),
        sorted(snapshot.waiting, key=lambda waiting: waiting.order),
        sorted(snapshot.holders, key=lambda holder: holder.job_id),
        snapshot.as_of,
    )
