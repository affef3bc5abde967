"""The port that is this machine's chance."""

from __future__ import annotations

import secrets

from quarterdeck.basics.ids import JobId, format_id


class RandomIds:
    """Ids from the system's own source of chance."""

    def new_job_id(self) -> JobId:
        """An id that nobody could have guessed."""
        return JobId(format_id("j", secrets.randbits(45)))
