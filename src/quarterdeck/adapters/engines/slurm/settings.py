"""How a site uses its Slurm: what is the same for all jobs that go there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quarterdeck.core.cluster.nodetype import NodeType


@dataclass(frozen=True, slots=True)
class SlurmSettings:
    """`partition`, `account`, `qos` and `reservation` are Slurm's own and go into every job; empty
    for Slurm's default. `python` is what runs the runner on the nodes, 3.9 or later, and `path` the
    PATH of jobs. `hardware` is the type of all nodes where Slurm does not say which GPUs they have.

    A runner that says nothing for `silence_s` is taken for lost, long before Slurm notices. A job
    that Slurm has not started after `patience_s` goes back into the queue. `poll_s`: how often
    Slurm is asked.
    """

    partition: str = ""
    account: str = ""
    qos: str = ""
    reservation: str = ""
    python: str = "python3"
    path: str = ""
    hardware: NodeType | None = None
    silence_s: float = 60.0
    patience_s: float = 120.0
    poll_s: float = 2.0


@dataclass(frozen=True, slots=True)
class PilotSettings:
    """A site whose jobs run under pilots: how many nodes these may hold, and how many they keep
    even when idle; any other that has been idle for `idle_s` is given back. A pilot stays for
    `hold_s` at most; None: as long as the partition lets a job run, or a day where it sets no
    limit. Its jobs in Slurm are as `slurm` says."""

    slurm: SlurmSettings
    nodes_max: int
    nodes_min: int = 0
    idle_s: float = 300.0
    hold_s: float | None = None
