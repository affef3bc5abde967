"""What must hold, and how often it was looked at. A check that never looked is a failure too."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from quarterdeck.basics.ids import JobId


class Check(StrEnum):
    """Everything that is watched."""

    HELD_ONCE = "no device is granted twice"
    USED_ONCE = "no device is used by two live replicas"
    CAPACITY = "no node's cpus or memory are exceeded"
    CORDONED = "nothing new goes to what is cordoned"
    GANG_WHOLE = "a gang is placed whole, on different nodes"
    BARRIER = "a gang's command starts only when all of it stands"
    STARTED_ONCE = "a command starts once per attempt and replica"
    FENCED = "nothing of an ended attempt is started"
    RELEASED_LATE = "devices come free only when nothing lives"
    ATTEMPTS_COUNT = "attempt numbers count up by one"
    KEPT = "every accepted job is in the store"
    ONE_PER_KEY = "one idempotency key makes one job"
    REFUSED = "refused is exactly what can never run"
    VERDICTS = "every waiting job has a placement or a verdict"
    NUMBERS = "a verdict's numbers agree with the snapshot"
    PLAN_FITS = "a plan grants only what is free"
    ORDER = "no later job of the same demand goes first"
    EXPLAINED = "explain and plan answer and change nothing"
    REPLAY = "the log replays to the stored state"
    REBUILT = "a new board equals the one that died"
    TWICE_ONCE = "a report said twice changes nothing"
    LAUNCH_ONCE = "a launch said twice is one launch"
    CONVERGED = "every job ends, and nothing is left at the site"
    TRUE_END = "a job's end is what really happened"
    WISHES = "cancelled is exactly what people asked for"
    ARRAY_LIMIT = "an array never exceeds its own limit"
    TASK_ONCE = "no job and no task runs twice at once"
    ENDS_ONCE = "each job and each task ends once"
    NEEDS = "a job starts only when all it needs have succeeded"
    GIVEN_UP = "a job is given up exactly when one it needs cannot succeed"
    HOLD = "a held job is never placed"
    BACKOFF = "no retry is placed before its wait is over"
    NODES_KNOWN = "the site's nodes are known as they are"


class Violation(AssertionError):
    """Something that must hold does not."""

    def __init__(self, check: Check, message: str, job_id: JobId | None = None) -> None:
        super().__init__(f"{check.value}: {message}")
        self.check = check
        self.job_id = job_id


class Checks:
    """The tally."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(Check, 0)

    def hold(
        self, check: Check, holds: bool, told: Callable[[], str], job_id: JobId | None = None
    ) -> None:
        """Count one look; raise `Violation` when it does not hold."""
        self.counts[check] += 1
        if not holds:
            raise Violation(check, told(), job_id)
