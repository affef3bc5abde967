"""Jobs, sites and events as JSON text, and back.

msgspec reads the dataclasses' own types, so what comes back is checked. Fields that a newer version
wrote are ignored, fields that an older one did not know take their defaults.
"""

from __future__ import annotations

from typing import Final

import msgspec

from quarterdeck.basics.ids import JobId
from quarterdeck.core.cluster.events import SiteReported
from quarterdeck.core.cluster.hardware import Site
from quarterdeck.core.jobs.events import JOB_EVENTS, JobEvent
from quarterdeck.core.jobs.job import Job
from quarterdeck.ports.store import JobRecord, Record, SiteRecord

_ENCODER: Final = msgspec.json.Encoder()
_JOB: Final = msgspec.json.Decoder(Job)
_SITE: Final = msgspec.json.Decoder(Site)
_SITE_REPORTED: Final = msgspec.json.Decoder(SiteReported)
_JOB_EVENTS: Final[dict[str, msgspec.json.Decoder[JobEvent]]] = {
    kind.__name__: msgspec.json.Decoder(kind) for kind in JOB_EVENTS
}
CAPACITY_KINDS: Final = ("Placed", "SiteReported")


def encode(value: Job | Site | JobEvent | SiteReported) -> str:
    """JSON text."""
    return _ENCODER.encode(value).decode()


def decode_job(text: str) -> Job:
    """The job that `encode` wrote."""
    return _JOB.decode(text)


def decode_site(text: str) -> Site:
    """The site that `encode` wrote."""
    return _SITE.decode(text)


def decode_record(
    seq: int, kind: str, job_id: str | None, revision: int | None, data: str
) -> Record:
    """One row of the event log."""
    if job_id is None:
        return SiteRecord(seq, _SITE_REPORTED.decode(data))
    assert revision is not None, seq
    return JobRecord(seq, JobId(job_id), revision, _JOB_EVENTS[kind].decode(data))
