"""What Slurm's errors mean for us: whose turn it is, and what to do.

The texts are those of slurm_errno.c in 22.05 to 25.05 as its commands print them, in English
because they run with LC_ALL=C. What is not known here is told in Slurm's words.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from quarterdeck.basics.errors import QuarterdeckError, Refused, Unavailable

SHOWN_CHARS_MAX: Final = 300
LOOKED_AT_CHARS: Final = 10_000


class Cause(StrEnum):
    """Why Slurm refused; an engine tells them apart."""

    PARTITION = "partition"
    ACCOUNT = "account"
    QOS = "qos"
    LIMIT = "limit"
    """The account has as many jobs as its limits allow: it may pass later."""
    TIME_LIMIT = "time_limit"
    NEVER_FITS = "never_fits"
    NODES = "nodes"
    GRES = "gres"
    RESERVATION = "reservation"
    NOT_ALLOWED = "not_allowed"
    NO_SUCH_JOB = "no_such_job"
    JOB_ENDED = "job_ended"
    NO_ACCOUNTING = "no_accounting"
    OTHER = "other"


class SlurmRefused(Refused):
    """Slurm answered, and said no; `cause` says why in our words, the message in Slurm's."""

    def __init__(self, message: str, cause: Cause, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.cause = cause


_WORLD: Final = (
    (
        ("unable to contact slurm controller", "connect failure", "connection refused"),
        "is slurmctld running? `scontrol ping` asks it",
    ),
    (
        ("standby mode", "unexpected message received", "zero bytes were transmitted"),
        "the controller is changing over; ask again",
    ),
    (
        ("socket timed out", "connection timed out", "communication connection failure"),
        "slurmctld is slow or far away: `sdiag` shows what it is busy with",
    ),
    (
        ("munge", "authentication", "auth plugin"),
        "is munged running here, with the key of the cluster?",
    ),
    (
        ("configuration source", "fetch_config", "process configuration", r"slurm\.conf"),
        "set SLURM_CONF to the cluster's slurm.conf",
    ),
    (("incompatible versions",), "use the client programs of the cluster's Slurm"),
    (
        ("temporarily unable to accept job", "resource temporarily unavailable"),
        "the cluster holds as many jobs as its MaxJobCount; it takes more when some have ended",
    ),
    (
        ("i/o error writing script", "no space left"),
        "the controller cannot write its StateSaveLocation: is its disk full?",
    ),
    (("slurmdbd", "database"), "is slurmdbd running? `sacctmgr ping` asks it"),
)

_REFUSALS: Final = (
    (Cause.NO_ACCOUNTING, ("storage is disabled",), "the cluster keeps no accounting"),
    (
        Cause.ACCOUNT,
        ("invalid account",),
        "`sacctmgr show associations user=$USER` lists the accounts of a user",
    ),
    (
        Cause.PARTITION,
        ("invalid partition", "partition not available", "use this partition"),
        "`sinfo -s` lists the partitions",
    ),
    (Cause.QOS, ("invalid qos",), "`sacctmgr show qos` lists them; the account must have it"),
    (
        Cause.TIME_LIMIT,
        ("time limit is invalid", "--time spec", "maxwall", "time limit exceeds"),
        "ask for less time than the partition's MaxTime, or name another partition",
    ),
    (
        Cause.LIMIT,
        ("accounting/qos policy", "submit limit", r"(?:assoc|qos)(?:max|grp)\w+"),
        "wait until some of the account's jobs have ended, or have its limits raised",
    ),
    (
        Cause.RESERVATION,
        ("reservation",),
        "`scontrol show reservation` lists them and who may use them",
    ),
    (
        Cause.NODES,
        ("invalid node name", "invalid number of nodes", "node count spec", "node .* not found"),
        "`sinfo -N` lists the nodes",
    ),
    (Cause.GRES, ("gres", "generic resource"), "`sinfo -o '%N %G'` lists what nodes have"),
    (
        Cause.NEVER_FITS,
        ("configuration is not available", "can not be satisfied", "feature specification"),
        "`scontrol show node` says what a node has",
    ),
    (
        Cause.NO_SUCH_JOB,
        ("invalid job id",),
        "it never was, or ended longer ago than the cluster's MinJobAge",
    ),
    (Cause.JOB_ENDED, ("already completing or completed", "already finished"), ""),
    (
        Cause.NOT_ALLOWED,
        ("permission denied", "access denied", "invalid user id"),
        "let the cluster's operator give this account the right",
    ),
)


def _any(texts: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(texts), re.IGNORECASE)


_WORLD_PATTERNS: Final = tuple((_any(texts), hint) for texts, hint in _WORLD)
_REFUSAL_PATTERNS: Final = tuple((cause, _any(texts), hint) for cause, texts, hint in _REFUSALS)


def explain(program: str, error: str) -> QuarterdeckError:
    """The error of the house for what a command wrote to its error output. The last line counts
    most: sbatch tells first what it tried again, and at the end why it gave up."""
    told = f"{program}: {_shown(error) or 'it failed and said nothing'}"
    for line in reversed(error[-LOOKED_AT_CHARS:].splitlines()):
        for cause, pattern, hint in _REFUSAL_PATTERNS:
            if pattern.search(line):
                return SlurmRefused(told, cause, hint=hint)
        if (world := _find_world(line)) is not None:
            return Unavailable(told, hint=world)
    return SlurmRefused(told, Cause.OTHER, hint="the message is Slurm's own")


def explain_late(program: str, timeout_s: float, error: str) -> Unavailable:
    """A command that did not end in time, and what it had said by then."""
    hint = _find_world(error) or "is slurmctld overloaded? `sdiag` shows what it is busy with"
    said = f": {_shown(error)}" if error.strip() else ""
    return Unavailable(f"{program} did not answer in {timeout_s:g} s{said}", hint=hint)


def _find_world(error: str) -> str | None:
    for pattern, hint in _WORLD_PATTERNS:
        if pattern.search(error):
            return hint
    return None


def _shown(error: str) -> str:
    """In one line that can be printed, each sentence once."""
    lines = dict.fromkeys(line.strip() for line in error.splitlines() if line.strip())
    text = "; ".join(line.partition("error: ")[2] or line for line in lines)
    return "".join(sign if sign.isprintable() else "?" for sign in text)[:SHOWN_CHARS_MAX]
