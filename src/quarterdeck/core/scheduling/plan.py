"""The answer of one scheduling decision: placements, and a verdict for each job left waiting."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from quarterdeck.basics.ids import JobId
from quarterdeck.core.cluster.demand import Grant

if TYPE_CHECKING:
    from collections.abc import Mapping


class Blocker(StrEnum):
    """Why a job waits: stable codes, part of the API."""

    NO_CAPACITY = "no_capacity"
    """Not now: what it needs exists but is held by others or down."""
    BEHIND_OTHERS = "behind_others"
    """Not now: a job before it has waited past the policy's patience, and room is kept for that."""
    DISK_FULL = "disk_full"
    """Not now: the site's disk has less free than is kept free, so nothing new is placed."""
    UNSATISFIABLE = "unsatisfiable"
    """Never: no site has nodes that could fit it even when empty."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Grants for one job: replica `i` gets `grants[i]`. `revision` is the job's when planned."""

    job_id: JobId
    revision: int
    site: str
    grants: tuple[Grant, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why one job does not start in this plan, with the numbers, and what would help."""

    job_id: JobId
    blocked_by: Blocker
    message: str
    hint: str = ""
    numbers: Mapping[str, int] = field(default_factory=dict)
    held_by: tuple[JobId, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Placements in the order of the queue; every waiting job has either one or a verdict."""

    as_of: int
    placements: tuple[Placement, ...] = ()
    verdicts: Mapping[JobId, Verdict] = field(default_factory=dict)
