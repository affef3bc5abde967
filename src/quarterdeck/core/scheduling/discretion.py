"""A verdict as somebody may hear it who does not know of every job that is in it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from quarterdeck.core.scheduling.plan import Blocker

if TYPE_CHECKING:
    from collections.abc import Set

    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.scheduling.plan import Verdict


def conceal(verdict: Verdict, hidden: Set[JobId]) -> Verdict:
    """The verdict without these jobs: neither their names nor what they asked for."""
    if not hidden:
        return verdict
    known = tuple(job_id for job_id in verdict.held_by if job_id not in hidden)
    others = f"{len(hidden)} jobs of others" if len(hidden) > 1 else "a job of somebody else"
    if verdict.blocked_by is Blocker.BEHIND_OTHERS:
        return replace(
            verdict,
            message="a job of somebody else is before it and has waited so long that nothing may "
            "pass it any more",
            hint="it is looked at again once that has started",
            held_by=known,
        )
    if verdict.blocked_by is Blocker.NEEDS:
        shown = ", ".join([*known, others])
        return replace(
            verdict,
            message=f"it needs {shown} to succeed first",
            hint=_without(verdict.hint, hidden),
            held_by=known,
        )
    hint = verdict.hint
    if any(job_id in hint for job_id in hidden):
        hint = f"it starts when enough of {', '.join([*known, others])} has ended"
    return replace(verdict, hint=hint, held_by=known)


def _without(hint: str, hidden: Set[JobId]) -> str:
    """The parts of a hint that name none of these jobs."""
    parts = (part for part in hint.split("; ") if not any(job_id in part for job_id in hidden))
    return "; ".join(parts)
