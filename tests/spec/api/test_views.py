"""Facts as a client reads them."""

from __future__ import annotations

import pytest

from quarterdeck.api.views import event_view
from quarterdeck.basics.ids import JobId
from quarterdeck.core.cluster.demand import Grant
from quarterdeck.core.cluster.events import SiteReported
from quarterdeck.core.cluster.hardware import Device, Node
from quarterdeck.core.jobs import events as ev
from quarterdeck.core.jobs.clearance import Clearance
from quarterdeck.core.jobs.place import QueuePlace
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.spec import JobSpec
from quarterdeck.core.jobs.states import JobState, ReplicaState
from quarterdeck.ports.store import JobRecord, SiteRecord

AT_NS = 1_700_000_000_123_456_789
AT = "2023-11-14T22:13:20.123456Z"
FACTS: list[tuple[ev.JobEvent, str, str | None]] = [
    (ev.Submitted(AT_NS, "ada", JobSpec(("true",))), "submitted", "queued"),
    (ev.Placed(AT_NS, 1, "local", (Grant("n1", ("GPU-1",)),)), "placed", "starting"),
    (
        ev.Seen(AT_NS, 1, (ev.Sighting(0, ReplicaState.STARTED, started_at_ns=AT_NS),)),
        "seen",
        None,
    ),
    (ev.Started(AT_NS, 1, AT_NS), "started", "running"),
    (
        ev.StopRequested(AT_NS, 1, Reason.CANCELLED_BY_USER, 30.0),
        "stop_requested",
        "stopping",
    ),
    (ev.Ended(AT_NS, 1, JobState.QUEUED, Reason.NODE_FAILURE), "ended", "queued"),
    (ev.Cancelled(AT_NS, "ada"), "cancelled", "cancelled"),
    (ev.Requeued(AT_NS, "ada"), "requeued", "queued"),
    (ev.Submitted(AT_NS, "ada", JobSpec(("true",)), is_held=True), "submitted", "held"),
    (ev.Held(AT_NS, "ada"), "held", "held"),
    (ev.Released(AT_NS, "ada"), "released", "queued"),
    (ev.Reordered(AT_NS, "ada", QueuePlace(JobId("j000000002"), AT_NS, 8, 8)), "reordered", None),
    (ev.NeedMet(AT_NS, JobId("j000000002")), "need_met", None),
    (ev.Noted(AT_NS, "ada", "look"), "noted", None),
    (ev.RoomCleared(AT_NS, Clearance("local", ("n1",), 1)), "room_cleared", None),
    # Of an array: only the end of its last task says what has become of the whole.
    (ev.Placed(AT_NS, 1, "local", (Grant("n1"),), task=3), "placed", None),
    (ev.Started(AT_NS, 1, AT_NS, task=3), "started", None),
    (ev.Ended(AT_NS, 1, JobState.FAILED, Reason.USER_ERROR, task=3), "ended", None),
    (
        ev.Ended(AT_NS, 1, JobState.SUCCEEDED, Reason.COMPLETED, task=3, closes=JobState.FAILED),
        "ended",
        "failed",
    ),
    (ev.Cancelled(AT_NS, "ada", next_state=JobState.STOPPING), "cancelled", "stopping"),
]


@pytest.mark.parametrize(("fact", "kind", "state"), FACTS)
def test_a_fact_about_a_job_has_its_kind_its_time_and_the_state_it_leads_to(
    fact: ev.JobEvent, kind: str, state: str | None
) -> None:
    view = event_view(JobRecord(7, JobId("j000000001"), 3, fact))
    assert (view.seq, view.job_id, view.revision) == (7, "j000000001", 3)
    assert (view.kind, view.state, view.at) == (kind, state, AT)
    assert "_ns" not in str(view.data)


def test_no_fact_is_forgotten_here() -> None:
    assert {type(fact) for fact, _, _ in FACTS} == set(ev.JOB_EVENTS)


def test_times_inside_a_fact_are_text_too() -> None:
    view = event_view(JobRecord(1, JobId("j000000001"), 3, FACTS[2][0]))
    assert view.data["sightings"][0]["started_at"] == AT
    assert view.data["sightings"][0]["ended_at"] is None


def test_a_fact_about_a_site_is_of_no_job() -> None:
    node = Node("n1", 8, 2**30, (Device("GPU-1", "A100", 2**30),))
    view = event_view(SiteRecord(1, SiteReported(AT_NS, "local", (node,))))
    assert (view.kind, view.job_id, view.revision, view.state) == (
        "site_reported", None, None, None,
    )  # fmt: skip
    assert view.data["nodes"][0]["devices"][0]["id"] == "GPU-1"
