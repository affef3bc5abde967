"""A place in the queue as something that a job can have taken from another."""

from __future__ import annotations

from dataclasses import dataclass

from quarterdeck.basics.ids import JobId


@dataclass(frozen=True, slots=True)
class QueuePlace:
    """All by which the queue is sorted, of the job that came with it: when `job_id` was submitted,
    how many GPUs it, or a task of it, asks for, and how many all that may start at once do, how
    long it should run, what it had so far, and on how many nodes it is to run.

    Jobs of one person change places by taking each other's. The place goes with the job that has
    taken it: once that has started nobody has it any more, so no third job is moved by it.
    """

    job_id: JobId
    submitted_at_ns: int
    gpus: float
    gpus_at_once: float
    expected_s: float | None = None
    served_gpu_s: float = 0.0
    nodes: int = 1
