"""What is told of jobs that wait: their place, why, what would help, and where they would go."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from quarterdeck.api.promise_views import promise_view
from quarterdeck.api.views import grant_views
from quarterdeck.basics.times import to_iso
from quarterdeck.wire.v1.queue import QueueEntry
from quarterdeck.wire.v1.verdicts import (
    ExplanationView,
    LatestView,
    PlanView,
    ToldList,
    ToldView,
    VerdictView,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quarterdeck.basics.ids import JobId
    from quarterdeck.control.explain import Explanation, Standing
    from quarterdeck.control.plan import Outlook
    from quarterdeck.core.scheduling.forecast import LatestStart
    from quarterdeck.core.scheduling.plan import Verdict
    from quarterdeck.ports.verdicts import Told
    from quarterdeck.wire.v1.jobs import JobView


def queue_entry(standing: Standing) -> QueueEntry:
    """One job that waits."""
    job = standing.job
    return QueueEntry(
        position=standing.position,
        id=job.id,
        name=job.spec.name,
        owner=job.actor,
        priority=job.spec.priority.value,
        demand=str(job.spec.demand),
        tasks_waiting=len(standing.waiting.tasks) if job.tasks is not None else None,
        submitted_at=to_iso(job.submitted_at_ns),
        starts_now=standing.starts_now,
        verdict=_verdict_view(standing.verdict, job.id),
    )


def plan_view(outlook: Outlook) -> PlanView:
    """The outlook of a job that does not exist."""
    placement = outlook.placement
    return PlanView(
        starts_now=placement is not None,
        site=placement.site if placement else None,
        placement=grant_views(placement.grants) if placement else [],
        position=outlook.position,
        verdict=_verdict_view(outlook.verdict),
        grounds=list(placement.grounds) if placement else [],
        allreduce_gbytes_s=placement.allreduce_gbytes_s if placement else None,
        latest=_latest_view(outlook.latest),
        promise=promise_view(outlook.promise),
    )


def explanation_view(told: Explanation, job: JobView) -> ExplanationView:
    """Why a job, as the asker may see it, is in its state."""
    outlook = told.outlook
    placement = outlook.placement if outlook else None
    lies = placement or next(iter(told.job.live_attempts), None)
    return ExplanationView(
        job=job,
        summary=told.summary,
        position=outlook.position if outlook else None,
        queue_length=told.queue_length,
        verdict=_verdict_view(outlook.verdict, told.job.id) if outlook else None,
        would_place=grant_views(placement.grants) if placement else [],
        grounds=list(lies.grounds) if lies else [],
        allreduce_gbytes_s=lies.allreduce_gbytes_s if lies else None,
        latest=_latest_view(outlook.latest) if outlook else None,
        promise=promise_view(outlook.promise) if outlook else None,
    )


def told_list(job_id: JobId, told: Iterable[Told]) -> ToldList:
    """What a job was told, and when."""
    return ToldList(
        job_id=job_id,
        told=[
            ToldView(
                at=to_iso(one.at_ns),
                code=one.code,
                message=one.message,
                hint=one.hint,
                numbers=dict(one.numbers),
                held_by=list(one.held_by),
            )
            for one in told
        ],
    )


def _verdict_view(verdict: Verdict | None, job_id: JobId | None = None) -> VerdictView | None:
    if verdict is None:
        return None
    return VerdictView(
        blocked_by=verdict.blocked_by.value,
        message=verdict.message,
        hint=verdict.hint,
        numbers=dict(verdict.numbers),
        held_by=list(verdict.held_by),
        change=_change(verdict),
        commands=_commands(verdict, job_id),
    )


def _change(verdict: Verdict) -> dict[str, str]:
    """One text for each key."""
    found: dict[str, list[str]] = {}
    for key, value in verdict.change:
        found.setdefault(key, []).append(value)
    return {key: ", ".join(values) for key, values in found.items()}


_LIMITS: Final = {"limit": "running", "budget": "device-hours"}


def _commands(verdict: Verdict, job_id: JobId | None) -> list[str]:
    """What to type for it. Nothing changes what a job asked for, so another one goes instead."""
    commands, settings = [], []
    for key, value in verdict.change:
        if key == "resume":
            commands.append(f"qd node resume {value}")
        elif key == "release":
            commands.append(f"qd release {value}")
        elif key in _LIMITS:
            noun, name, most = value.split()
            commands.append(f"qd {noun} limits {name} --{_LIMITS[key]} {most}")
        elif key != "needs":
            settings.append(f" --set {shlex.quote(f'{key}={value}')}")
    if verdict.change and not commands and job_id is not None:
        commands = [f"qd clone {job_id}{''.join(settings)}", f"qd cancel {job_id}"]
    return commands


def _latest_view(latest: LatestStart | None) -> LatestView | None:
    if latest is None:
        return None
    return LatestView(at=to_iso(latest.at_ns), when_ended=latest.when_ended)
