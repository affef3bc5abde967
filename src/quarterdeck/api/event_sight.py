"""Which facts of the log a caller may hear, and how much of each."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from quarterdeck.api.access import HIDDEN
from quarterdeck.api.views import event_view
from quarterdeck.core.governance.permissions import Noun, Verb
from quarterdeck.core.jobs.events import Submitted
from quarterdeck.ports.store import JobRecord

if TYPE_CHECKING:
    from quarterdeck.api.access import Access
    from quarterdeck.basics.ids import JobId
    from quarterdeck.ports.store import Record
    from quarterdeck.wire.v1.events import EventView

JOBS_REMEMBERED_MAX: Final = 10_000


class EventSight:
    """One follower's view of the log. What a caller sees of a job never changes while a stream
    lasts: streams end when somebody's roles do."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._seen: dict[JobId, bool] = {}

    def view(self, record: Record) -> EventView | None:
        """The fact as the caller may hear it, or None."""
        if not isinstance(record, JobRecord):
            reach = self._access.reach(Verb.READ, Noun.NODE)
            is_theirs = reach.is_all or reach.site == record.event.site
            return event_view(record) if is_theirs else None
        if not self._sees(record):
            return None
        if isinstance(record.event, Submitted) and not self._shows_values(record):
            spec = record.event.spec
            spec = replace(spec, env=tuple((name, HIDDEN) for name, _ in spec.env))
            record = replace(record, event=replace(record.event, spec=spec))
        return event_view(record)

    def _sees(self, record: JobRecord) -> bool:
        known = self._seen.get(record.job_id)
        if known is None:
            known = self._look(record)
            if len(self._seen) >= JOBS_REMEMBERED_MAX:
                self._seen.clear()
            self._seen[record.job_id] = known
        return known

    def _look(self, record: JobRecord) -> bool:
        sight = self._access.sight
        if sight.is_all and sight.only_teams is None:
            return True
        if isinstance(record.event, Submitted):
            return sight.covers(record.event.spec.team, record.event.actor, record.job_id)
        job = self._access.context.plane.store.find_job(record.job_id)
        return job is not None and self._access.sees(job)

    def _shows_values(self, record: JobRecord) -> bool:
        assert isinstance(record.event, Submitted)
        reach = self._access.reach(Verb.READ, Noun.REQUEST)
        return reach.covers(record.event.spec.team, record.event.actor, record.job_id)
