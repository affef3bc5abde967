"""A plan in a few words: enough to say whether another one is the same, and roughly how not."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quarterdeck.core.cluster.demand import Grant
    from quarterdeck.core.scheduling.plan import Eviction, Placement, Plan

DIGEST_CHARS: Final = 32
"""Of a SHA-256 in hexadecimal: 128 bits, so that no two plans of a site's life share one."""


@dataclass(frozen=True, slots=True)
class Imprint:
    """What is remembered of a plan.

    `placements` digests every placement in the plan's order: job, task, site, and of each grant
    its node, devices, CPUs, memory and network interfaces; then the evictions, and what those keep
    who go on at once, or to what they move. `verdicts` digests the code that each waiting job was
    told. `placed` counts placements, `waiting` the verdicts by their code.
    """

    placements: str
    verdicts: str
    placed: int
    waiting: tuple[tuple[str, int], ...] = ()


def imprint_of(plan: Plan) -> Imprint:
    """The plan's."""
    evicted = (
        " ".join(("evicted", one.job_id, str(one.task), *one.keeps, *_moved(one)))
        for one in plan.evictions
    )
    told = [f"{job_id} {verdict.blocked_by}" for job_id, verdict in plan.verdicts.items()]
    waiting = Counter(verdict.blocked_by for verdict in plan.verdicts.values())
    return Imprint(
        _digest([*map(describe_placement, plan.placements), *evicted]),
        _digest(sorted(told)),
        len(plan.placements),
        tuple(sorted((code.value, count) for code, count in waiting.items())),
    )


def _moved(eviction: Eviction) -> list[str]:
    return ["to", *map(_describe_grant, eviction.goes_to)] if eviction.goes_to else []


def describe_placement(placement: Placement) -> str:
    """In one line, with all that it grants."""
    grants = "; ".join(map(_describe_grant, placement.grants))
    task = "" if placement.task is None else f"/{placement.task}"
    return f"{placement.job_id}{task} {placement.site}: {grants}"


def _describe_grant(grant: Grant) -> str:
    return (
        f"{grant.node} {','.join(grant.devices)} {grant.cpus} {grant.memory_bytes} "
        f"{','.join(grant.nics)}"
    )


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:DIGEST_CHARS]
