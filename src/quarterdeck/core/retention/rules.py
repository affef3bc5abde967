"""The rules of retention: an age and a size for each kind of thing that grows, and what goes.

Pure: whoever asks says what there is, what time it is, and since when each thing is unused. An age
is never guessed: a clock that went back makes things younger, so it deletes too late, not too soon.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.quantities import GIB, format_bytes, format_span
from quarterdeck.basics.times import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

DAY_S: Final = 86_400.0


class Kind(StrEnum):
    """What is kept for a while, by what it is to people. The names are part of the API."""

    LOGS = "logs"
    """Log, metrics and facts of attempts that have ended."""
    RESULTS = "results"
    """What attempts left under `$QD_RESULTS`."""
    CHECKPOINTS = "checkpoints"
    """`$QD_CHECKPOINT` of jobs that have ended."""
    SNAPSHOTS = "snapshots"
    """Files of work folders, by content."""
    JOBS = "jobs"
    """Jobs that have ended, with all their events; archived before they go."""
    LEFTOVERS = "leftovers"
    """Folders of which nothing is left but the word that retention deleted the rest."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Unused for longer than `keep_s` goes; then the oldest, while more than `bytes_max` is left.
    None: no such limit."""

    keep_s: float | None = None
    bytes_max: int | None = None


@dataclass(frozen=True, slots=True)
class Retention:
    """A rule for each kind. The defaults suit one box."""

    logs: Rule = Rule(30 * DAY_S, 20 * GIB)
    results: Rule = Rule(90 * DAY_S, 200 * GIB)
    checkpoints: Rule = Rule(30 * DAY_S)
    checkpoints_succeeded: Rule = Rule(7 * DAY_S)
    snapshots: Rule = Rule(14 * DAY_S)
    jobs: Rule = Rule()


@dataclass(frozen=True, slots=True)
class Stored:
    """One thing that can go by itself. `attempt` is 0 where it belongs to the whole job, and both
    are empty for a work folder's file; `name` is what people call it. `touched_ns` is when it was
    last written or used, as far as the disk knows."""

    kind: Kind
    name: str
    size_bytes: int
    touched_ns: int
    job_id: str = ""
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class Doomed:
    """What is to go, and the rule that says so."""

    stored: Stored
    rule: str


def choose(
    stored: Iterable[Stored],
    rule: Rule,
    now_ns: int,
    unused_since: Callable[[Stored], int | None],
) -> list[Doomed]:
    """What the rule lets go, oldest first.

    `unused_since` is asked only of what would go by the disk's times, since it costs a look at the
    store: None says that it is in use, however old. What is in use still counts against the size.
    """
    doomed: list[Doomed] = []
    known = sorted(stored, key=lambda one: (one.touched_ns, one.name))
    total = sum(one.size_bytes for one in known)
    too_old = "" if rule.keep_s is None else f"unused for more than {format_span(rule.keep_s)}"
    too_much = "" if rule.bytes_max is None else f"more than {format_bytes(rule.bytes_max)} in all"
    for one in known:
        is_over = rule.bytes_max is not None and total > rule.bytes_max
        if not is_over and not _is_older(one.touched_ns, rule, now_ns):
            continue
        since_ns = unused_since(one)
        if since_ns is None:
            continue
        if _is_older(max(since_ns, one.touched_ns), rule, now_ns):
            doomed.append(Doomed(one, too_old))
        elif is_over:
            doomed.append(Doomed(one, too_much))
        else:
            continue
        total -= one.size_bytes
    return doomed


def _is_older(at_ns: int, rule: Rule, now_ns: int) -> bool:
    return rule.keep_s is not None and now_ns - at_ns > rule.keep_s * NS_PER_S
