"""Jobs, sites and events as JSON text, and back.

Reading is strict about what is there and takes no notice of fields it does not know, so a newer
server may add fields and an older one still reads the log. An event's kind is its class's name and
has a column of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from quarterdeck.basics.errors import Invalid, Refused
from quarterdeck.core.cluster.events import SITE_EVENTS, NodesChanged, SiteEvent, SiteReported
from quarterdeck.core.cluster.hardware import Site
from quarterdeck.core.jobs.events import JOB_EVENTS, JobEvent, Placed
from quarterdeck.core.jobs.job import Job
from quarterdeck.ports.store import JobRecord, Record, SiteRecord

if TYPE_CHECKING:
    from quarterdeck.basics.ids import JobId

REPORT_KINDS: Final = (SiteReported.__name__, NodesChanged.__name__)
CAPACITY_KINDS: Final = (Placed.__name__, *(kind.__name__ for kind in SITE_EVENTS))

_encoder = msgspec.json.Encoder()
_jobs = msgspec.json.Decoder(Job)
_sites = msgspec.json.Decoder(Site)
_site_events: Final[dict[str, msgspec.json.Decoder[SiteEvent]]] = {
    kind.__name__: msgspec.json.Decoder(kind) for kind in SITE_EVENTS
}
_events: Final[dict[str, msgspec.json.Decoder[JobEvent]]] = {
    kind.__name__: msgspec.json.Decoder(kind) for kind in JOB_EVENTS
}


def encode(value: Job | Site | JobEvent | SiteEvent) -> str:
    """JSON text. `Invalid` for text that has no UTF-8 form, such as bytes taken for characters."""
    try:
        return _encoder.encode(value).decode()
    except UnicodeEncodeError as error:
        raise Invalid(
            f"text that is not Unicode cannot be kept: {error.object[error.start : error.end]!r}",
            hint="write the command and its environment in UTF-8",
        ) from error


def check_text(text: str, field: str) -> str:
    """Text for a column of its own; `Invalid` for what some database could not hold."""
    if "\0" in text or _has_surrogates(text):
        raise Invalid(f"{field} is {text!r}, which cannot be kept", field=field, hint="rename it")
    return text


def decode_job(document: str) -> Job:
    """A job as `encode` wrote it."""
    return _jobs.decode(document)


def decode_site(document: str) -> Site:
    """A site as `encode` wrote it."""
    return _sites.decode(document)


def decode_record(seq: int, kind: str, job_id: JobId | None, revision: int, data: str) -> Record:
    """One row of the log."""
    if job_id is None and kind in _site_events:
        return SiteRecord(seq, _site_events[kind].decode(data))
    decoder = _events.get(kind) if job_id is not None else None
    if decoder is None or job_id is None:
        raise Refused(
            f"entry {seq} of the event log is a {kind!r}, which this version does not know",
            code="store_too_new",
            hint="use the version of Quarterdeck that wrote it, or a newer one",
        )
    return JobRecord(seq, job_id, revision, decoder.decode(data))


def _has_surrogates(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)
