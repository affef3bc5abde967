"""Forty sentences about who may do what, each written down by hand.

The matrix asks whether the code does what the table says; this asks whether that is right. Nothing
here is read off the table.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from quarterdeck.basics.ids import JobId
from quarterdeck.control.requeue import requeue
from quarterdeck.core.jobs.states import ReplicaState
from tests.security.cast import RUN, Cast, refused, same


@pytest.fixture(scope="module")
def cast() -> Cast:
    """For sentences after which everything is as before."""
    return Cast()


@pytest.fixture
def changing() -> Cast:
    return Cast()


def posted(cast: Cast, path: str, body: object) -> dict[str, Any]:
    """What a member is told who posts this."""
    reply = cast.says("member", "POST", path, body)
    assert reply.status in (200, 201), reply
    told: dict[str, Any] = json.loads(reply.body)
    return told


def test_a_viewer_never_submits_a_job(cast: Cast) -> None:
    assert refused(cast.says("viewer", "POST", "/v1/jobs", RUN | {"team": "red"}))
    assert refused(cast.says("viewer", "POST", "/v1/batches", {"jobs": [RUN]}))


def test_a_viewer_never_cancels_a_job(cast: Cast) -> None:
    assert refused(cast.says("viewer", "POST", f"/v1/jobs/{cast.job('mate', 'red')}/cancel"))


def test_a_viewer_reads_the_log_of_the_team(cast: Cast) -> None:
    path = f"/v1/jobs/{cast.acme.jobs['runner', 'red']}/logs"
    assert cast.says("viewer", "GET", path).status == 200


def test_a_viewer_does_not_see_the_values_of_variables(cast: Cast) -> None:
    job = cast.waiting("mate", "red", env=[("PASSWORD", "hunter2")])
    for path in (f"/v1/jobs/{job.id}", "/v1/jobs", f"/v1/jobs/{job.id}/explanation"):
        shown = cast.says("viewer", "GET", path)
        assert b"PASSWORD" in shown.body
        assert b"hunter2" not in shown.body
    assert refused(cast.says("viewer", "GET", f"/v1/jobs/{job.id}/request"))
    assert b"hunter2" in cast.says("member", "GET", f"/v1/jobs/{job.id}").body


def test_a_member_cannot_cancel_another_members_job(cast: Cast) -> None:
    assert refused(cast.says("member", "POST", f"/v1/jobs/{cast.job('mate', 'red')}/cancel"))


def test_a_member_cancels_an_own_job(cast: Cast) -> None:
    job = cast.waiting("member", "red")
    assert cast.says("member", "POST", f"/v1/jobs/{job.id}/cancel").status == 200


def test_a_lead_cancels_any_job_of_the_team(cast: Cast) -> None:
    job = cast.waiting("mate", "red")
    assert cast.says("lead", "POST", f"/v1/jobs/{job.id}/cancel").status == 200


def test_a_lead_of_one_team_cannot_see_that_anothers_job_exists(cast: Cast) -> None:
    there, absent = cast.job("stranger", "blue"), "j999999999"
    for method, tail in (
        ("GET", ""),
        ("GET", "/logs"),
        ("POST", "/cancel"),
        ("GET", "/results/0/x"),
    ):
        one = cast.says("lead", method, f"/v1/jobs/{there}{tail}")
        assert same(one, cast.says("lead", method, f"/v1/jobs/{absent}{tail}"), there, absent)
        assert one.status == 404


def test_somebody_who_left_a_team_does_not_see_even_own_jobs_there(changing: Cast) -> None:
    path = f"/v1/jobs/{changing.job('member', 'red')}"
    assert changing.says("member", "GET", path).status == 200
    assert changing.says("lead", "DELETE", "/v1/teams/red/members/member").status == 200
    assert changing.says("member", "GET", path).status in (403, 404)


def test_a_lead_has_no_say_in_a_team_of_which_they_are_a_viewer(cast: Cast) -> None:
    assert cast.says("two-teams", "GET", f"/v1/jobs/{cast.job('stranger', 'blue')}").status == 200
    job = cast.waiting("stranger", "blue")
    assert refused(cast.says("two-teams", "POST", f"/v1/jobs/{job.id}/cancel"))
    assert refused(cast.says("two-teams", "POST", "/v1/jobs", RUN | {"team": "blue"}))


def test_a_lead_does_not_raise_the_own_teams_limits(cast: Cast) -> None:
    assert refused(cast.says("lead", "PUT", "/v1/teams/red/limits", {}))


def test_a_lead_adds_nobody_to_another_team(cast: Cast) -> None:
    body = {"role": "member"}
    foreign = cast.says("lead", "PUT", "/v1/teams/blue/members/mate", body)
    absent = cast.says("lead", "PUT", "/v1/teams/nowhere/members/mate", body)
    assert same(foreign, absent, "blue", "nowhere")


def test_a_lead_cannot_invite_an_admin(cast: Cast) -> None:
    body = {"user": "friend", "role": "admin", "teams": {"red": "member"}}
    assert refused(cast.says("lead", "POST", "/v1/invitations", body))


def test_an_operator_never_reads_a_log(cast: Cast) -> None:
    path = f"/v1/jobs/{cast.acme.jobs['runner', 'red']}/logs"
    assert refused(cast.says("operator", "GET", path))
    assert refused(cast.says("operator", "GET", f"{path}/stream"))


def test_an_operator_never_makes_a_user(cast: Cast) -> None:
    assert refused(cast.says("operator", "POST", "/v1/users", {"name": "friend"}))


def test_a_steward_neither_sees_nor_submits_jobs(cast: Cast) -> None:
    assert refused(cast.says("steward", "GET", "/v1/jobs"))
    assert refused(cast.says("steward", "POST", "/v1/jobs", RUN | {"team": "red"}))


def test_an_admin_cannot_make_an_owner(cast: Cast) -> None:
    assert refused(cast.says("admin", "PUT", "/v1/users/mate/role", {"role": "owner"}))
    assert refused(cast.says("admin", "POST", "/v1/users", {"name": "x", "role": "owner"}))


def test_an_admin_cannot_shut_out_an_owner(cast: Cast) -> None:
    assert refused(cast.says("admin", "POST", "/v1/users/owner/deactivate"))


def test_an_admin_does_not_stop_the_server(cast: Cast) -> None:
    assert refused(cast.says("admin", "POST", "/v1/server/shutdown", {}))
    assert cast.acme.house.shutdowns == []


def test_only_an_owner_hands_over_the_ownership(cast: Cast) -> None:
    for who in ("admin", "operator", "lead", "member"):
        assert refused(cast.says(who, "POST", "/v1/organization/transfer", {"to": "mate"}))


def test_the_last_owner_cannot_be_demoted(changing: Cast) -> None:
    assert changing.says("owner", "PUT", "/v1/users/ada/role", {"role": None}).status == 200
    last = changing.says("owner", "PUT", "/v1/users/owner/role", {"role": None})
    assert refused(last, 409, "last_owner")


def test_an_outsider_sees_no_job_no_team_and_nobody_else(cast: Cast) -> None:
    assert refused(cast.says("outsider", "GET", "/v1/jobs"))
    assert refused(cast.says("outsider", "GET", "/v1/teams"))
    assert [one["name"] for one in cast.reads("outsider", "/v1/users")["users"]] == ["outsider"]


def test_nobody_makes_a_token_for_another_person(cast: Cast) -> None:
    for who in ("owner", "admin", "lead"):
        assert refused(cast.says(who, "POST", "/v1/tokens", {"user": "mate"}))


def test_nobody_reads_a_colleagues_tokens(cast: Cast) -> None:
    for who in ("lead", "member", "operator"):
        assert cast.says(who, "GET", "/v1/tokens", query="user=mate").status == 404


def test_no_list_shows_the_secret_of_a_token(cast: Cast) -> None:
    made = json.loads(cast.says("member", "POST", "/v1/tokens", {"name": "one"}).body)
    assert made["secret"].encode() not in cast.says("member", "GET", "/v1/tokens").body
    assert made["secret"].encode() not in cast.says("owner", "GET", "/v1/audit").body


def test_a_token_for_reading_never_changes_anything(cast: Cast) -> None:
    who = "member for reading"
    assert cast.says(who, "GET", "/v1/jobs").status == 200
    assert refused(cast.says(who, "POST", "/v1/jobs", RUN))
    assert refused(cast.says(who, "POST", f"/v1/jobs/{cast.job('member', 'red')}/cancel"))
    assert refused(cast.says(who, "POST", "/v1/tokens", {"scopes": ["everything"]}))


def test_a_token_for_jobs_never_touches_people(cast: Cast) -> None:
    who = "member for jobs"
    assert cast.says(who, "POST", "/v1/jobs", RUN | {"hold": True}).status == 201
    assert refused(cast.says(who, "GET", "/v1/users"))
    assert refused(cast.says(who, "POST", "/v1/tokens", {}))


def test_a_token_for_one_team_is_blind_to_the_others_even_an_owners(cast: Cast) -> None:
    who = "owner for red"
    assert cast.says(who, "GET", f"/v1/jobs/{cast.job('mate', 'red')}").status == 200
    assert cast.says(who, "GET", f"/v1/jobs/{cast.job('stranger', 'blue')}").status == 404
    assert [one["name"] for one in cast.reads(who, "/v1/teams")["teams"]] == ["red"]
    assert refused(cast.says(who, "GET", "/v1/audit"))


def test_a_token_for_a_team_that_one_cannot_see_is_refused_like_one_for_none(cast: Cast) -> None:
    foreign = cast.says("member", "POST", "/v1/tokens", {"teams": ["blue"]})
    absent = cast.says("member", "POST", "/v1/tokens", {"teams": ["nowhere"]})
    assert same(foreign, absent, "blue", "nowhere")
    assert foreign.status == 404


def test_a_deactivated_persons_token_is_refused_at_once(changing: Cast) -> None:
    assert changing.says("member", "GET", "/v1/whoami").status == 200
    assert changing.says("admin", "POST", "/v1/users/member/deactivate").status == 200
    assert refused(changing.says("member", "GET", "/v1/whoami"), 401, "unknown_token")
    assert changing.says("admin", "POST", "/v1/users/member/activate").status == 200
    assert refused(changing.says("member", "GET", "/v1/whoami"), 401, "unknown_token")


def test_a_revoked_token_is_refused_at_once(changing: Cast) -> None:
    token = changing.reads("member", "/v1/whoami")["token"]["id"]
    assert changing.says("member", "DELETE", f"/v1/tokens/{token}").status == 204
    assert refused(changing.says("member", "GET", "/v1/whoami"), 401, "unknown_token")


def test_an_invitation_works_once(changing: Cast) -> None:
    body = {"user": "friend", "teams": {"red": "member"}}
    code = json.loads(changing.says("lead", "POST", "/v1/invitations", body).body)["code"]
    changing.tokens["nobody"] = ""
    come_in = ("nobody", "POST", "/v1/invitations/accept", {"code": code})
    assert changing.says(*come_in).status == 201
    assert refused(changing.says(*come_in), 403, "unknown_code")


def test_a_service_account_stays_in_its_team(cast: Cast) -> None:
    moved = cast.says("owner", "PUT", "/v1/teams/blue/members/robot", {"role": "member"})
    assert refused(moved, 409, "service_account")
    assert cast.says("robot", "GET", f"/v1/jobs/{cast.job('stranger', 'blue')}").status == 404


def test_an_idempotency_key_of_another_person_is_not_theirs(cast: Cast) -> None:
    body, made = RUN | {"team": "red", "hold": True}, {}
    for who in ("member", "lead", "two-teams"):
        key = [(b"idempotency-key", b"k1")]
        reply = cast.acme.ask(cast.tokens[who], "POST", "/v1/jobs", "", body, key)
        assert reply.status == 201, reply
        made[who] = json.loads(reply.body)
        again = cast.acme.ask(cast.tokens[who], "POST", "/v1/jobs", "", body, key)
        assert json.loads(again.body)["id"] == made[who]["id"]
    assert len({one["id"] for one in made.values()}) == 3
    assert all(one["owner"] == who for who, one in made.items())


def test_a_job_cannot_need_a_job_that_its_owner_may_not_see(cast: Cast) -> None:
    there, absent = cast.job("stranger", "blue"), "j999999999"
    one = cast.says("member", "POST", "/v1/jobs", RUN | {"needs": [there]})
    assert same(
        one, cast.says("member", "POST", "/v1/jobs", RUN | {"needs": [absent]}), there, absent
    )
    assert one.status == 422


def test_the_queue_does_not_show_jobs_of_teams_that_one_does_not_see(changing: Cast) -> None:
    first, mine = changing.waiting("stranger", "blue", gpus=1), changing.waiting("member", "red")
    shown = changing.reads("member", "/v1/queue")
    assert [one["job"]["id"] if "job" in one else one["id"] for one in shown["entries"]] == [
        mine.id
    ]
    assert shown["length"] == 1
    assert first.id not in json.dumps(shown)


def test_explain_never_names_a_job_of_a_team_that_one_may_not_see(changing: Cast) -> None:
    house = changing.acme.house
    holders = [changing.waiting("stranger", "blue", gpus=8) for _ in range(2)]
    house.place()
    job = changing.waiting("member", "red", gpus=8)
    shown = json.dumps(changing.reads("member", f"/v1/jobs/{job.id}/explanation"))
    assert not any(one.id in shown for one in holders)
    assert any(
        one.id in json.dumps(changing.reads("admin", f"/v1/jobs/{job.id}/explanation"))
        for one in holders
    )
    nodes = json.dumps(changing.reads("member", "/v1/nodes"))
    assert not any(one.id in nodes for one in holders)


def test_nobody_learns_how_many_jobs_of_others_wait_before_theirs(changing: Cast) -> None:
    mine = changing.waiting("member", "red", gpus=8)
    held = posted(changing, "/v1/jobs", RUN | {"team": "red", "hold": True})

    def told() -> list[object]:
        explained = changing.reads("member", f"/v1/jobs/{mine.id}/explanation")
        planned = posted(changing, "/v1/plans", RUN | {"team": "red", "priority": "low"})
        (entry,) = changing.reads("member", "/v1/queue")["entries"]
        return [
            (explained["position"], explained["queue_length"], entry["position"]),
            changing.reads("member", f"/v1/jobs/{held['id']}/explanation")["queue_length"],
            planned["position"],
        ]

    before = told()
    assert before == [(1, 1, 1), 1, 2]
    for _ in range(3):
        spec = {"team": "blue", "priority": "high", "run": "true"}
        assert changing.says("stranger", "POST", "/v1/jobs", spec).status == 201
    assert told() == before
    assert changing.reads("admin", f"/v1/jobs/{mine.id}/explanation")["position"] == 4


def test_an_event_stream_holds_nothing_of_other_teams(cast: Cast) -> None:
    job_ids = cast.job("member", "red"), cast.job("stranger", "blue")
    assert cast.says("member", "GET", "/v1/events", query=f"job_id={job_ids[1]}").status == 404
    told = cast.heard("member")
    assert job_ids[0] in told
    assert job_ids[1] not in told
    assert job_ids[1] in cast.heard("admin")


def test_a_closed_team_takes_no_jobs(changing: Cast) -> None:
    assert changing.says("admin", "POST", "/v1/teams/red/close").status == 200
    closed = changing.says("member", "POST", "/v1/jobs", RUN | {"team": "red"})
    assert refused(closed, 409, "team_closed")


def test_a_runner_sees_and_notes_its_own_job_and_no_other(cast: Cast) -> None:
    own, other = cast.acme.jobs["runner", "red"], cast.job("mate", "red")
    assert cast.says("runner", "GET", f"/v1/jobs/{own}").status == 200
    assert cast.says("runner", "POST", f"/v1/jobs/{own}/notes", {"text": "half"}).status == 200
    assert cast.says("runner", "GET", f"/v1/jobs/{other}").status == 404
    assert refused(cast.says("runner", "POST", f"/v1/jobs/{own}/cancel"))
    assert refused(cast.says("runner", "POST", "/v1/jobs", RUN))


def test_a_runners_token_of_attempt_1_is_refused_in_attempt_2(changing: Cast) -> None:
    house, job_id = changing.acme.house, JobId(changing.acme.jobs["runner", "red"])
    requeue(house.plane, job_id, "mate")
    house.see(job_id, ReplicaState.EXITED, 0)
    house.run(job_id, attempt=2)
    assert refused(changing.says("runner", "GET", f"/v1/jobs/{job_id}"), 401, "unknown_token")
    second = house.signed.sign_for_attempt(job_id, 2, "127.0.0.1")
    assert changing.acme.ask(second, "GET", f"/v1/jobs/{job_id}").status == 200


def test_a_runners_token_is_refused_from_elsewhere(cast: Cast) -> None:
    house, job_id = cast.acme.house, JobId(cast.acme.jobs["runner", "red"])
    stolen = house.signed.sign_for_attempt(job_id, 1, "192.0.2.7")
    assert refused(cast.acme.ask(stolen, "GET", f"/v1/jobs/{job_id}"), 401, "unknown_token")


def test_an_agent_reads_its_own_sites_nodes_and_no_job(cast: Cast) -> None:
    assert len(cast.reads("agent", "/v1/nodes")["nodes"]) == 2
    elsewhere = cast.acme.house.signed.sign_for_site("elsewhere", "127.0.0.1")
    reply = cast.acme.ask(elsewhere, "GET", "/v1/nodes")
    assert json.loads(reply.body)["nodes"] == []
    assert refused(cast.says("agent", "GET", "/v1/jobs"))


def test_only_owners_and_admins_read_the_audit_log(cast: Cast) -> None:
    for who in ("operator", "steward", "lead", "member", "viewer", "robot", "outsider", "runner"):
        assert refused(cast.says(who, "GET", "/v1/audit"))
        assert refused(cast.says(who, "GET", "/v1/audit/export"))
    assert cast.says("admin", "GET", "/v1/audit").status == 200


def test_an_admin_cannot_revoke_an_owners_token(changing: Cast) -> None:
    for who, theirs in (("owner", "admin"), ("admin", "owner"), ("member", "operator")):
        token = changing.reads(theirs, "/v1/whoami")["token"]["id"]
        gone = changing.says(who, "DELETE", f"/v1/tokens/{token}", query="dry_run=true")
        assert gone.status == {"owner": 204, "admin": 403, "member": 404}[who]
    token = changing.reads("owner", "/v1/whoami")["token"]["id"]
    assert refused(changing.says("admin", "DELETE", f"/v1/tokens/{token}"))
    assert changing.says("owner", "GET", "/v1/whoami").status == 200
    own = changing.reads("admin", "/v1/whoami")["token"]["id"]
    assert changing.says("admin", "DELETE", f"/v1/tokens/{own}").status == 204
