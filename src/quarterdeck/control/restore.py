"""Rebuild all state from the event log alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from quarterdeck.core.cluster.events import evolve_site
from quarterdeck.core.cluster.hardware import Site
from quarterdeck.core.jobs.evolve import evolve
from quarterdeck.ports.store import JobRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.jobs.job import Job
    from quarterdeck.ports.store import History, Record, Store

PAGE: Final = 2000


@dataclass(frozen=True, slots=True)
class Restored:
    """What the log held."""

    records: int
    jobs: int
    sites: int


def restore(store: Store, *, dry_run: bool = False) -> Restored:
    """Replay the whole log and put the outcome in place of every stored job and site; in a dry run
    only replay it.

    No server may use the store meanwhile. Raises `IllegalStep` for a log that fits no table.
    """
    jobs: dict[JobId, Job] = {}
    sites: dict[str, Site] = {}
    records = 0
    for record in read_log(store):
        records += 1
        if isinstance(record, JobRecord):
            jobs[record.job_id] = evolve(jobs.get(record.job_id), record.job_id, record.event)
        else:
            name = record.event.site
            sites[name] = evolve_site(sites.get(name), record.event)
    if not dry_run:
        store.replace_jobs(iter(jobs.values()), iter(sites.values()))
    return Restored(records, len(jobs), len(sites))


def read_log(store: History, after: int = 0) -> Iterator[Record]:
    """The log from a place on, in pages."""
    while records := store.list_records(after, limit=PAGE):
        yield from records
        after = records[-1].seq
