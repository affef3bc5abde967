"""Sentences that begin with "only": each asked of everybody, and each written down by hand.

The other sentences say what somebody in particular may or may not; these leave nobody out, so that
a cell of the permission table that is loosened by mistake contradicts one of them.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.security.cast import RUN, Cast

BOSSES = {"owner", "admin"}
LEADS = BOSSES | {"lead", "two-teams"}
MAKERS = LEADS | {"member", "robot"}
CREW = MAKERS | {"viewer"}
EVERYBODY = CREW | {"operator", "steward", "outsider", "runner", "agent"}
HIDDEN = {"unknown_team", "unknown_user", "unknown_invitation", "no_such_token"}


@pytest.fixture(scope="module")
def cast() -> Cast:
    return Cast()


def who_may(
    cast: Cast, method: str, path: str, body: Any = None, query: str = "dry_run=true"
) -> set[str]:
    """Whom this is not refused; to whom the thing is not shown, it is."""
    found = set()
    for who in sorted(EVERYBODY):
        reply = cast.says(who, method, path, body, "" if method == "GET" else query)
        code = reply.problem["code"] if reply.status in (403, 404) else ""
        is_hidden = code in HIDDEN or (code == "not_found" and "no job" in reply.problem["detail"])
        if reply.status < 500 and code != "not_allowed" and not is_hidden:
            found.add(who)
    return found


def test_only_owners_admins_and_who_makes_things_in_a_team_submit_to_it(cast: Cast) -> None:
    red = RUN | {"team": "red"}
    assert who_may(cast, "POST", "/v1/jobs", red) == MAKERS
    assert who_may(cast, "POST", "/v1/batches", {"jobs": [red]}) == MAKERS
    assert who_may(cast, "POST", "/v1/plans", red, "") == MAKERS
    assert who_may(cast, "POST", "/v1/jobs", RUN | {"team": "blue"}) == BOSSES


def test_only_who_may_submit_uploads_files(cast: Cast) -> None:
    assert who_may(cast, "POST", "/v1/snapshots", {"files": []}, "") == MAKERS


def test_only_the_team_and_who_runs_the_organization_sees_a_job(cast: Cast) -> None:
    red, blue = cast.job("mate", "red"), cast.job("stranger", "blue")
    assert who_may(cast, "GET", f"/v1/jobs/{red}") == CREW | {"operator"}
    assert who_may(cast, "GET", f"/v1/jobs/{blue}") == BOSSES | {"operator", "two-teams"}
    assert who_may(cast, "GET", "/v1/jobs") == CREW | {"operator", "runner"}


@pytest.mark.parametrize("step", ["cancel", "requeue", "hold", "release"])
def test_only_leads_and_who_runs_the_organization_move_the_job_of_a_member(
    cast: Cast, step: str
) -> None:
    job = cast.waiting("mate", "red")
    assert who_may(cast, "POST", f"/v1/jobs/{job.id}/{step}") == LEADS | {"operator"}


def test_only_members_leads_and_who_runs_the_organization_note_something(cast: Cast) -> None:
    path = f"/v1/jobs/{cast.job('mate', 'red')}/notes"
    assert who_may(cast, "POST", path, {"text": "x"}) == LEADS | {"member", "operator"}


def test_only_members_and_leads_see_what_a_job_was_asked_with(cast: Cast) -> None:
    path = f"/v1/jobs/{cast.job('mate', 'red')}/request"
    assert who_may(cast, "GET", path) == LEADS | {"member"}


@pytest.mark.parametrize("what", ["logs", "results", "metrics"])
def test_only_the_team_and_the_job_itself_see_what_it_puts_out(cast: Cast, what: str) -> None:
    job_id = cast.acme.jobs["runner", "red"]
    assert who_may(cast, "GET", f"/v1/jobs/{job_id}/{what}") == CREW | {"runner"}


def test_only_who_is_in_a_team_or_runs_the_organization_sees_the_queue_and_nodes(
    cast: Cast,
) -> None:
    assert who_may(cast, "GET", "/v1/queue") == CREW | {"operator"}
    assert who_may(cast, "GET", "/v1/nodes") == CREW | {"operator", "agent"}


def test_only_owners_and_operators_stop_and_sweep_the_server() -> None:
    cast = Cast()
    assert who_may(cast, "POST", "/v1/server/shutdown", {}, "") == {"owner", "operator"}
    refused = EVERYBODY - {"owner", "operator"}
    for who in sorted(EVERYBODY):
        swept = cast.says(who, "POST", "/v1/gc", None, "dry_run=true").status
        assert (swept == 403) == (who in refused), who


def test_only_owners_and_admins_have_to_do_with_webhooks(cast: Cast) -> None:
    hook = {"url": "https://hooks.example.org/"}
    assert who_may(cast, "GET", "/v1/webhooks") == BOSSES
    assert who_may(cast, "POST", "/v1/webhooks", hook) == BOSSES
    assert who_may(cast, "DELETE", "/v1/webhooks/w000000001") == BOSSES
    assert who_may(cast, "POST", "/v1/webhooks/w000000001/test") == BOSSES


def test_only_an_owner_gives_the_organization_away(cast: Cast) -> None:
    assert who_may(cast, "POST", "/v1/organization/transfer", {"to": "mate"}) == {"owner"}


def test_only_owners_and_admins_read_and_apply_the_file_of_all_people(cast: Cast) -> None:
    assert who_may(cast, "GET", "/v1/people") == BOSSES
    assert who_may(cast, "POST", "/v1/people", {}) == BOSSES


def test_only_owners_and_admins_make_limit_and_close_teams(cast: Cast) -> None:
    assert who_may(cast, "POST", "/v1/teams", {"name": "green"}) == BOSSES
    assert who_may(cast, "PUT", "/v1/teams/red/limits", {}) == BOSSES
    assert who_may(cast, "POST", "/v1/teams/red/close") == BOSSES


def test_only_who_is_in_a_team_or_runs_the_organization_knows_of_it(cast: Cast) -> None:
    whole = BOSSES | {"operator", "steward"}
    assert who_may(cast, "GET", "/v1/teams/red") == CREW | whole
    assert who_may(cast, "GET", "/v1/teams/red/members") == CREW | whole
    assert who_may(cast, "GET", "/v1/teams/blue") == whole | {"two-teams"}


def test_only_leads_owners_and_admins_say_who_is_in_a_team(cast: Cast) -> None:
    path = "/v1/teams/red/members/mate"
    assert who_may(cast, "PUT", path, {"role": "viewer"}) == LEADS
    assert who_may(cast, "DELETE", path) == LEADS


def test_only_owners_and_admins_say_who_leads_a_team(cast: Cast) -> None:
    assert who_may(cast, "PUT", "/v1/teams/red/members/mate", {"role": "lead"}) == BOSSES
    assert who_may(cast, "DELETE", "/v1/teams/red/members/lead") == BOSSES


def test_only_colleagues_owners_and_admins_know_of_a_person(cast: Cast) -> None:
    assert who_may(cast, "GET", "/v1/users/mate") == CREW
    assert who_may(cast, "GET", "/v1/users/stranger") == BOSSES | {"two-teams"}


def test_only_owners_and_admins_make_limit_appoint_and_deactivate_people(cast: Cast) -> None:
    assert who_may(cast, "POST", "/v1/users", {"name": "friend"}) == BOSSES
    assert who_may(cast, "PUT", "/v1/users/mate/limits", {}) == BOSSES
    assert who_may(cast, "PUT", "/v1/users/mate/role", {"role": "steward"}) == BOSSES
    assert who_may(cast, "POST", "/v1/users/mate/deactivate") == BOSSES
    assert who_may(cast, "POST", "/v1/users/mate/activate") == BOSSES


def test_only_owners_make_or_unmake_owners_and_admins(cast: Cast) -> None:
    for role in ("owner", "admin"):
        body = {"name": "friend", "role": role}
        assert who_may(cast, "PUT", "/v1/users/mate/role", {"role": role}) == {"owner"}
        assert who_may(cast, "POST", "/v1/users", body) == {"owner"}
        invited = {"user": "friend", "role": role}
        assert who_may(cast, "POST", "/v1/invitations", invited) == {"owner"}
        assert who_may(cast, "PUT", f"/v1/users/{role}/role", {"role": None}) == {"owner"}
        assert who_may(cast, "POST", f"/v1/users/{role}/deactivate") == {"owner"}


def test_only_leads_owners_and_admins_have_to_do_with_service_accounts(cast: Cast) -> None:
    body = {"name": "android", "kind": "service", "team": "red"}
    assert who_may(cast, "POST", "/v1/users", body) == LEADS
    assert who_may(cast, "POST", "/v1/users", body | {"team": "blue"}) == BOSSES
    assert who_may(cast, "POST", "/v1/users/robot/deactivate") == LEADS
    assert who_may(cast, "POST", "/v1/users/robot/activate") == LEADS


def test_only_leads_owners_and_admins_have_to_do_with_invitations(cast: Cast) -> None:
    body = {"user": "guest", "teams": {"red": "member"}}
    made = json.loads(cast.says("lead", "POST", "/v1/invitations", body).body)
    more = {"user": "second-guest", "teams": {"red": "member"}}
    assert who_may(cast, "GET", "/v1/invitations") == LEADS
    assert who_may(cast, "POST", "/v1/invitations", more) == LEADS
    assert who_may(cast, "DELETE", f"/v1/invitations/{made['id']}") == LEADS


def tokens_of(cast: Cast, owner: str) -> str:
    (first, *_) = cast.reads("owner", "/v1/tokens", f"user={owner}")["tokens"]
    found: str = first["id"]
    return found


def lists_tokens_of(cast: Cast, owner: str) -> set[str]:
    answers = {
        who: cast.says(who, "GET", "/v1/tokens", query=f"user={owner}").status for who in EVERYBODY
    }
    return {who for who, status in answers.items() if status == 200}


def test_only_owners_and_admins_list_and_revoke_a_persons_tokens(cast: Cast) -> None:
    assert lists_tokens_of(cast, "mate") == BOSSES
    assert who_may(cast, "DELETE", f"/v1/tokens/{tokens_of(cast, 'mate')}") == BOSSES


def test_only_people_make_tokens_and_only_their_own(cast: Cast) -> None:
    assert who_may(cast, "POST", "/v1/tokens", {"user": "mate"}) == set()
    assert who_may(cast, "POST", "/v1/tokens", {}) == EVERYBODY - {"robot", "runner", "agent"}


def test_only_leads_owners_and_admins_have_to_do_with_a_service_accounts_tokens(
    cast: Cast,
) -> None:
    assert lists_tokens_of(cast, "robot") == LEADS
    assert who_may(cast, "POST", "/v1/tokens", {"user": "robot"}) == LEADS
    assert who_may(cast, "DELETE", f"/v1/tokens/{tokens_of(cast, 'robot')}") == LEADS
    assert who_may(cast, "POST", "/v1/tokens", {"user": "blue-robot"}) == BOSSES


def test_only_owners_and_admins_see_anything_of_the_audit_log(cast: Cast) -> None:
    for path in ("", "/export", "/checkpoint", "/proofs/inclusion", "/proofs/consistency"):
        assert who_may(cast, "GET", f"/v1/audit{path}") == BOSSES
