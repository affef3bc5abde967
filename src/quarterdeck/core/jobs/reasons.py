"""Stable codes that say why a job is where it is. They are part of the API: never renamed."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Reason(StrEnum):
    """Why a job or an attempt ended, is being stopped, or went back to the queue."""

    COMPLETED = "completed"
    """The command ended by itself with code 0 on every rank."""
    USER_ERROR = "user_error"
    """The command ended with a code other than 0, or by a signal that was not ours."""
    CANCELLED_BY_USER = "cancelled_by_user"
    """Somebody asked for it with `cancel`."""
    REQUEUED_BY_USER = "requeued_by_user"
    """Somebody asked for another attempt with `requeue`."""
    NODE_FAILURE = "node_failure"
    """A node or the runner on it was lost while the attempt was alive."""
    NODE_DRAINED = "node_drained"
    """A node that it ran on was drained; it goes back into the queue and starts elsewhere."""
    PREEMPTED = "preempted"
    """It made room for others; it goes back to its place in the queue and starts again, at once if
    it gave up only some of its nodes."""
    TIMED_OUT = "timed_out"
    """It ran into its own `time_limit` and was stopped."""
    OUT_OF_MEMORY = "out_of_memory"
    """It used more memory than it had asked for, and the node ended it."""
    STOPPED_AT_SITE = "stopped_at_site"
    """Somebody at the site stopped it past Quarterdeck, for example with `scancel`."""
    NEEDS_FAILED = "needs_failed"
    """A job that it needs ended otherwise than well, so it can never start."""
    HELD_BY_USER = "held_by_user"
    """Somebody asked for it with `hold`: it stays out of the queue until `release`."""
    RELEASED_BY_USER = "released_by_user"
    """Somebody let it into the queue with `release`."""
    SETUP_FAILED = "setup_failed"
    """The work folder could not be laid out or the command could not be started."""


TOLD_BY_SITE: Final = (
    Reason.SETUP_FAILED,
    Reason.TIMED_OUT,
    Reason.OUT_OF_MEMORY,
    Reason.STOPPED_AT_SITE,
    Reason.PREEMPTED,
)
"""Ends of a replica that its runner tells, or the engine, which may make room for others too."""
