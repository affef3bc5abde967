"""Accepting jobs: one by one from eight clients, and thousands in one request."""

from __future__ import annotations

import multiprocessing
from multiprocessing.queues import Queue
from pathlib import Path
from time import perf_counter

from quarterdeck.sdk import Client, JobRequest

CLIENTS = 8
HELD = {"name": "load", "run": ["true"], "hold": True}
"""Held, so that what is measured is accepting and nothing else."""


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
