"""Nodes that had a work folder lately have its files in their caches."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from quarterdeck.core.jobs.spec import JobSpec

FOLDER_SHARE: Final = 0.05
"""A work folder is small beside the data that a job reads: it settles what is otherwise alike."""
FOLDERS_MAX: Final = 1000
NODES_MAX: Final = 64
"""Of one work folder; the latest ones."""


class RecentNodes:
    """A `Locality` that remembers where each work folder went last."""

    def __init__(self) -> None:
        self._nodes: OrderedDict[str, OrderedDict[str, float]] = OrderedDict()

    def note_placed(self, spec: JobSpec, site: str, nodes: Iterable[str]) -> None:
        """The folder's latest nodes; the folder that was not used longest is forgotten."""
        del site
        if spec.snapshot is None:
            return
        known = self._nodes.setdefault(spec.snapshot, OrderedDict())
        self._nodes.move_to_end(spec.snapshot)
        for node in nodes:
            known[node] = FOLDER_SHARE
            known.move_to_end(node)
        while len(known) > NODES_MAX:
            known.popitem(last=False)
        while len(self._nodes) > FOLDERS_MAX:
            self._nodes.popitem(last=False)

    def find_shares(self, spec: JobSpec) -> Mapping[str, float]:
        """Those nodes, if the job has a work folder."""
        known = self._nodes.get(spec.snapshot) if spec.snapshot is not None else None
        return {} if known is None else dict(known)
