"""What tests of Slurm's engines ask again and again: what is seen of an attempt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from quarterdeck.basics.ids import JobId, format_id
from quarterdeck.core.jobs.events import Sighting
from quarterdeck.core.jobs.states import ReplicaState
from quarterdeck.ports.engine import AttemptRef

OTHER_USER = 65534


class Watched(Protocol):
    """A ground with an engine on it."""

    engine: Any


def ref(number: int = 1) -> AttemptRef:
    """The first attempt of the job of this number."""
    return AttemptRef(JobId(format_id("j", number)), 1)


def seen(ground: Watched, of: AttemptRef) -> tuple[Sighting, ...]:
    """What the engine says of it now."""
    return next((one.sightings for one in ground.engine.observe() if one.ref == of), ())


def states(ground: Watched, of: AttemptRef) -> set[ReplicaState]:
    """The states of its replicas."""
    return {sight.state for sight in seen(ground, of)}


def are(ground: Watched, of: AttemptRef, state: ReplicaState) -> Callable[[], bool]:
    """Whether all of them are in this one."""
    return lambda: states(ground, of) == {state}


def tells_of(ground: Watched, problem: str) -> Callable[[], bool]:
    """Whether the engine has found out why Slurm does not take its jobs."""

    def look() -> bool:
        ground.engine.observe()
        return problem in ground.engine.problem

    return look
