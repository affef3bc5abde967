"""What keeps a job back whatever is free: others before it, its needs, its limits."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.quantities import format_span
from quarterdeck.basics.times import NS_PER_S, to_iso
from quarterdeck.core.scheduling.plan import Blocker, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection

    from quarterdeck.core.scheduling.allowances import Allowance, Party, Tally
    from quarterdeck.core.scheduling.backfill import Shadow
    from quarterdeck.core.scheduling.budgets import Budget
    from quarterdeck.core.scheduling.snapshot import Running, Waiting

NEEDS_SHOWN_MAX: Final = 5


def behind_shadow(
    waiting: Waiting, shadow: Shadow, now_ns: int, *, would_start: bool, is_before: bool = True
) -> Verdict:
    """The verdict of a job that would make one start later that is before it, or that was promised
    its start. If it had room but for that, it hears which time limit would let it start."""
    ahead = shadow.waiting
    told = behind(waiting, ahead)
    left_s = (shadow.start_ns - now_ns) / NS_PER_S
    why = "is before it" if is_before else "was promised its start"
    told = replace(
        told,
        message=f"{ahead.job_id} {why} ({ahead.demand}) and starts in {format_span(left_s)} "
        "at the latest; what may still run then starts only on other nodes",
        numbers={"ahead_starts_s": math.ceil(left_s)},
    )
    limit = shadow.limit_for(waiting, now_ns) if would_start else None
    if limit is None:
        return told
    hint = f"with time_limit: {limit} it would start now; {told.hint}"
    return replace(told, hint=hint, change=(("time_limit", limit),))


def with_promise(verdict: Verdict, starts_ns: int, now_ns: int) -> Verdict:
    """The same of a job that nothing may make start later than that either."""
    left_s = (starts_ns - now_ns) / NS_PER_S
    return replace(
        verdict,
        message=f"{verdict.message}; it starts in {format_span(left_s)} at the latest itself",
        numbers={**verdict.numbers, "starts_s": math.ceil(left_s)},
    )


def behind(waiting: Waiting, ahead: Waiting) -> Verdict:
    """The verdict of a job that may not pass another one any more."""
    return Verdict(
        waiting.job_id,
        Blocker.BEHIND_OTHERS,
        f"{ahead.job_id} is before it ({ahead.demand}) and has waited so long that nothing may "
        "pass it any more",
        hint=f"it is looked at again once {ahead.job_id} has started; `qd explain {ahead.job_id}`",
        held_by=(ahead.job_id,),
    )


def making_room(
    waiting: Waiting, victims: Collection[Running], lost_gpu_s: float | None = None
) -> Verdict:
    """The verdict of a job for which others are being stopped: these, and who is going already.
    Where they have borrowed what its team is guaranteed, so much work of theirs is lost."""
    if not victims:
        return Verdict(
            waiting.job_id,
            Blocker.MAKING_ROOM,
            "what it needs comes free: those that hold it are being stopped",
            hint="it starts as soon as they have stopped",
        )
    count = len({one.job_id for one in victims if not one.keeps})
    smaller = len({one.job_id for one in victims if one.keeps})
    gpus = sum(len(grant.devices) for one in victims for grant in one.leaves)
    numbers = {"jobs_stopped": count, "gpus_freed": gpus}
    who = f"{_jobs(count)} that had more GPU time must go"
    if lost_gpu_s is not None:
        goes = [f"{_jobs(count)} on it must go"] if count else []
        if smaller:
            goes.append(
                f"{_jobs(smaller)} {'give' if smaller > 1 else 'gives'} up some nodes of it"
            )
            numbers["jobs_made_smaller"] = smaller
        who = f"it is guaranteed the room, and {' and '.join(goes)}"
        numbers["gpu_seconds_lost"] = round(lost_gpu_s)
    return Verdict(
        waiting.job_id,
        Blocker.MAKING_ROOM,
        f"{who}: {gpus} GPU{'s'[: gpus != 1]} come free for it",
        hint="it starts as soon as they have stopped",
        numbers=numbers,
        held_by=tuple(dict.fromkeys(one.job_id for one in victims)),
    )


def _jobs(count: int) -> str:
    return f"{count} jobs" if count > 1 else "a job"


def kept_for_others(waiting: Waiting) -> Verdict:
    """The verdict of a job for which there is room only on what others are guaranteed, and that
    could not make way for them."""
    hint = "it starts when more is free than others are guaranteed"
    change: tuple[tuple[str, str], ...] = ()
    if not waiting.is_preemptible:
        hint = f"with `preemptible: true` it would start now; {hint}"
        change = (("preemptible", "true"),)
    elif waiting.min_runtime_s:
        hint = f"without `min_runtime` it would start now; {hint}"
        change = (("min_runtime", ""),)
    return Verdict(
        waiting.job_id,
        Blocker.GUARANTEED,
        "there is room, but others are guaranteed it, and a job that cannot make way at once "
        "does not get it",
        hint=hint,
        change=change,
    )


def not_ready(waiting: Waiting, placed: int, now_ns: int) -> Verdict:
    """The verdict of a job of which nothing more may be placed, whatever is free."""
    if waiting.unmet:
        shown = ", ".join(waiting.unmet[:NEEDS_SHOWN_MAX])
        more = len(waiting.unmet) - NEEDS_SHOWN_MAX
        return Verdict(
            waiting.job_id,
            Blocker.NEEDS,
            f"it needs {shown}{f' and {more} more' if more > 0 else ''} to succeed first",
            hint=f"`qd explain {waiting.unmet[0]}` says how that stands",
            numbers={"needs_unmet": len(waiting.unmet)},
            held_by=waiting.unmet[:NEEDS_SHOWN_MAX],
        )
    if placed >= waiting.room:
        return Verdict(
            waiting.job_id,
            Blocker.ARRAY_LIMIT,
            f"{waiting.parallel} of its tasks may run at once, and so many do; "
            f"{len(waiting.tasks) - placed} wait",
            hint="the others start as those end",
            numbers={"tasks_waiting": len(waiting.tasks) - placed},
        )
    next_ns = waiting.next_ready_ns(now_ns) or now_ns
    left_s = (next_ns - now_ns) / NS_PER_S
    return Verdict(
        waiting.job_id,
        Blocker.BACKOFF,
        f"its last attempt failed; the next one waits another {format_span(left_s)}",
        hint="`retry.backoff` in the job file says how long",
        numbers={"wait_s": math.ceil(left_s)},
    )


def at_limit(waiting: Waiting, narrowest: tuple[int, Party, Allowance]) -> Verdict:
    """The verdict of a job whose team or owner runs as many as may at once."""
    left, (whose, name), allowance = narrowest
    who = f"team {name}" if whose == "team" else f"user {name}"
    if allowance.spent is not None and waiting.demand.gpus > 0:
        return _over_budget(waiting, who, allowance.spent)
    assert allowance.running_max is not None
    running = allowance.running_max - max(0, left)
    return Verdict(
        waiting.job_id,
        Blocker.LIMIT,
        f"{who} may run {allowance.running_max} jobs at once, and {running} run or start",
        hint="it starts when one of them has ended",
        numbers={"running": running, "running_max": allowance.running_max},
    )


def _over_budget(waiting: Waiting, who: str, spent: Budget) -> Verdict:
    hint = "it may use none in any month"
    if spent.until_ns is not None:
        hint = f"the next month begins on {to_iso(spent.until_ns)[:10]} (UTC)"
    return Verdict(
        waiting.job_id,
        Blocker.BUDGET,
        f"{who} has used {spent.used_h:,.1f} of its {spent.most_h:,} device hours of this month",
        hint=hint,
        numbers={"device_hours_used": int(spent.used_h), "device_hours_max": spent.most_h},
    )


def opened(waiting: Waiting, verdict: Verdict, tally: Tally) -> tuple[Waiting, Verdict]:
    """A job that is kept back as it would be without that, and its verdict with what to do for it;
    both as they are where no one thing would do."""
    left = tally.narrowest(waiting.team, waiting.owner, waiting.demand)
    if verdict.blocked_by in (Blocker.LIMIT, Blocker.BUDGET):
        assert left is not None
        if not tally.would_let(waiting.team, waiting.owner, waiting.demand, but=left[1]):
            return waiting, verdict
        (whose, name), is_limit = left[1], verdict.blocked_by is Blocker.LIMIT
        most = verdict.numbers["running" if is_limit else "device_hours_used"] + 1
        noun, option = (
            "team" if whose == "team" else "user",
            "running" if is_limit else "device-hours",
        )
        words = f"with `qd {noun} limits {name} --{option} {most}`, which an admin may say,"
        change = (verdict.blocked_by.value, f"{noun} {name} {most}")
        return waiting, _changed(verdict, words, change)
    if left is not None and left[0] <= 0:
        return waiting, verdict
    if verdict.blocked_by is Blocker.NEEDS:
        free = replace(waiting, unmet=())
        return free, _changed(verdict, "without `needs`", ("needs", ""))
    if verdict.blocked_by is Blocker.ARRAY_LIMIT and waiting.array is not None:
        assert waiting.parallel is not None
        wider = replace(waiting.array, parallel=waiting.parallel + 1)
        free = replace(waiting, room=waiting.room + 1, parallel=wider.parallel, array=wider)
        return free, _changed(verdict, f"with `array: {wider}`", ("array", str(wider)))
    return waiting, verdict


def _changed(verdict: Verdict, words: str, change: tuple[str, str]) -> Verdict:
    hint = f"{words} it would start now; {verdict.hint}"
    return replace(verdict, hint=hint, change=(change,))


def shut_out(waiting: Waiting, sites: Collection[str]) -> Verdict:
    """The verdict of a job that would fit somewhere, but nowhere that its team or owner may use."""
    named = f"only the sites {', '.join(sorted(sites))}" if sites else "no site at all"
    return Verdict(
        waiting.job_id,
        Blocker.LIMIT,
        f"its team and its owner together may use {named}, and it could never fit there",
        hint="an admin may let them use more sites",
        numbers={"sites": len(sites)},
    )
