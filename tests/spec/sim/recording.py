"""A desk whose scheduler's plans are recorded, and a log of cycles in which a test may meddle."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from quarterdeck.adapters.cycles.memory import MemoryCycleLog
from quarterdeck.adapters.cycles.sqlite import open_cycle_log
from quarterdeck.adapters.locality.recent import RecentNodes
from quarterdeck.adapters.stores.sql.store import open_store
from quarterdeck.control.board import Board
from quarterdeck.control.cycles import Cycles
from quarterdeck.control.rules import FollowedPolicy, Rules
from quarterdeck.control.schedule import Scheduler
from quarterdeck.core.cluster.hardware import Node
from quarterdeck.core.scheduling.snapshot import Policy
from quarterdeck.ports.cycles import Cycle
from quarterdeck.sim.replay.again import Again, replay
from quarterdeck.testing.builders import a_dgx
from tests.spec.control.desk import Desk

ALWAYS = (0, 2**62)


class RecordingDesk(Desk):
    """`restart` makes another board and scheduler, as a new server would."""

    cycle_log: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        self.cycle_log = MemoryCycleLog()
        self.restart()

    def restart(self, policy: Policy | None = None) -> None:
        board = Board(self.store, RecentNodes())
        now_ns, before = self.clock.now_ns(), board.used_before
        self.cycle_log.begin(now_ns, board.loaded_at, "1", before)
        self.cycles = Cycles(self.cycle_log)
        self.use(policy or self.plane.policy, board)

    def use(self, policy: Policy, board: Board | None = None) -> None:
        """Go on under that policy."""
        board = board or self.plane.board
        self.plane = replace(
            self.plane, board=board, cycles=self.cycles, rules=Rules(FollowedPolicy(policy))
        )
        self.scheduler = Scheduler(self.plane)

    def turn(self) -> int:
        """A second later, another plan, which is handed over at once."""
        self.clock.pass_s(1)
        placed = self.scheduler.turn()
        self.hand_over()
        return placed

    def hand_over(self) -> None:
        self.cycles.hand_over(self.clock.now_ns() + 10**12)

    def replay(self, span_ns: tuple[int, int] = ALWAYS) -> Again:
        return replay(self.store, self.cycle_log, span_ns, RecentNodes)

    def meddle(self, number: int, change: Callable[[Cycle], Cycle]) -> None:
        """Another record in place of that cycle's, in every start."""
        self.cycle_log._cycles = [
            (start, change(cycle) if cycle.number == number else cycle)
            for start, cycle in self.cycle_log._cycles
        ]


def a_recording_desk(*nodes: Node) -> RecordingDesk:
    desk = RecordingDesk()
    desk.report(*(nodes or (a_dgx("a"), a_dgx("b"))))
    return desk


@contextmanager
def a_recorded_home(root: Path, address: str = "") -> Iterator[RecordingDesk]:
    """The same on the files of a home, or on the store at an address."""
    root.mkdir(mode=0o700)
    store: Any = open_store(address or root / "quarterdeck.db")
    desk = RecordingDesk(store=store)
    desk.cycle_log = open_cycle_log(root / "cycles.db")
    desk.restart()
    desk.report(a_dgx("dgx-1"), a_dgx("dgx-2"))
    try:
        yield desk
    finally:
        desk.cycle_log.close()
        store.close()
