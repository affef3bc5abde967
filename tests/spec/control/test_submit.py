"""A job is accepted once, or refused with nothing written."""

from __future__ import annotations

from typing import Any

import pytest

from quarterdeck.basics.errors import Conflict, Invalid, Refused, Unavailable, Unsatisfiable
from quarterdeck.control.needs import everything
from quarterdeck.control.submit import (
    KEY_CHARS_MAX,
    REPLY_KEPT_S,
    Asked,
    check_acceptable,
    drop_old_replies,
    submit,
)
from quarterdeck.core.jobs.manifest import Manifest
from quarterdeck.core.jobs.states import JobState
from quarterdeck.ports.store import JobFilter
from quarterdeck.testing.builders import a_demand, a_dgx, a_job_id, a_job_spec, a_node
from tests.spec.control.desk import Desk, a_desk

SPEC = a_job_spec(name="train")
ASKED = Asked("key-1", "digest-1")


def count_jobs(desk: Desk) -> int:
    return len(desk.store.list_jobs(JobFilter()))


def test_an_accepted_job_is_queued_and_stored_and_everybody_hears_of_it() -> None:
    desk = a_desk()
    rings = desk.rings
    accepted = submit(desk.plane, SPEC, "ada")
    assert not accepted.is_replayed
    assert accepted.job.state is JobState.QUEUED
    assert (accepted.job.actor, accepted.job.submitted_at_ns) == ("ada", desk.clock.at_ns)
    assert desk.store.find_job(accepted.job.id) == accepted.job
    assert desk.rings == rings + 1


def test_a_key_makes_one_job_however_often_it_comes() -> None:
    desk = a_desk()
    first = submit(desk.plane, SPEC, "ada", ASKED)
    desk.clock.pass_s(REPLY_KEPT_S)
    again = submit(desk.plane, SPEC, "ada", ASKED)
    assert (again.job.id, again.is_replayed) == (first.job.id, True)
    assert count_jobs(desk) == 1


def test_a_replay_shows_the_job_as_it_is_now() -> None:
    desk = a_desk()
    submit(desk.plane, SPEC, "ada", ASKED)
    desk.scheduler.turn()
    assert submit(desk.plane, SPEC, "ada", ASKED).job.state is JobState.STARTING


def test_without_a_key_each_request_makes_a_job() -> None:
    desk = a_desk()
    assert submit(desk.plane, SPEC, "ada").job.id != submit(desk.plane, SPEC, "ada").job.id


def test_another_request_with_the_same_key_is_refused() -> None:
    desk = a_desk()
    first = submit(desk.plane, SPEC, "ada", ASKED)
    with pytest.raises(Conflict) as refusal:
        submit(desk.plane, SPEC, "ada", Asked("key-1", "digest-2"))
    assert refusal.value.code == "idempotency_key_reused"
    assert first.job.id in refusal.value.message
    assert count_jobs(desk) == 1


def test_a_key_is_forgotten_after_a_day() -> None:
    desk = a_desk()
    first = submit(desk.plane, SPEC, "ada", ASKED)
    desk.clock.pass_s(REPLY_KEPT_S + 1)
    other = submit(desk.plane, SPEC, "ada", Asked("key-1", "digest-2"))
    assert (other.is_replayed, other.job.id == first.job.id) == (False, False)
    assert submit(desk.plane, SPEC, "ada", Asked("key-1", "digest-2")).is_replayed


def test_old_keys_are_dropped_and_young_ones_kept() -> None:
    desk = a_desk()
    submit(desk.plane, SPEC, "ada", ASKED)
    desk.clock.pass_s(3600)
    young = submit(desk.plane, SPEC, "ada", Asked("key-2", "digest-2"))
    desk.clock.pass_s(REPLY_KEPT_S - 3599)
    assert drop_old_replies(desk.plane) == 1
    assert submit(desk.plane, SPEC, "ada", Asked("key-2", "digest-2")).job.id == young.job.id


def test_a_replay_is_answered_even_when_the_job_could_not_be_accepted_today() -> None:
    """Whoever asks again must hear of the job there is, not that there can be none."""
    desk = a_desk()
    spec = a_job_spec(demand=a_demand(1, 8))
    first = submit(desk.plane, spec, "ada", ASKED)
    desk.report(a_node("small"))
    again = submit(desk.plane, spec, "ada", ASKED)
    assert (again.job.id, again.is_replayed) == (first.job.id, True)
    with pytest.raises(Unsatisfiable):
        submit(desk.plane, spec, "ada", Asked("key-2", "digest-1"))


@pytest.mark.parametrize("key", ["", "x" * (KEY_CHARS_MAX + 1), "a\nb", "\0"])
def test_a_key_that_cannot_be_kept_is_refused(key: str) -> None:
    with pytest.raises(Invalid) as refusal:
        Asked(key, "digest")
    assert refusal.value.field == "Idempotency-Key"


REFUSED: dict[str, tuple[dict[str, Any], type[Refused], str]] = {
    "more GPUs than any node has": ({"demand": a_demand(1, 9)}, Unsatisfiable, "resources"),
    "more nodes than there are": ({"demand": a_demand(2, 1)}, Unsatisfiable, "resources"),
    "an unknown work folder": ({"snapshot": "a" * 64}, Invalid, "snapshot"),
}


@pytest.mark.parametrize(("changes", "error", "field"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("asked", [None, ASKED])
def test_what_can_never_run_is_refused_with_nothing_written(
    changes: dict[str, Any], error: type[Refused], field: str, asked: Asked | None
) -> None:
    desk = a_desk()
    head = desk.store.head()
    with pytest.raises(error) as refusal:
        submit(desk.plane, a_job_spec(**changes), "ada", asked)
    assert refusal.value.field == field
    assert refusal.value.hint
    assert (desk.store.head(), desk.store.replies) == (head, {})


def test_a_known_work_folder_is_accepted() -> None:
    desk = a_desk()
    manifest = Manifest(())
    desk.blobs.put(manifest.digest, [manifest.to_bytes()])
    assert submit(desk.plane, a_job_spec(snapshot=manifest.digest), "ada").job.spec.snapshot


def test_before_any_site_has_reported_one_may_try_again() -> None:
    with pytest.raises(Unavailable):
        submit(Desk().plane, SPEC, "ada")


def test_a_job_may_wait_for_what_is_busy() -> None:
    desk = a_desk(a_dgx())
    desk.submit(a_job_spec(demand=a_demand(1, 8)))
    desk.scheduler.turn()
    check_acceptable(desk.plane, a_job_spec(demand=a_demand(1, 8)), everything)


def test_an_id_that_is_taken_is_not_given_again() -> None:
    desk = a_desk()
    first = desk.submit()
    desk.ids.given = 0
    second = desk.submit()
    assert (first.id, second.id) == (a_job_id(1), a_job_id(2))
