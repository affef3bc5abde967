"""What keeps a job back whatever is free: others before it, its needs, its limits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.quantities import format_span
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.scheduling.plan import Blocker, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection

    from quarterdeck.core.scheduling.allowances import Allowance, Party
    from quarterdeck.core.scheduling.snapshot import Waiting

NEEDS_SHOWN_MAX: Final = 5


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


def not_ready(waiting: Waiting, placed: int, now_ns: int) -> Verdict:
    """The verdict of a job of which nothing more may be placed, whatever is free."""
    if waiting.unmet:
        shown = ", ".join(waiting.unmet[:NEEDS_SHOWN_MAX])
        more = len(waiting.unmet) - NEEDS_SHOWN_MAX
        return Verdict(
            waiting.job_id,
            Blocker.NEEDS,
            f"it needs {shown}{f' and {more} more' if more > 0 else ''} to succeed first",
            hint=f"`qd explain {waiting.unmet[0]}`",
            numbers={"needs_unmet": len(waiting.unmet)},
            held_by=waiting.unmet[:NEEDS_SHOWN_MAX],
        )
    if placed >= waiting.room:
        return Verdict(
            waiting.job_id,
            Blocker.ARRAY_LIMIT,
            f"{waiting.parallel} of its tasks may run at once, and so many do; "
            f"{len(waiting.tasks) - placed} wait",
            hint="a larger number after the % of `array` lets more run",
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
    assert allowance.running_max is not None
    running = allowance.running_max - max(0, left)
    return Verdict(
        waiting.job_id,
        Blocker.LIMIT,
        f"{who} may run {allowance.running_max} jobs at once, and {running} run or start",
        hint="it starts when one of them has ended; an admin may raise the limit",
        numbers={"running": running, "running_max": allowance.running_max},
    )


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
