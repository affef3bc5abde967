"""The calendar over HTTP: who may ask, who approves, and who may read for whom it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.security.acme import Acme

if TYPE_CHECKING:
    from tests.security.acme import Asker

SECRET = "merger"
TIME = {"start": "2027-12-06 09:00", "span": "8h", "zone": "Europe/Berlin"}


@pytest.fixture
def acme() -> Acme:
    return Acme()


def ask(acme: Acme, who: str, method: str, path: str, body: Any = None, query: str = "") -> Any:
    """The status and the answer."""
    asker: Asker = acme.asker(who)
    reply = acme.ask(asker.token, method, f"/v1{path}", query, body)
    return reply.status, reply.problem


def book(acme: Acme, who: str, **changes: Any) -> tuple[int, Any]:
    body = {"team": "red", "count": 1, "title": SECRET, **TIME, **changes}
    found: tuple[int, Any] = ask(acme, who, "POST", "/bookings", body)
    return found


def test_an_operator_books_at_once_and_a_lead_asks(acme: Acme) -> None:
    status, made = book(acme, "operator")
    assert (status, made["state"], made["approved_by"]) == (201, "approved", "operator")
    status, asked = book(acme, "lead")
    assert (status, asked["state"], asked["approved_by"]) == (201, "asked", "")
    path = f"/bookings/{asked['id']}/approve"
    assert ask(acme, "lead", "POST", path)[0] == 403
    assert ask(acme, "operator", "POST", path)[1]["state"] == "approved"


@pytest.mark.parametrize("who", ["member", "viewer", "robot", "steward", "outsider"])
def test_others_book_nothing(acme: Acme, who: str) -> None:
    assert book(acme, who)[0] == 403


def test_a_lead_books_for_their_own_team_alone(acme: Acme) -> None:
    assert book(acme, "two-teams", team="red")[0] == 201
    assert book(acme, "two-teams", team="blue")[0] == 403
    assert book(acme, "lead", team="blue")[0] == 404
    assert book(acme, "lead", team="", people=["mate"])[0] == 403
    maintenance = {"kind": "maintenance", "team": "", "count": 0, "nodes": "dgx-1"}
    assert book(acme, "lead", **maintenance)[0] == 403
    assert book(acme, "operator", **maintenance)[0] == 201


def test_a_lead_cancels_and_changes_what_is_of_their_team_alone(acme: Acme) -> None:
    _, red = book(acme, "operator")
    _, blue = book(acme, "operator", team="blue")
    assert ask(acme, "lead", "POST", f"/bookings/{blue['id']}/cancel")[0] == 403
    dry = ask(acme, "lead", "POST", f"/bookings/{red['id']}/cancel", query="dry_run=true")
    assert dry[1]["state"] == "cancelled"
    assert ask(acme, "lead", "GET", f"/bookings/{red['id']}")[1]["state"] == "approved"
    assert ask(acme, "lead", "POST", f"/bookings/{red['id']}/cancel")[1]["state"] == "cancelled"


def test_others_read_what_and_when_and_not_for_whom(acme: Acme) -> None:
    _, made = book(acme, "operator", team="blue", people=["stranger"])
    for path in ("/bookings", f"/bookings/{made['id']}"):
        query = "days=400" if path == "/bookings" else ""
        status, told = ask(acme, "member", "GET", path, query=query)
        assert status == 200
        for word in (SECRET, "blue", "stranger", "operator"):
            assert word not in str(told), path
        one = told["bookings"][0] if path == "/bookings" else told
        assert one["is_hidden"]
        assert (one["count"], one["start"]) == (1, "2027-12-06 09:00:00")
    status, told = ask(acme, "two-teams", "GET", f"/bookings/{made['id']}")
    assert (told["title"], told["team"], told["is_hidden"]) == (SECRET, "blue", False)


def test_others_do_not_hear_of_what_is_only_asked_for(acme: Acme) -> None:
    _, asked = book(acme, "lead")
    blue = acme.token_of("stranger")
    listed = acme.ask(blue, "GET", "/v1/bookings").problem
    assert listed["bookings"] == []
    assert acme.ask(blue, "GET", f"/v1/bookings/{asked['id']}").status == 404
    assert len(ask(acme, "member", "GET", "/bookings")[1]["bookings"]) == 1


def test_a_conflict_tells_a_lead_nothing_of_another_team(acme: Acme) -> None:
    book(acme, "operator", team="blue", count=2)
    status, problem = book(acme, "lead")
    assert status == 409
    assert problem["code"] == "booking_conflict"
    assert "0 of 2 would be left Mon 6 Dec 2027 09:00–17:00 Europe/Berlin" in problem["detail"]
    assert "of others has 2 nodes" in problem["detail"]
    assert "all of it would fit from Mon 6 Dec 2027 17:00" in problem["hint"]
    for word in ("blue", SECRET):
        assert word not in str(problem)


def test_the_file_for_calendar_programs_hides_the_same(acme: Acme) -> None:
    book(acme, "operator", team="blue")
    for who, is_told in (("member", False), ("operator", True)):
        reply = acme.ask(acme.asker(who).token, "GET", "/v1/calendar.ics")
        text = reply.body.decode()
        assert text.startswith("BEGIN:VCALENDAR\r\n")
        assert (SECRET in text) is is_told
        assert ("blue" in text) is False
        assert "DTSTART:20271206T080000Z" in text


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"start": "soon"}, "start"),
        ({"start": "2027-12-06T09:00+01:00"}, "start"),
        ({"end": "2027-12-06 17:00"}, "end"),
        ({"span": None}, "end"),
        ({"span": "8"}, "span"),
        ({"zone": "Mars/Olympus"}, "zone"),
        ({"until": "someday", "repeat": "daily"}, "until"),
        ({"nodes": "dgx-[1", "count": 0}, "nodes"),
        ({"nodes": "dgx-9", "count": 0}, "nodes"),
        ({"start": "2021-12-06 09:00"}, "end"),
        ({"people": ["nobody"]}, "user"),
    ],
)
def test_what_cannot_be_booked_is_refused_with_what_to_do(
    acme: Acme, changes: dict[str, Any], field: str
) -> None:
    status, problem = book(acme, "operator", **changes)
    assert status in (404, 422)
    assert problem["field"] == field
    assert problem["hint"]
    assert ask(acme, "operator", "GET", "/bookings", query="past=true")[1]["bookings"] == []


def test_now_and_a_span_from_now_are_times(acme: Acme) -> None:
    status, made = book(acme, "operator", start="+90s", span="10m", zone="UTC")
    assert status == 201
    (time,) = ask(acme, "operator", "GET", "/bookings")[1]["times"]
    assert time["booking"] == made["id"]
    assert time["nodes"] in (["dgx-1"], ["dgx-2"])


def test_a_lease_binds_when_somebody_else_has_approved(acme: Acme) -> None:
    lease = {"kind": "lease", "count": 1, "start": "2027-03-01", "span": None, "end": "2027-09-01"}
    _, made = book(acme, "operator", **lease)
    path = f"/bookings/{made['id']}"
    status, problem = ask(acme, "operator", "POST", f"{path}/approve")
    assert (status, problem["code"]) == (422, "own_approval")
    assert ask(acme, "admin", "POST", f"{path}/approve")[1]["state"] == "approved"
    body = {"start": "2027-04-01", "nodes": 2}
    _, amended = ask(acme, "lead", "POST", f"{path}/amend", body)
    assert [one["approved_by"] for one in amended["amendments"]] == [""]
    _, approved = ask(acme, "admin", "POST", f"{path}/approve")
    assert [(one["nodes"], one["approved_by"]) for one in approved["amendments"]] == [(2, "admin")]
