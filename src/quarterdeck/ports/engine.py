"""What runs attempts at one site: this machine's processes now, Slurm or Kubernetes later.

Everything is keyed by our job id and attempt number, so everything may be said twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from quarterdeck.basics.ids import JobId
from quarterdeck.core.cluster.demand import Grant
from quarterdeck.core.cluster.hardware import Node
from quarterdeck.core.jobs.events import Sighting
from quarterdeck.core.jobs.spec import JobSpec

if TYPE_CHECKING:
    from collections.abc import Iterable


class AttemptRef(NamedTuple):
    """Names one attempt everywhere."""

    job_id: JobId
    attempt: int


@dataclass(frozen=True, slots=True)
class LaunchOrder:
    """Run this attempt on exactly these grants; replica `i` has `grants[i]`.

    `task` is the index of the array's task that the attempt is of; None for a job without one.
    `owner` is the name of who submitted the job.
    """

    ref: AttemptRef
    spec: JobSpec
    grants: tuple[Grant, ...]
    task: int | None = None
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """What the engine says of one attempt: the level of each replica that it knows."""

    ref: AttemptRef
    sightings: tuple[Sighting, ...]

    @property
    def is_gone(self) -> bool:
        """Whether every replica that was seen is gone."""
        return all(sight.state.is_gone for sight in self.sightings)


@dataclass(frozen=True, slots=True)
class Abilities:
    """What not every engine can do. What one cannot is never tried with it: it is refused with a
    word that says so, or the site does not offer it.

    `exact_devices`: a job gets just the devices of its grant, otherwise as many of that node.
    `parts`: parts of GPUs can be granted. `unlike_replicas`: the replicas of a gang may need
    different things. Of these three the plan knows by what each node says (`Node.whole_gpus_only`,
    `Node.gang_terms`). `accounts`: jobs can run as the accounts of their owners. `images`: jobs can
    run in a container image. `shares_nodes_with_others`: jobs run there that are not ours.
    """

    exact_devices: bool = True
    parts: bool = True
    unlike_replicas: bool = True
    accounts: bool = False
    images: bool = True
    shares_nodes_with_others: bool = False


class Engine(Protocol):
    """The face of every engine. Each call raises `Unavailable` when the engine does not answer."""

    @property
    def abilities(self) -> Abilities:
        """What it can do of what not all can."""
        ...

    def list_nodes(self) -> tuple[Node, ...]:
        """What the site has now, devices in a stable order, and what others have of it: never what
        was launched here."""
        ...

    def launch(self, order: LaunchOrder) -> None:
        """Start the attempt. Twice is once, also across restarts of the caller.

        An order whose attempt was ever launched and has since been forgotten is not launched
        again. A failure to prepare is reported as a sighting, not raised. After `Unavailable` the
        attempt either shows in the next `observe` or never starts: its devices may be given away.
        """
        ...

    def stop(self, ref: AttemptRef, grace_s: float) -> None:
        """Ask the attempt to stop and kill what is left after the grace. Unknown: nothing.

        Said again with a shorter grace, the shorter one counts.
        """
        ...

    def observe(self) -> list[Observation]:
        """One call for all attempts that were launched and not forgotten, dead ones included."""
        ...

    def forget(self, refs: Iterable[AttemptRef]) -> None:
        """The control plane knows how these ended: drop them from `observe`, keep logs and results.

        Only for attempts of which nothing lives; others are left as they are.
        """
        ...
