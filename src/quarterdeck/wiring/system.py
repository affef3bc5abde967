"""The ports that are this machine itself: its clock and its chance."""

from __future__ import annotations

import secrets
import time

from quarterdeck.basics.ids import JobId, format_id


class SystemClock:
    """The wall clock."""

    def now_ns(self) -> int:
        """Nanoseconds since the epoch, UTC."""
        return time.time_ns()


class RandomIds:
    """Ids from the system's own source of chance."""

    def new_job_id(self) -> JobId:
        """An id that nobody could have guessed."""
        return JobId(format_id("j", secrets.randbits(45)))
