"""From what the core works with to what a client reads. Times become ISO 8601 text in UTC."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import msgspec

from quarterdeck.basics.times import to_iso
from quarterdeck.core.jobs import events as ev
from quarterdeck.core.jobs.states import JobState
from quarterdeck.ports.store import JobRecord
from quarterdeck.wire.v1.events import EventView
from quarterdeck.wire.v1.jobs import (
    ArrayView,
    AttemptView,
    GrantView,
    JobView,
    NoteView,
    RankView,
    ReplicaView,
    RoleView,
    TaskList,
    TaskView,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from quarterdeck.control.board import Board
    from quarterdeck.core.cluster.demand import Grant
    from quarterdeck.core.cluster.events import SiteEvent
    from quarterdeck.core.cluster.hardware import Site
    from quarterdeck.core.jobs.job import Attempt, Job, Replica
    from quarterdeck.ports.store import Record

FAILED_SHOWN_MAX: Final = 20
_CAPITAL: Final = re.compile(r"(?<!^)(?=[A-Z])")
_STATE_AFTER: Final[dict[type, str]] = {
    ev.Submitted: JobState.QUEUED.value,
    ev.Placed: JobState.STARTING.value,
    ev.Started: JobState.RUNNING.value,
    ev.StopRequested: JobState.STOPPING.value,
    ev.Requeued: JobState.QUEUED.value,
    ev.Held: JobState.HELD.value,
    ev.Released: JobState.QUEUED.value,
}


class PretendNodes:
    """Which nodes have imaginary devices, by site, reckoned once per report of the site."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._known: dict[str, tuple[Site, frozenset[str]]] = {}

    def holds(self, job: Job) -> bool:
        """Whether the job's latest attempt is, or was, on imaginary devices."""
        attempt = job.attempt
        if attempt is None:
            return False
        site = self._board.find_site(attempt.site)
        if site is None:
            return False
        known = self._known.get(site.name)
        if known is None or known[0] is not site:
            known = (site, frozenset(node.name for node in site.nodes if node.pretend))
            self._known[site.name] = known
        return any(replica.grant.node in known[1] for replica in attempt.replicas)


def job_view(job: Job, pretend: PretendNodes, warnings: Sequence[str] = ()) -> JobView:
    """The whole job. Its start is that of the latest attempt, once it is out of the queue."""
    spec = job.spec
    wanted = spec.demand.resources
    return JobView(
        id=job.id,
        name=spec.name,
        team=spec.team,
        owner=job.actor,
        state=job.state.value,
        reason=job.reason.value if job.reason else None,
        message=job.message,
        exit_code=job.exit_code,
        priority=spec.priority.value,
        command=list(spec.command),
        image=spec.image,
        image_digest=job.image,
        isolate=spec.is_isolated,
        env=dict(spec.env),
        nodes=spec.demand.nodes,
        nodes_max=spec.demand.nodes_max,
        ranks_per_node=spec.ranks_per_node,
        gpus_per_node=wanted.gpus,
        cpus_per_node=wanted.cpus,
        memory_bytes_per_node=wanted.memory_bytes,
        demand=str(spec.demand),
        snapshot=spec.snapshot,
        pretend=pretend.holds(job),
        submitted_at=to_iso(job.submitted_at_ns),
        started_at=_started_at(job),
        ended_at=_iso(job.ended_at_ns),
        placement=grant_views(job.grants()),
        attempts=[_attempt_view(attempt) for attempt in job.attempts],
        time_limit_s=spec.time_limit_s,
        preemptible=spec.is_preemptible,
        min_runtime_s=spec.min_runtime_s,
        retries=job.retries,
        retry_at=_iso(job.wait.until_ns) if job.wait else None,
        place_as_of=_iso(job.queue_place.submitted_at_ns) if job.queue_place else None,
        needs=list(spec.needs),
        needs_unmet=list(job.unmet),
        array=_array_view(job),
        roles=[
            RoleView(
                name=role.name,
                nodes=group.nodes,
                ranks_per_node=role.ranks_per_node,
                command=list(role.command),
            )
            for role, group in zip(spec.roles, spec.demand.beside, strict=True)
        ],
        tags=dict(spec.tags),
        warnings=list(warnings),
        notes=[
            NoteView(at=to_iso(note.at_ns), author=note.actor, text=note.text) for note in job.notes
        ],
    )


def _started_at(job: Job) -> str | None:
    """When the latest attempt started, once the job is out of the queue; of an array, the first."""
    if job.tasks is not None:
        return _iso(job.tasks.started_at_ns)
    is_waiting = job.state in (JobState.QUEUED, JobState.HELD)
    return _iso(job.attempt.started_at_ns) if job.attempt and not is_waiting else None


