"""Why a job waits, when it would start and where; and what it was told while it waited."""

from __future__ import annotations

from pydantic import Field

from quarterdeck.wire.v1.base import Answer
from quarterdeck.wire.v1.jobs import GrantView, JobView
from quarterdeck.wire.v1.promises import PromiseView


class VerdictView(Answer):
    """Why a job does not start now."""

    blocked_by: str = Field(
        description="no_capacity, fragmented, cordoned, topology, gpu_model, mig_shape, "
        "behind_others, unsatisfiable, needs, backoff, held, array_limit, limit, pool_limit, "
        "budget, disk_full, making_room, guaranteed or reserved."
    )
    message: str
    hint: str
    numbers: dict[str, int]
    held_by: list[str] = Field(description="Jobs that hold the most of what it needs.")
    change: dict[str, str] = Field(
        default={},
        description="The cheapest change that would start it now, as keys of the job file, of which"
        " an empty one is left out; or `resume` and the nodes that are cordoned, `release` and the "
        "job, `limit` and whose jobs may run how many at once, `budget` and whose device hours are "
        "how many. Empty if nothing but waiting helps.",
    )
    commands: list[str] = Field(default=[], description="What to type for that change.")


class LatestView(Answer):
    """When a job starts at the latest, unless something goes before it that is not there yet."""

    at: str
    when_ended: str | None = Field(
        description="The job that has reached its time limit then; null if the caller may not "
        "know, or if it is not Quarterdeck's."
    )


class ExplanationView(Answer):
    """Why a job is in its state, and what would help."""

    job: JobView
    summary: str = Field(description="One sentence.")
    position: int | None = Field(
        description="Place in the queue, from 1, among the jobs that the caller may see; null when "
        "not queued."
    )
    queue_length: int = Field(description="How many jobs the caller sees in the queue.")
    verdict: VerdictView | None
    would_place: list[GrantView] = Field(
        description="Where the next decision would put it, when it fits now."
    )
    grounds: list[str] = Field(
        default=[], description="Why it lies where it lies, or would when it fits now."
    )
    allreduce_gbytes_s: float | None = Field(
        default=None, description="What an all-reduce over its GPUs should reach there."
    )
    latest: LatestView | None = Field(
        default=None, description="Null where time limits do not tell."
    )
    promise: PromiseView | None = Field(
        default=None,
        description="When it should start; null for what does not wait for room, or for ever.",
    )


class PlanView(Answer):
    """What would happen to a job if it were submitted now. Nothing is changed by asking."""

    starts_now: bool
    site: str | None
    placement: list[GrantView]
    position: int | None
    verdict: VerdictView | None
    grounds: list[str] = Field(default=[], description="Why there.")
    allreduce_gbytes_s: float | None = Field(
        default=None, description="What an all-reduce over its GPUs should reach there."
    )
    latest: LatestView | None = Field(
        default=None, description="Null where time limits do not tell."
    )
    promise: PromiseView | None = Field(
        default=None,
        description="When it should start; null for what does not wait for room, or for ever.",
    )


class ToldView(Answer):
    """What a waiting job was told from a moment on."""

    at: str
    code: str = Field(description="Why it waited, as in `blocked_by`; `placed` ends a wait.")
    message: str
    hint: str
    numbers: dict[str, int]
    held_by: list[str]


class ToldList(Answer):
    """What a job was told while it waited, oldest first."""

    job_id: str
    told: list[ToldView]
