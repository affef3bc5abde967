"""How much of what a job reads lies on which node already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from quarterdeck.core.jobs.spec import JobSpec


class Locality(Protocol):
    """Asked for every job that waits, so its answers come from memory. Wrong answers cost time,
    never a job: a node without the data fetches it."""

    def note_placed(self, spec: JobSpec, site: str, nodes: Iterable[str]) -> None:
        """A job was placed there, so what it reads will be there."""
        ...

    def find_shares(self, spec: JobSpec) -> Mapping[str, float]:
        """The share of the job's input that each node has, more than 0 and at most 1, by the name
        of the node; none where nothing is known."""
        ...
