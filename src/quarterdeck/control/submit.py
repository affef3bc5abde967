"""Accept a job: from here on it is never lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quarterdeck.basics.errors import Conflict, Invalid, Refused, Unavailable, Unsatisfiable
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.control.disk import check_room
from quarterdeck.control.snapshots import use_snapshot
from quarterdeck.core.jobs.events import Submitted
from quarterdeck.core.jobs.evolve import evolve
from quarterdeck.core.scheduling.verdicts import never_fits
from quarterdeck.ports.store import KeptReply

if TYPE_CHECKING:
    from quarterdeck.basics.errors import QuarterdeckError
    from quarterdeck.control.plane import ControlPlane
    from quarterdeck.core.jobs.job import Job
    from quarterdeck.core.jobs.spec import JobSpec
    from quarterdeck.ports.store import Transaction

REPLY_KEPT_S = 24 * 3600
KEY_CHARS_MAX = 255


@dataclass(frozen=True, slots=True)
class Asked:
    """An idempotency key and a digest of the request it came with."""

    key: str
    request_digest: str

    def __post_init__(self) -> None:
        """Refuse a key that could not be stored or told apart."""
        if not 0 < len(self.key) <= KEY_CHARS_MAX or not self.key.isprintable():
            raise Invalid(
                f"the idempotency key has {len(self.key)} characters or unprintable ones",
                field="Idempotency-Key",
                hint=f"use 1 to {KEY_CHARS_MAX} printable characters, for example a UUID",
            )


@dataclass(frozen=True, slots=True)
class Accepted:
    """The job, and whether an earlier request with the same key had already made it."""

    job: Job
    is_replayed: bool = False


def submit(plane: ControlPlane, spec: JobSpec, actor: str, asked: Asked | None = None) -> Accepted:
    """Put the job into the queue, once per key.

    Raises `Unsatisfiable` for what could never fit, `Invalid` for an unknown work folder, and
    `Conflict` for a key that came with another request. What its key has made is never refused
    afterwards, whatever has become of the site.
    """
    refusal = _find_refusal(plane, spec)
    if refusal is not None and asked is None:
        raise refusal
    now_ns = plane.clock.now_ns()

    def work(tx: Transaction) -> Accepted:
        earlier = _find_earlier(tx, asked, now_ns)
        if earlier is not None:
            return Accepted(earlier, is_replayed=True)
        if refusal is not None:
            raise refusal
        job_id = plane.ids.new_job_id()
        while tx.find_job(job_id) is not None:
            job_id = plane.ids.new_job_id()
        event = Submitted(now_ns, actor, spec)
        job = evolve(None, job_id, event)
        tx.append(None, [event], job)
        if asked is not None:
            tx.keep_reply(KeptReply(asked.key, asked.request_digest, job_id, now_ns))
        return Accepted(job)

    accepted = plane.store.transact(work)
    plane.changed.ring()
    return accepted


def check_acceptable(plane: ControlPlane, spec: JobSpec) -> None:
    """Refuse what is known to be impossible before anything is written."""
    plane.board.catch_up()
    check_room(plane)
    rooms = [room for room, _ in plane.board.list_rooms()]
    if not rooms:
        raise Unavailable(
            "no site has reported its nodes yet", hint="the server has just started: try again"
        )
    never = never_fits(spec.demand, rooms)
    if never is not None:
        raise Unsatisfiable(
            f"{spec.demand} can never fit here: {never.message}", field="resources", hint=never.hint
        )
    if spec.snapshot is not None and not use_snapshot(plane, spec.snapshot):
        raise Invalid(
            f"there is no work folder snapshot {spec.snapshot}",
            field="snapshot",
            hint="upload it with POST /v1/snapshots first",
        )


def _find_refusal(plane: ControlPlane, spec: JobSpec) -> QuarterdeckError | None:
    try:
        check_acceptable(plane, spec)
    except (Refused, Unavailable) as refusal:
        return refusal
    return None


def drop_old_replies(plane: ControlPlane) -> int:
    """Forget idempotency keys past their 24 hours; says how many."""
    before_ns = plane.clock.now_ns() - REPLY_KEPT_S * NS_PER_S
    return plane.store.transact(lambda tx: tx.drop_replies(before_ns))


def _find_earlier(tx: Transaction, asked: Asked | None, now_ns: int) -> Job | None:
    kept = tx.find_reply(asked.key) if asked is not None else None
    if asked is None or kept is None:
        return None
    if now_ns - kept.at_ns > REPLY_KEPT_S * NS_PER_S:
        tx.drop_replies(kept.at_ns + 1)
        return None
    if kept.request_digest != asked.request_digest:
        raise Conflict(
            f"the idempotency key {asked.key!r} was used for another request, which made job "
            f"{kept.job_id}",
            code="idempotency_key_reused",
            field="Idempotency-Key",
            hint="use a new key for a new request",
        )
    return tx.find_job(kept.job_id)
