"""Accept a job: from here on it is never lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quarterdeck.basics.errors import (
    Conflict,
    Invalid,
    Refused,
    Stale,
    Unavailable,
    Unsatisfiable,
)
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.control.disk import check_room
from quarterdeck.control.limits import check_limits
from quarterdeck.control.needs import check_needs, everything
from quarterdeck.control.snapshots import may_name, use_snapshot
from quarterdeck.core.jobs.events import Submitted
from quarterdeck.core.jobs.evolve import evolve
from quarterdeck.core.scheduling.verdicts import never_fits
from quarterdeck.ports.store import KeptReply

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from quarterdeck.basics.errors import QuarterdeckError
    from quarterdeck.basics.ids import JobId
    from quarterdeck.control.needs import Jobs, Sees
    from quarterdeck.control.plane import ControlPlane
    from quarterdeck.core.cluster.demand import Demand
    from quarterdeck.core.jobs.job import Job
    from quarterdeck.core.jobs.spec import JobSpec
    from quarterdeck.ports.store import Transaction

REPLY_KEPT_S = 24 * 3600
KEY_CHARS_MAX = 255


@dataclass(frozen=True, slots=True)
class Asked:
    """An idempotency key, a digest of the request it came with, and who asked: the same key of
    somebody else is another one."""

    key: str
    request_digest: str
    asker: str = ""

    @property
    def kept_key(self) -> str:
        """What the reply is kept under. A key is printable, so the separator is not in it."""
        return f"{self.asker}\n{self.key}"

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
    """The job, whether an earlier request with the same key had already made it, and the soft
    limits that it goes beyond, in words."""

    job: Job
    is_replayed: bool = False
    warnings: tuple[str, ...] = ()


def submit(
    plane: ControlPlane,
    spec: JobSpec,
    actor: str,
    asked: Asked | None = None,
    *,
    is_held: bool = False,
    sees: Sees = everything,
    holder: str | None = None,
) -> Accepted:
    """Put the job into the queue, once per key; `is_held`: beside it, until it is released.
    `holder`: whose work folders it may have, None for anybody's.

    Raises `Unsatisfiable` for what could never fit, `Invalid` for an unknown work folder or need,
    `NotAllowed` for what is beyond a limit, and `Conflict` for a key that came with another
    request. What its key has made is never refused afterwards, whatever has become of the site.
    """
    refusal = _find_refusal(plane, spec, sees, holder)
    if refusal is not None and asked is None:
        raise refusal
    now_ns = plane.clock.now_ns()
    expected_s = plane.board.learned.expected_s(spec, actor)

    def work(tx: Transaction) -> Accepted:
        earlier = _find_earlier(tx, asked, now_ns)
        job = tx.find_job(earlier[0]) if earlier is not None else None
        if job is not None:
            return Accepted(job, is_replayed=True)
        if refusal is not None:
            raise refusal
        check_needs(tx, spec.needs, sees)
        warnings = check_limits(plane, tx, [spec], actor)
        job_id = plane.ids.new_job_id()
        while tx.find_job(job_id) is not None:
            job_id = plane.ids.new_job_id()
        event = Submitted(now_ns, actor, spec, is_held, expected_s)
        job = evolve(None, job_id, event)
        tx.append(None, [event], job)
        if asked is not None:
            tx.keep_reply(KeptReply(asked.kept_key, asked.request_digest, (job_id,), now_ns))
        return Accepted(job, warnings=tuple(warnings))

    accepted = plane.store.transact(work)
    plane.changed.ring()
    return accepted


@dataclass(frozen=True, slots=True)
class Wanted:
    """One job of many that are submitted together, under an id that was drawn for it."""

    job_id: JobId
    spec: JobSpec
    is_held: bool = False


def submit_all(
    plane: ControlPlane,
    wanted: Sequence[Wanted],
    actor: str,
    asked: Asked | None = None,
    sees: Sees = everything,
    holder: str | None = None,
) -> tuple[list[JobId], bool]:
    """Put all the jobs into the queue, or none; they may need each other. Once per key.

    Answers their ids in the given order, and whether an earlier request with the key had already
    made them. Raises what `submit` does, naming the place of the job in the list, and `Stale` for
    an id that was taken meanwhile.
    """
    refusal = _find_refusal_of_all(plane, wanted, holder)
    now_ns = plane.clock.now_ns()
    expected = [plane.board.learned.expected_s(one.spec, actor) for one in wanted]

    def work(tx: Transaction) -> tuple[list[JobId], bool]:
        earlier = _find_earlier(tx, asked, now_ns)
        if earlier is not None:
            return list(earlier), True
        if refusal is not None:
            raise refusal
        ids = [one.job_id for one in wanted]
        if tx.find_taken(ids):
            raise Stale("an id was taken meanwhile", hint="submit again")
        _check_needs_of_all(tx, wanted, sees)
        check_limits(plane, tx, (one.spec for one in wanted), actor)
        for one, expected_s in zip(wanted, expected, strict=True):
            event = Submitted(now_ns, actor, one.spec, one.is_held, expected_s)
            tx.append(None, [event], evolve(None, one.job_id, event))
        if asked is not None:
            tx.keep_reply(KeptReply(asked.kept_key, asked.request_digest, tuple(ids), now_ns))
        return ids, False

    accepted = plane.store.transact(work)
    plane.changed.ring()
    return accepted


def check_all(
    plane: ControlPlane,
    wanted: Sequence[Wanted],
    actor: str,
    sees: Sees,
    holder: str | None = None,
) -> None:
    """Refuse what `submit_all` would refuse. Nothing is changed by asking."""
    refusal = _find_refusal_of_all(plane, wanted, holder)
    if refusal is not None:
        raise refusal
    _check_needs_of_all(plane.store, wanted, sees)
    check_limits(plane, plane.store, (one.spec for one in wanted), actor)


def check_acceptable(
    plane: ControlPlane, spec: JobSpec, sees: Sees, holder: str | None = None
) -> None:
    """Refuse what is known to be impossible before anything is written."""
    check_room(plane)
    _check_demand(plane, spec.demand)
    _check_snapshots(plane, [spec], holder)
    check_needs(plane.store, spec.needs, sees)


def _check_needs_of_all(jobs: Jobs, wanted: Sequence[Wanted], sees: Sees) -> None:
    together = frozenset(one.job_id for one in wanted)
    for place, one in enumerate(wanted):
        try:
            check_needs(jobs, one.spec.needs, sees, together)
        except Invalid as refusal:
            field = f"jobs.{place}.{refusal.field}"
            raise Invalid(refusal.message, field=field, hint=refusal.hint) from None


def _check_demand(plane: ControlPlane, demand: Demand) -> None:
    """By the nodes as the board has them; only before it refuses does it look whether there is
    news of them, because hundreds of submits in a second would wait for one another there."""
    rooms = plane.board.list_free()
    if not rooms or never_fits(demand, rooms) is not None:
        plane.board.catch_up()
        rooms = plane.board.list_free()
    if not rooms:
        raise Unavailable(
            "no site has reported its nodes yet", hint="the server has just started: try again"
        )
    never = never_fits(demand, rooms)
    if never is not None:
        raise Unsatisfiable(
            f"{demand} can never fit here: {never.message}", field="resources", hint=never.hint
        )


def _check_snapshots(plane: ControlPlane, specs: Iterable[JobSpec], holder: str | None) -> None:
    wanted = dict.fromkeys(spec.snapshot for spec in specs if spec.snapshot is not None)
    for digest in wanted:
        # In this order: how long it takes to look must not tell that somebody has it.
        if may_name(plane, digest, holder) and use_snapshot(plane, digest):
            continue
        raise Invalid(
            f"there is no work folder snapshot {digest}",
            field="snapshot",
            hint="upload it with POST /v1/snapshots first",
        )


def _find_refusal_of_all(
    plane: ControlPlane, wanted: Sequence[Wanted], holder: str | None
) -> QuarterdeckError | None:
    """The first refusal. Jobs that are alike share the reckoning."""
    checked: set[Demand] = set()
    try:
        check_room(plane)
        _check_snapshots(plane, (one.spec for one in wanted), holder)
        for place, one in enumerate(wanted):
            if one.spec.demand not in checked:
                try:
                    _check_demand(plane, one.spec.demand)
                except Unsatisfiable as refusal:
                    field = f"jobs.{place}.{refusal.field}"
                    return Unsatisfiable(refusal.message, field=field, hint=refusal.hint)
                checked.add(one.spec.demand)
    except (Refused, Unavailable) as refusal:
        return refusal
    return None


def _find_refusal(
    plane: ControlPlane, spec: JobSpec, sees: Sees, holder: str | None
) -> QuarterdeckError | None:
    try:
        check_acceptable(plane, spec, sees, holder)
    except (Refused, Unavailable) as refusal:
        return refusal
    return None


def drop_old_replies(plane: ControlPlane) -> int:
    """Forget idempotency keys past their 24 hours; says how many."""
    before_ns = plane.clock.now_ns() - REPLY_KEPT_S * NS_PER_S
    return plane.store.transact(lambda tx: tx.drop_replies(before_ns))


def _find_earlier(tx: Transaction, asked: Asked | None, now_ns: int) -> tuple[JobId, ...] | None:
    kept = tx.find_reply(asked.kept_key) if asked is not None else None
    if asked is None or kept is None:
        return None
    if now_ns - kept.at_ns > REPLY_KEPT_S * NS_PER_S:
        tx.drop_replies(kept.at_ns + 1)
        return None
    if kept.request_digest != asked.request_digest:
        raise Conflict(
            f"the idempotency key {asked.key!r} was used for another request, which made "
            f"{_count_jobs(kept.job_ids)}",
            code="idempotency_key_reused",
            field="Idempotency-Key",
            hint="use a new key for a new request",
        )
    return kept.job_ids


def _count_jobs(job_ids: Sequence[JobId]) -> str:
    return f"job {job_ids[0]}" if len(job_ids) == 1 else f"{len(job_ids)} jobs"
