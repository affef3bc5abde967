"""One site on the board: its nodes, what is free of them, and what should be of each attempt."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from quarterdeck.core.cluster.room import Room, room_of
from quarterdeck.core.scheduling.holders import HoldersBook
from quarterdeck.core.scheduling.snapshot import Holder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.cluster.demand import Grant
    from quarterdeck.core.cluster.hardware import Site
    from quarterdeck.ports.engine import AttemptRef


@dataclass(slots=True)
class SiteBoard:
    """One site's nodes, who holds what on them, and when each attempt's wish last changed.

    `dirty` are the nodes whose room is to be reckoned anew.
    """

    site: Site
    floor: int
    nodes_as_of: int = 0
    rooms: dict[str, Room] = field(default_factory=dict)
    dirty: set[str] = field(default_factory=set)
    held: dict[str, dict[AttemptRef, Grant]] = field(default_factory=dict)
    wished_at: dict[AttemptRef, int] = field(default_factory=dict)
    gone_at: dict[AttemptRef, int] = field(default_factory=dict)
    holders: HoldersBook = field(default_factory=HoldersBook)

    def set_nodes(self, site: Site, as_of: int) -> bool:
        """The site has reported its nodes; says whether they are others than before, and not just
        in another state or used otherwise by others. Rooms of what is as it was stay as they
        are: at a site where others come and go there is such a report every few seconds."""
        before = self.rooms
        self.site = site
        self.nodes_as_of = as_of
        self.rooms = {}
        is_new = len(before) != len(site.nodes)
        for node in site.nodes:
            room = before.get(node.name)
            if room is not None and room.node == node:
                self.rooms[node.name] = room
                continue
            is_new = is_new or room is None or not room.node.is_built_like(node)
            self.rooms[node.name] = Room.empty(site.name, node)
            self.dirty.add(node.name)
        return is_new

    def set_cordons(self, site: Site, node: str) -> None:
        """What is known of the site's nodes is as before, but for one that is cordoned or not."""
        self.site = site
        self.dirty.add(node)

    def refresh(self) -> list[Room]:
        """Bring the rooms up to date; says which have changed."""
        changed = []
        for name in sorted(self.dirty):
            room = self.rooms.get(name)
            if room is not None:
                holds = self.held.get(name, {})
                cordons = self.site.cordons_of(name)
                self.rooms[name] = room_of(self.site.name, room.node, holds.values(), cordons)
                changed.append(self.rooms[name])
        self.dirty.clear()
        return changed

    def hold(self, ref: AttemptRef, grants: Sequence[Grant]) -> None:
        """An attempt has got these."""
        self._count(ref, grants, 1)
        for grant in grants:
            self.held.setdefault(grant.node, {})[ref] = grant
            self.dirty.add(grant.node)

    def release(self, ref: AttemptRef, grants: Sequence[Grant]) -> None:
        """An attempt has ended."""
        self._count(ref, grants, -1)
        for grant in grants:
            self.held[grant.node].pop(ref, None)
            self.dirty.add(grant.node)

    def jobs_on(self, node: str) -> list[JobId]:
        """Who holds something of a node: each job once, in order."""
        return list(dict.fromkeys(ref.job_id for ref in self.held.get(node, {})))

    def wish(self, ref: AttemptRef, seq: int, *, is_gone: bool) -> None:
        """At this place of the log it changed what should be of an attempt."""
        self.wished_at.pop(ref, None)
        if is_gone:
            self.gone_at[ref] = seq
        else:
            self.wished_at[ref] = seq

    def list_wishes(
        self, since: int, until: int
    ) -> tuple[list[AttemptRef], list[AttemptRef], bool]:
        """Attempts whose wish changed after a place of the log, which ends at `until`: live ones,
        gone ones, and whether these are all there are (because it cannot be told since when)."""
        if since < self.floor or since > until or since == 0:
            return list(self.wished_at), [], True
        self.drop_gone(since)
        return _newer(self.wished_at, since), _newer(self.gone_at, since), False

    def drop_gone(self, until: int) -> None:
        """The site has heard everything up to there: what is gone need not be told again."""
        for ref, seq in list(self.gone_at.items()):
            if seq > until:
                break
            del self.gone_at[ref]
            self.floor = max(self.floor, seq)

    def _count(self, ref: AttemptRef, grants: Sequence[Grant], sign: int) -> None:
        before = self.holders.get(ref.job_id)
        known = before or Holder(ref.job_id, self.site.name, 0, 0, 0)
        for grant in grants:
            known = replace(
                known,
                nodes=known.nodes + sign,
                gpus=known.gpus + sign * len(grant.devices),
                cpus=known.cpus + sign * grant.cpus,
            )
        if known.nodes:
            self.holders.put(ref.job_id, known)
        else:
            self.holders.pop(ref.job_id)


def _newer(changed_at: dict[AttemptRef, int], since: int) -> list[AttemptRef]:
    """Those that changed after a place of the log, oldest first. The dict is in that order."""
    newer = []
    for ref in reversed(changed_at):
        if changed_at[ref] <= since:
            break
        newer.append(ref)
    newer.reverse()
    return newer
