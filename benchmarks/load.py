"""Accepting jobs: one by one from eight clients, and thousands in one request."""

from __future__ import annotations

import multiprocessing
import tempfile
from multiprocessing.queues import Queue
from pathlib import Path
from time import perf_counter

from benchmarks.figures import Figure, as_ms, percentile
from benchmarks.jobs import PRETEND
from benchmarks.server import running_server
from quarterdeck.sdk import Client, JobRequest

SUBMITS_PER_CLIENT = 250
BATCH_JOBS = 5000
CLIENTS = 8
HELD = {"name": "load", "run": ["true"], "hold": True}
"""Held, so that what is measured is accepting and nothing else."""


def figures() -> list[Figure]:
    """Submits one by one, from many clients, and in batches."""
    with tempfile.TemporaryDirectory(prefix="qd-bench-") as folder:
        home = Path(folder)
        with running_server("--pretend", PRETEND, home=home):
            rate, took = measure_submits(home, SUBMITS_PER_CLIENT)
            batch_rate = measure_batches(home, BATCH_JOBS, batches=2)
    p99 = percentile(took, 0.99)
    return [
        Figure(
            f"submits accepted (synced), {CLIENTS} clients on the same processors",
            f"{rate:.0f}/s",
            "≥ 500/s",
            holds=rate >= 500,
        ),
        Figure("the same, p99 of one", as_ms(p99), "< 200 ms", holds=p99 < 0.200),
        Figure(
            f"jobs accepted in batches of {BATCH_JOBS}",
            f"{batch_rate:.0f}/s",
            "≥ 10000/s",
            holds=batch_rate >= 10_000,
        ),
    ]


def measure_submits(home: Path, per_client: int) -> tuple[float, list[float]]:
    """Submits per second of all clients together, and how long each took."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(CLIENTS + 1)
    answers: Queue[list[float]] = context.Queue()
    processes = [
        context.Process(target=_submit, args=(home, per_client, barrier, answers))
        for _ in range(CLIENTS)
    ]
    for process in processes:
        process.start()
    barrier.wait()
    began = perf_counter()
    took = [seconds for _ in processes for seconds in answers.get()]
    span_s = perf_counter() - began
    for process in processes:
        process.join()
    return len(took) / span_s, took


def _submit(home: Path, count: int, barrier: object, answers: Queue[list[float]]) -> None:
    took = []
    with Client(home=home) as client:
        request = JobRequest.model_validate(HELD)
        client.submit(request)
        barrier.wait()  # type: ignore[attr-defined]
        for _ in range(count):
            began = perf_counter()
            client.submit(request)
            took.append(perf_counter() - began)
    answers.put(took)


def measure_batches(home: Path, size: int, batches: int) -> float:
    """Jobs per second that one client gets accepted in batches."""
    request = JobRequest.model_validate(HELD)
    with Client(home=home) as client:
        began = perf_counter()
        for _ in range(batches):
            assert len(client.submit_all([request] * size)) == size
        return size * batches / (perf_counter() - began)
