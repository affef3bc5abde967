"""What Slurm's word on an ended job means for the replicas that said none themselves."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, NamedTuple

from quarterdeck.adapters.spool.doors import shut_door
from quarterdeck.basics.errors import Unavailable
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.states import ReplicaState

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from quarterdeck.adapters.engines.slurm.desk import Batch
    from quarterdeck.adapters.spool.replica import Spool
    from quarterdeck.ports.engine import AttemptRef

SETTLE_S: Final = 3.0
"""After Slurm's word that a job has ended, how long its runners' last words may be on their way."""
log = logging.getLogger(__name__)


class Fate(NamedTuple):
    """How a replica ended, as `Sighting` tells it. One that `explains` also says why a runner was
    told to end."""

    state: ReplicaState
    reason: Reason
    message: str
    explains: bool = False


NOT_STARTED: Final = Fate(
    ReplicaState.EXITED, Reason.STOPPED_AT_SITE, "it was stopped before it was started"
)
ENDED_LATE: Final = Fate(
    ReplicaState.EXITED,
    Reason.STOPPED_AT_SITE,
    "it was to stop and had not when its grace was over, so Slurm was told to end it",
    explains=True,
)
_FATES: Final = {
    "CANCELLED": (
        ReplicaState.EXITED, Reason.STOPPED_AT_SITE, "it was cancelled in Slurm, not by Quarterdeck"
    ),
    "PREEMPTED": (ReplicaState.EXITED, Reason.PREEMPTED, "Slurm took its nodes for other jobs"),
    "TIMEOUT": (ReplicaState.EXITED, Reason.TIMED_OUT, "it ran into Slurm's limit of time"),
    "DEADLINE": (ReplicaState.EXITED, Reason.TIMED_OUT, "it ran into Slurm's deadline"),
    "OUT_OF_MEMORY": (
        ReplicaState.EXITED, Reason.OUT_OF_MEMORY, "it used more memory than Slurm had given it"
    ),
}  # fmt: skip
_NODE: Final = ("NODE_FAIL", "BOOT_FAIL", "LAUNCH_FAILED", "RECONFIG_FAIL", "REVOKED")


def fate_of(state: str, reason: str, said: str, *, was_taken_up: bool) -> Fate:
    """By the state of the batch job (empty: Slurm knows it no more), and what its script said."""
    told = f"Slurm: {state}" if state else "Slurm knows nothing of it any more"
    if reason and reason not in ("None", state):
        told += f" ({reason})"
    if state in _FATES:
        level, why, message = _FATES[state]
        return Fate(level, why, f"{message} ({told})", explains=True)
    if state and state not in _NODE and not was_taken_up:
        message = f"its runner did not start ({told}): {said or 'it said nothing'}"
        return Fate(ReplicaState.EXITED, Reason.SETUP_FAILED, message)
    message = "a node of it was lost" if state in _NODE else "its runner ended without a word"
    return Fate(
        ReplicaState.LOST, Reason.NODE_FAILURE, f"{message} ({told})", explains=state in _NODE
    )


def pilot_fate_of(node: str, state: str, reason: str, why: str) -> Fate:
    """Of what ran under a pilot that is gone: by the state of its batch job, and its own last word.
    That its time was over or its node was taken is no fault of the jobs there, so they go on
    elsewhere."""
    told = f"Slurm: {state or 'knows nothing of it any more'}"
    if reason and reason not in ("None", state):
        told += f" ({reason})"
    level, code, message = (
        (ReplicaState.EXITED, Reason.PREEMPTED, f"the time of its pilot on {node} was over")
        if why == "time" or state in ("TIMEOUT", "DEADLINE")
        else _PILOT_FATES.get(state)
        or (
            (ReplicaState.EXITED, Reason.PREEMPTED, f"its pilot on {node} was told to end")
            if why
            else (ReplicaState.LOST, Reason.NODE_FAILURE, f"its pilot on {node} was lost")
        )
    )
    return Fate(level, code, f"{message.format(node=node)} ({told})", explains=True)


_PILOT_FATES: Final = {
    "CANCELLED": (
        ReplicaState.EXITED,
        Reason.STOPPED_AT_SITE,
        "its pilot on {node} was cancelled in Slurm, not by Quarterdeck",
    ),
    "PREEMPTED": (ReplicaState.EXITED, Reason.PREEMPTED, "Slurm took {node} for other jobs"),
    **dict.fromkeys(_NODE, (ReplicaState.LOST, Reason.NODE_FAILURE, "the node {node} was lost")),
}


def end_spool(spool: Spool, fate: Fate) -> None:
    """Give up a replica that has not said how it ended, and keep out whatever of it may live on;
    explain one that was told to end. `Unavailable` when the disk does not take it."""
    if spool.unexplained is not None and not fate.explains:
        spool.explain()
    elif not spool.sighting.state.is_gone:
        shut_door(spool.folder)
        spool.end(fate.state, fate.reason, fate.message)


def end_spools(ref: AttemptRef, spools: Iterable[Spool], fate: Fate) -> bool:
    """As `end_spool`, for several. False when a full disk does not take it: then it is to be said
    again."""
    try:
        for spool in spools:
            end_spool(spool, fate)
    except Unavailable as error:
        log.warning("the end of %s/%d cannot be written yet: %s", *ref, error)
        return False
    return True


def silent_fate(who: str, silence_s: float, *, explains: bool = False) -> Fate:
    """Of what nobody has heard of for so long."""
    told = f"{who} has said nothing for {silence_s:g} s"
    return Fate(ReplicaState.LOST, Reason.NODE_FAILURE, told, explains)


def has_settled(batch: Batch, spools: Sequence[Spool], now: float) -> bool:
    """Whether no last word is to be waited for, of a batch job that Slurm says is over."""
    batch.over_since = batch.over_since or now
    for spool in spools:
        spool.read()
    is_told = all(spool.has_ended for spool in spools)
    return is_told or now - batch.over_since >= SETTLE_S