def _array_view(job: Job) -> ArrayView | None:
    array, tasks = job.spec.array, job.tasks
    if array is None or tasks is None:
        return None
    failed = islice(tasks.positions(JobState.FAILED), FAILED_SHOWN_MAX)
    return ArrayView(
        text=str(array),
        tasks=len(tasks.states),
        parallel=array.parallel,
        counts={state.value: count for state, count in tasks.counts().items()},
        failed=[array.indices[position] for position in failed],
    )


def task_list(job: Job, states: tuple[JobState, ...], limit: int) -> TaskList:
    """The tasks of an array in these states, or in any."""
    array, tasks = job.spec.array, job.tasks
    views: list[TaskView] = []
    if array is not None and tasks is not None:
        chosen = tasks.positions(*(states or tuple(JobState)))
        views = [
            TaskView(
                index=array.indices[position],
                state=tasks.state(position).value,
                attempt=tasks.attempts[position] or None,
                retries=tasks.retries_of(position),
            )
            for position in islice(chosen, limit)
        ]
    return TaskList(job_id=job.id, tasks=views)


def grant_views(grants: Iterable[Grant]) -> list[GrantView]:
    """What the replicas hold, in their order."""
    return [
        GrantView(
            node_rank=rank,
            node=grant.node,
            gpus=list(grant.devices),
            cpus=grant.cpus,
            memory_bytes=grant.memory_bytes,
            nics=list(grant.nics),
        )
        for rank, grant in enumerate(grants)
    ]


def _attempt_view(attempt: Attempt) -> AttemptView:
    return AttemptView(
        number=attempt.number,
        state=attempt.state.value,
        site=attempt.site,
        placed_at=to_iso(attempt.placed_at_ns),
        started_at=_iso(attempt.started_at_ns),
        ended_at=_iso(attempt.ended_at_ns),
        reason=attempt.reason.value if attempt.reason else None,
        message=attempt.message,
        exit_code=attempt.exit_code,
        task=attempt.task,
        grounds=list(attempt.grounds),
        allreduce_gbytes_s=attempt.allreduce_gbytes_s,
        placement=grant_views(replica.grant for replica in attempt.replicas),
        replicas=[_replica_view(replica) for replica in attempt.replicas],
    )


def _replica_view(replica: Replica) -> ReplicaView:
    return ReplicaView(
        node_rank=replica.node_rank,
        node=replica.grant.node,
        state=replica.state.value,
        started_at=_iso(replica.started_at_ns),
        ended_at=_iso(replica.ended_at_ns),
        ranks=[
            RankView(rank=end.rank, code=end.code, signal=end.signal, stopped=end.stopped)
            for end in replica.exits
        ],
        message=replica.message,
        image=replica.image or None,
        pull_s=replica.pull_s,
    )


def event_view(record: Record) -> EventView:
    """One entry of the log. `data` holds the fact's own fields, whose names are as lasting as the
    stored log itself; only their times are put into text."""
    event = record.event
    job_id, revision, state = None, None, None
    if isinstance(record, JobRecord):
        job_id, revision = record.job_id, record.revision
        state = _state_after(event)
    data = _with_text_times(msgspec.to_builtins(event))
    at = data.pop("at")
    return EventView(
        seq=record.seq,
        kind=_CAPITAL.sub("_", type(event).__name__).lower(),
        at=at,
        job_id=job_id,
        revision=revision,
        state=state,
        data=data,
    )


def _state_after(event: ev.JobEvent | SiteEvent) -> str | None:
    """The job's state after the event; None where it stays, or where the event cannot tell."""
    if isinstance(event, ev.Cancelled):
        return event.next_state.value
    if getattr(event, "task", None) is not None:
        closes = event.closes if isinstance(event, ev.Ended) else None
        return closes.value if closes is not None else None
    if isinstance(event, ev.Ended):
        return event.next_state.value
    if isinstance(event, ev.Submitted) and event.is_held:
        return JobState.HELD.value
    return _STATE_AFTER.get(type(event))


def _with_text_times(plain: Any) -> Any:  # noqa: ANN401 - whatever JSON can hold
    if isinstance(plain, list | tuple):
        return [_with_text_times(part) for part in plain]
    if not isinstance(plain, dict):
        return plain
    text: dict[str, Any] = {}
    for name, value in plain.items():
        if name == "at_ns" or name.endswith("_at_ns"):
            text[name.removesuffix("_ns")] = _iso(value)
        else:
            text[name] = _with_text_times(value)
    return text


def _iso(at_ns: int | None) -> str | None:
    return None if at_ns is None else to_iso(at_ns)
