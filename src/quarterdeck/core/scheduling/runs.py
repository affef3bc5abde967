"""What runs, as the scheduler sees it: thousands of attempts, of which few are being stopped."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from quarterdeck.core.scheduling.chunks import Chunk, ChunkBook, Chunked, K
from quarterdeck.core.scheduling.snapshot import Running

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Runs = Chunked[Running, tuple[Running, ...]]
"""All of it; each chunk says which of its attempts are being stopped."""


class RunsBook(ChunkBook[K, Running, tuple[Running, ...]]):
    """What runs, as it changes."""

    def __init__(self) -> None:
        super().__init__(list_stopping)


def list_stopping(running: Iterable[Running]) -> tuple[Running, ...]:
    """Those that are being stopped, or go on with some of their nodes after they have been."""
    return tuple([one for one in running if one.is_leaving or one.keeps])


def runs_of(running: Sequence[Running]) -> Runs:
    """The same as chunks; it may be that already."""
    if isinstance(running, Chunked):
        return running
    return Chunked([Chunk(running, list_stopping)])


def stopping_of(running: Sequence[Running]) -> list[Running]:
    """Those of all of them that `list_stopping` lists, in order."""
    return [one for few in runs_of(running).summaries for one in few]


def with_parts(running: Runs, more: Iterable[Running]) -> Runs:
    """Of those that stop to go on with what they keep, what they leave and what they keep apart;
    and some more."""
    chunks = list(running.chunks)
    for place, chunk in enumerate(chunks):
        if any(one.keeps for one in chunk.summary):
            parts = (part for one in chunk.items for part in _parts_of(one))
            chunks[place] = Chunk(parts, list_stopping)
    return Chunked([*chunks, Chunk(more, list_stopping)])


def _parts_of(one: Running) -> tuple[Running, ...]:
    return (replace(one, grants=one.leaves, keeps=()), one.rest) if one.keeps else (one,)
