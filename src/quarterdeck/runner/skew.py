"""Whether this node's clock agrees with that of the site's folder.

Times that a runner writes are compared with those of others, for promises and for bills. A clock
that is minutes off makes them wrong, so nothing is run by it.
"""

from __future__ import annotations

import os
import time


class ClockSkewed(Exception):
    """The clocks differ by more than may be."""


def check_clock(path: str, seconds_max: float | None) -> None:
    """Compare our clock with the time that the file system gives a file that was just written."""
    if seconds_max is None:
        return
    try:
        written_at = os.stat(path).st_mtime
    except OSError:
        return  # A full disk: the beat could not be written, and the lock says that we live.
    skew_s = time.time() - written_at
    if abs(skew_s) > seconds_max:
        raise ClockSkewed(
            "the clock of this node is %d s %s that of the site's folder: set both by NTP"
            % (abs(skew_s), "ahead of" if skew_s > 0 else "behind")
        )
