"""Take in what a site reports: levels in, steps of the state tables out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.control.steps import take_events
from quarterdeck.core.cluster.events import NodesChanged, news_of
from quarterdeck.core.jobs import decide

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterdeck.control.plane import ControlPlane
    from quarterdeck.core.cluster.events import SiteEvent
    from quarterdeck.ports.engine import Observation
    from quarterdeck.ports.site import Report
    from quarterdeck.ports.store import Transaction


def reconcile(plane: ControlPlane, report: Report) -> int:
    """Write what is new in the report, all of it in one transaction; says how many jobs moved.

    A report that repeats what is known costs no write, so it may come as often as it likes.
    """
    plane.board.catch_up()
    now_ns = plane.clock.now_ns()
    site_event = _site_news(plane, report, now_ns)
    news = [seen for seen in report.observations if _is_news(plane, report.site, seen, now_ns)]
    if site_event is None and not news:
        return 0

    def work(tx: Transaction) -> int:
        if site_event is not None:
            tx.append_site(_as_of(tx, report, site_event))
        return _take_all(tx, report.site, news, now_ns)

    moved = plane.store.transact(work)
    if site_event is not None:
        plane.board.catch_up()  # a submit looks at the nodes as the board has them
    plane.changed.ring()
    plane.wished.ring()
    return moved


def _site_news(plane: ControlPlane, report: Report, now_ns: int) -> SiteEvent | None:
    if report.nodes is None:
        return None
    known = plane.board.find_site(report.site)
    return news_of(known, now_ns, report.site, report.nodes)


def _as_of(tx: Transaction, report: Report, event: SiteEvent) -> SiteEvent:
    """What is new of the site's nodes beside what the transaction has of it: another server may
    have taken in a report meanwhile."""
    if not isinstance(event, NodesChanged) or report.nodes is None:
        return event
    news = news_of(tx.find_site(report.site), event.at_ns, report.site, report.nodes)
    return event if news is None else news


def _is_news(plane: ControlPlane, site: str, seen: Observation, now_ns: int) -> bool:
    """Whether the observation would move the job as the board has it. Only a filter: the job of
    the transaction decides."""
    job = plane.board.find_job(seen.ref.job_id)
    live = job.find_live(seen.ref.attempt) if job is not None else None
    if job is None or live is None or live.site != site:
        return False
    return bool(decide.observe(job, seen.ref.attempt, seen.sightings, now_ns))


def _take_all(tx: Transaction, site: str, news: Sequence[Observation], now_ns: int) -> int:
    moved = 0
    for seen in news:
        job = tx.find_job(seen.ref.job_id)
        live = job.find_live(seen.ref.attempt) if job is not None else None
        if job is None or live is None or live.site != site:
            continue
        events = decide.observe(job, seen.ref.attempt, seen.sightings, now_ns)
        take_events(tx, job, events)
        moved += bool(events)
    return moved
