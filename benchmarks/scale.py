"""A server that has been used for a year: its start, its memory, and what it costs to have it."""

from __future__ import annotations

import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, perf_counter, sleep
from typing import TYPE_CHECKING

from benchmarks.figures import Figure, as_ms
from benchmarks.server import QD, read_server, running_server
from quarterdeck.adapters.stores.sql.store import open_store
from quarterdeck.basics.ids import JobId, format_id
from quarterdeck.core.cluster.demand import Demand, Grant, Resources
from quarterdeck.core.jobs import events as ev
from quarterdeck.core.jobs.evolve import evolve
from quarterdeck.core.jobs.job import RankExit
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.spec import JobSpec
from quarterdeck.core.jobs.states import JobState, ReplicaState
from quarterdeck.sdk import Client, JobRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterdeck.core.jobs.job import Job
    from quarterdeck.ports.store import Transaction

FINISHED_JOBS, QUEUED_JOBS, RUNNING_JOBS = 100_000, 10_000, 200
AT_NS = 1_760_000_000 * 10**9
BATCH = 1000
IDLE_S = 10.0
PS_RUNS = 5
PRETEND = ("--pretend", "dgx-a100:4")


@dataclass(frozen=True, slots=True)
class Scale:
    """What was measured with that many jobs."""

    start_s: float
    memory_bytes: int
    ps_s: float
    idle_share: float


def figures() -> list[Figure]:
    """A home of that many jobs, and the server on it."""
    found = measure_scale(FINISHED_JOBS, QUEUED_JOBS, RUNNING_JOBS)
    memory_mb = found.memory_bytes / 1e6
    amount = f"{FINISHED_JOBS} finished, {QUEUED_JOBS} queued, {RUNNING_JOBS} running jobs"
    return [
        Figure(f"{amount}: start", f"{found.start_s:.1f} s", "< 5 s", holds=found.start_s < 5),
        Figure("… memory of the server", f"{memory_mb:.0f} MB", "< 200 MB", holds=memory_mb < 200),
        Figure("… `qd ps`, best of 5", as_ms(found.ps_s), "< 300 ms", holds=found.ps_s < 0.300),
        Figure(
            "… processor time of the idle server",
            f"{found.idle_share:.1%} of one",
            "< 1 %",
            holds=found.idle_share < 0.01,
        ),
    ]


def measure_scale(finished: int, queued: int, running: int) -> Scale:
    """Fill a home, start a server on it while jobs run, and look at it."""
    with tempfile.TemporaryDirectory(prefix="qd-bench-") as folder:
        home = Path(folder)
        with running_server(*PRETEND, home=home, stop_jobs=False) as client:
            _run(client, JobRequest(run=["sleep", "3600"]), running)
        fill(home, finished, queued)
        began = perf_counter()
        with running_server(*PRETEND, home=home) as client:
            start_s = perf_counter() - began
            assert client.get_queue(limit=1).length == queued
            pid = int(read_server(home)["pid"])
            ps_s = min(_time_ps(home) for _ in range(PS_RUNS))
            sleep(2.0)
            idle_share = _cpu_share(pid, IDLE_S)
            memory_bytes = _memory_bytes(pid)
    return Scale(start_s, memory_bytes, ps_s, idle_share)


def measure_idle_memory(
    pretended: str, running: tuple[JobRequest, int], queued: tuple[JobRequest, int]
) -> int:
    """Bytes of a server with so many nodes, when so many jobs run and so many others wait."""
    with (
        tempfile.TemporaryDirectory(prefix="qd-bench-") as folder,
        running_server("--pretend", pretended, home=Path(folder)) as client,
    ):
        _run(client, *running)
        request, count = queued
        client.submit_all([request] * count)
        assert client.get_queue(limit=1).length == count
        sleep(2.0)
        return _memory_bytes(int(read_server(Path(folder))["pid"]))


def fill(home: Path, finished: int, queued: int) -> None:
    """Jobs with all their events, as a server would have written them."""
    store = open_store(home / "quarterdeck.db")
    for begin in range(0, finished + queued, BATCH):
        numbers = range(begin, min(begin + BATCH, finished + queued))
        histories = [_history(number, is_finished=number < finished) for number in numbers]
        store.transact(lambda tx, told=histories: _write(tx, told))  # type: ignore[misc]
    store.close()


def _write(tx: Transaction, histories: Sequence[tuple[JobId, list[ev.JobEvent]]]) -> None:
    tx.find_taken([job_id for job_id, _ in histories])
    for job_id, events in histories:
        job: Job | None = None
        for event in events:
            job = evolve(job, job_id, event)
        assert job is not None
        tx.append(None, events, job)


def _history(number: int, *, is_finished: bool) -> tuple[JobId, list[ev.JobEvent]]:
    job_id = JobId(format_id("j", number * 7919 + 1))
    at_ns = AT_NS + number * 10**9
    # Those that wait need all GPUs of all nodes, so none of them starts.
    demand = Demand(1, Resources(1)) if is_finished else Demand(4, Resources(8, cpus=200))
    spec = JobSpec(command=("python", "train.py"), name=f"job-{number % 100}", demand=demand)
    submitted = ev.Submitted(at_ns, "ada", spec)
    if not is_finished:
        return job_id, [submitted]
    end = ev.Sighting(0, ReplicaState.EXITED, at_ns + 2, at_ns + 3, (RankExit(0, 0),))
    return job_id, [
        submitted,
        ev.Placed(at_ns + 1, 1, "local", (Grant("dgx-1", ("GPU-1",), 1),)),
        ev.Seen(at_ns + 2, 1, (ev.Sighting(0, ReplicaState.STARTED, at_ns + 2),)),
        ev.Started(at_ns + 2, 1, at_ns + 2),
        ev.Seen(at_ns + 3, 1, (end,)),
        ev.Ended(at_ns + 3, 1, JobState.SUCCEEDED, Reason.COMPLETED, "", 0),
    ]


def _run(client: Client, request: JobRequest, count: int) -> None:
    client.submit_all([request] * count)
    deadline = monotonic() + 60
    while len(client.list_jobs(states=["running"], limit=1000).jobs) < count:
        assert monotonic() < deadline, "they do not start"
        sleep(0.2)


def _time_ps(home: Path) -> float:
    began = perf_counter()
    environment = {**os.environ, "QD_HOME": str(home)}
    subprocess.run([*QD, "ps"], check=True, env=environment, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)  # fmt: skip
    return perf_counter() - began


def _cpu_share(pid: int, span_s: float) -> float:
    before = _cpu_s(pid)
    sleep(span_s)
    return (_cpu_s(pid) - before) / span_s


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024
