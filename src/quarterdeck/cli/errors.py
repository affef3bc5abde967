"""What a person sees of an error, and the exit code that a script sees.

0 done, 1 the job failed, 2 usage, 3 refused, 4 no server answers; `run` has the job's own codes and
125 for whatever is not the job's doing. 130 and 141 are what a shell shows for ctrl-c and for a
reader that has gone.
"""

from __future__ import annotations

from quarterdeck.basics.errors import QuarterdeckError, Refused, Stale
from quarterdeck.cli.output import say

JOB_FAILED = 1
REFUSED = 3
UNREACHABLE = 4
TIMED_OUT = 124
RUN_FAILED = 125
INTERRUPTED = 130
READER_GONE = 141


def exit_code_of(error: QuarterdeckError, verb: str | None) -> int:
    """The exit code of an error of the house."""
    if verb == "run":
        return RUN_FAILED
    return REFUSED if isinstance(error, Refused | Stale) else UNREACHABLE


def show_error(error: QuarterdeckError) -> None:
    """What was wrong, and what to do."""
    say(f"error: {error}", err=True)
    if error.hint:
        say(f"hint: {error.hint}", err=True)
