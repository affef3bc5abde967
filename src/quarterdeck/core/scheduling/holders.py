"""Who holds most of a site, for explanations: of thousands a few are named."""

from __future__ import annotations

from heapq import nsmallest
from itertools import chain
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.ids import JobId
from quarterdeck.core.scheduling.chunks import Chunk, ChunkBook, Chunked
from quarterdeck.core.scheduling.snapshot import Holder

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


Rank = tuple[int, int, JobId]
"""The less the more it holds: of GPUs, then of CPUs; and who it is."""
Largest = dict[str, list[Rank]]
"""Of each site those that hold most of it."""
Holders = Chunked[Holder, Largest]

HOLDERS_SHOWN_MAX: Final = 5


class HoldersBook(ChunkBook[JobId, Holder, Largest]):
    """Who holds something, as it changes."""

    def __init__(self) -> None:
        super().__init__(list_largest)


def list_largest(holders: Iterable[Holder]) -> Largest:
    """So many as are shown of each site."""
    found: Largest = {}
    for one in holders:
        found.setdefault(one.site, []).append((-one.gpus, -one.cpus, one.job_id))
    return {site: nsmallest(HOLDERS_SHOWN_MAX, ranks) for site, ranks in found.items()}


def largest_holders(site: str, holders: Sequence[Holder], *, with_gpus: bool) -> tuple[JobId, ...]:
    """Who of these holds most of a site, or only who holds GPUs of it."""
    if not isinstance(holders, Chunked):
        holders = Chunked([Chunk(holders, list_largest)])
    ranks = chain.from_iterable([few.get(site, ()) for few in holders.summaries])
    largest = nsmallest(HOLDERS_SHOWN_MAX, ranks)
    return tuple(job_id for gpus, _, job_id in largest if gpus or not with_gpus)
