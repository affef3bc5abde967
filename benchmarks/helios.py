"""What the virtual clusters of SenseTime's Earth wanted, minute by minute, and jobs made of that.

Hu et al., "Characterization and Prediction of Deep Learning Workloads in Large-Scale GPU
Datacenters", SC 2021 (S-Lab-System-Group/HeliosArtifact, data CC-BY-4.0). The files say how many
GPUs ran and waited, apart for jobs of eight GPUs or more and for smaller ones, but not which jobs.
Between two minutes as few GPUs as possible are taken to have been submitted, to have started and
to have ended:

- as many start as run more than before, or as wait fewer than before if those are more;
- as many are submitted as start or wait more; as many end as start and do not run more.

Who was submitted first starts first, and who started first ends first. What shares all three
minutes is one job. What comes and goes between two minutes is not seen, what runs at the end of
May ends then, and what waits then is left out.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from benchmarks.gangs import demand_of
from benchmarks.traces import read_rows
from quarterdeck.sim.fast.workload import SimJob

if TYPE_CHECKING:
    from collections.abc import Sequence

CLUSTERS: Final = ("vc3sl", "vc6YE", "vchbv", "vcpDC")
SIZES: Final = ("noless_8", "less_8")
"""As the columns call jobs of eight GPUs or more, and smaller ones."""
S_PER_MINUTE: Final = 60.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Minute:
    """GPUs of one size of jobs: those that run, and those that jobs wait for."""

    running: int
    waiting: int


def read_demand(cluster: str) -> dict[str, list[Minute]]:
    """Minute by minute, for each size of jobs."""
    demand: dict[str, list[Minute]] = {size: [] for size in SIZES}
    for row in read_rows(f"helios/Earth_May_{cluster}.csv"):
        for size, minutes in demand.items():
            running, waiting = row[f"running_gpu_num_{size}"], row[f"pending_gpu_num_{size}"]
            minutes.append(Minute(int(running), int(waiting)))
    return demand


def read_gpus(date: str) -> dict[str, int]:
    """The GPUs of each virtual cluster on a day, as `2020-05-01`."""
    (row,) = (row for row in read_rows("helios/Earth_gpu_number.csv") if row["date"] == date)
    return {name: int(gpus) for name, gpus in row.items() if name not in ("date", "total")}


def read_jobs(cluster: str) -> list[SimJob]:
    """Jobs made of a virtual cluster's demand, in the order of their submission. They are its."""
    pieces = [piece for minutes in read_demand(cluster).values() for piece in cut(minutes)]
    return [
        SimJob(
            line,
            f"{cluster} {line}",
            piece.submit * S_PER_MINUTE,
            (piece.end - piece.start) * S_PER_MINUTE,
            demand_of(piece.gpus),
            team=cluster,
        )
        for line, piece in enumerate(sorted(pieces, key=lambda piece: piece.submit), start=1)
    ]


@dataclass(frozen=True, slots=True)
class Piece:
    """GPUs that were submitted, started and ended together, in minutes."""

    gpus: int
    submit: int
    start: int
    end: int


def cut(minutes: Sequence[Minute]) -> list[Piece]:
    """The pieces that such a demand is made of, in the order of their ends."""
    submitted: deque[tuple[int, int]] = deque()
    started: deque[tuple[int, tuple[int, int]]] = deque()
    pieces: list[Piece] = []
    before = Minute(0, 0)
    for at, minute in enumerate([*minutes, Minute(0, 0)]):
        more_run, more_wait = minute.running - before.running, minute.waiting - before.waiting
        starting = max(0, more_run, -more_wait)
        if starting + more_wait:
            submitted.append((starting + more_wait, at))
        started += [(gpus, (submit, at)) for gpus, submit in _take(submitted, starting)]
        pieces += [
            Piece(gpus, submit, start, at)
            for gpus, (submit, start) in _take(started, starting - more_run)
            if start < at
        ]
        before = minute
    return pieces


def _take(queue: deque[tuple[int, T]], gpus: int) -> list[tuple[int, T]]:
    """So many GPUs from the head of a queue; of the last entry perhaps only a part."""
    taken = []
    while gpus:
        there, what = queue.popleft()
        if there > gpus:
            queue.appendleft((there - gpus, what))
        taken.append((min(there, gpus), what))
        gpus -= taken[-1][0]
    return taken
