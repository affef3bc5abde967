"""A plan made again on what it was made on is the same plan, and a difference is seen."""

from __future__ import annotations

from dataclasses import replace

from quarterdeck.adapters.cycles.memory import MemoryCycleLog
from quarterdeck.adapters.locality.recent import RecentNodes
from quarterdeck.control.board import Board
from quarterdeck.control.cycles import Cycles
from quarterdeck.control.schedule import Scheduler
from quarterdeck.sim.replay.again import Again, replay
from quarterdeck.testing.builders import a_demand, a_dgx, a_job_spec
from tests.spec.control.desk import Desk

ALWAYS = (0, 2**62)


class RecordingDesk(Desk):
    """A desk whose scheduler's cycles are recorded; `restart` makes another board, as a new
    server would."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.cycle_log = MemoryCycleLog()
        self.restart()

    def restart(self) -> None:
        board = Board(self.store, RecentNodes())
        self.cycle_log.begin(self.clock.now_ns(), board.loaded_at, "1")
        self.plane = replace(self.plane, board=board, cycles=Cycles(self.cycle_log))
        self.scheduler = Scheduler(self.plane)

    def turn(self) -> int:
        self.clock.pass_s(1)
        placed = self.scheduler.turn()
        assert self.plane.cycles is not None
        self.plane.cycles.hand_over(2**62)
        return placed

    def replay(self, cycle_log: MemoryCycleLog | None = None) -> Again:
        return replay(self.store, cycle_log or self.cycle_log, ALWAYS, RecentNodes)


def a_recording_desk() -> RecordingDesk:
    desk = RecordingDesk()
    desk.report(a_dgx("a"), a_dgx("b"))
    return desk


def test_every_plan_is_made_again_the_same() -> None:
    desk = a_recording_desk()
    jobs = [desk.submit(a_job_spec(demand=a_demand(1, gpus))) for gpus in (4, 8, 2, 8, 1)]
    desk.turn()
    desk.start(jobs[0])
    desk.end(jobs[0])
    desk.turn()
    again = desk.replay()
    assert (again.cycles, again.same, again.differences) == (2, 2, [])
    assert again.placements == 4
