"""People, teams and tokens over HTTP: what is asked, and what comes back, in both clients."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Awaitable
from typing import Any

import pytest

from quarterdeck.basics.errors import NotFound, QuarterdeckError
from quarterdeck.sdk import AsyncClient, Client, people_requests
from quarterdeck.sdk.calls import Call
from quarterdeck.sdk.people import AsyncPeopleCalls, PeopleCalls
from quarterdeck.wire.v1 import people as wire
from tests.integration.sdk.scripted import DROPPED, TOKEN, Answer, as_json, problem, serving

AT = "2026-11-24T09:00:00.000000Z"
TEAM: dict[str, Any] = {
    "name": "vision", "title": "", "members": 1, "limits": {}, "queued_jobs": 0, "created_at": AT,
    "closed_at": None,
}  # fmt: skip
USER: dict[str, Any] = {
    "name": "ann", "kind": "user", "title": "", "role": None, "teams": {"vision": "lead"},
    "limits": {}, "active": True, "created_at": AT, "deactivated_at": None,
}  # fmt: skip
TOKEN_VIEW: dict[str, Any] = {
    "id": "t1", "owner": "ann", "name": "token", "scopes": ["jobs"], "teams": None,
    "created_at": AT, "expires_at": AT, "last_used_at": None, "last_source": "",
}  # fmt: skip
NEW_TOKEN: dict[str, Any] = {**TOKEN_VIEW, "secret": "qd_s"}
INVITATION: dict[str, Any] = {
    "id": "i1", "user": "ann", "role": None, "teams": {}, "invited_by": "olga", "created_at": AT,
    "expires_at": AT, "code": "qdi_c",
}  # fmt: skip
WHOAMI: dict[str, Any] = {
    "name": "ann", "kind": "user", "organization": "Lab", "role": None,
    "teams": {"vision": "lead"}, "token": TOKEN_VIEW, "scopes": ["jobs"], "policy_version": "p",
}  # fmt: skip
ORGANIZATION: dict[str, Any] = {"name": "Lab", "created_at": AT, "owners": ["olga"]}
MEMBERS: dict[str, Any] = {"team": "vision", "members": []}
LIMITS = wire.LimitsBody(queued_jobs=wire.BoundBody(value=3, hard=False))
PUT_LIMITS = {"queued_jobs": {"value": 3, "hard": False}}
DIFF: dict[str, Any] = {"changes": [], "dry_run": False}

# Method, its arguments, what is asked, the body, the answer.
EVERY: dict[str, tuple[tuple[Any, ...], dict[str, Any], str, Any, Any]] = {
    "whoami": ((), {}, "GET /v1/whoami", None, WHOAMI),
    "get_organization": ((), {}, "GET /v1/organization", None, ORGANIZATION),
    "transfer": (("ann",), {}, "POST /v1/organization/transfer", {"to": "ann"}, ORGANIZATION),
    "list_teams": (
        (), {"search": "v s", "limit": 2, "after": "a"},
        "GET /v1/teams?search=v+s&limit=2&after=a", None, {"teams": [TEAM], "next_after": None},
    ),
    "get_team": (("vision",), {}, "GET /v1/teams/vision", None, TEAM),
    "create_team": (
        (wire.TeamRequest(name="vision", limits=LIMITS),), {},
        "POST /v1/teams", {"name": "vision", "limits": PUT_LIMITS}, TEAM,
    ),
    "close_team": (("vision",), {}, "POST /v1/teams/vision/close", None, TEAM),
    "limit_team": (("vision", LIMITS), {}, "PUT /v1/teams/vision/limits", PUT_LIMITS, TEAM),
    "list_members": (("vision",), {}, "GET /v1/teams/vision/members", None, MEMBERS),
    "put_member": (
        ("vision", "a@b.org", "viewer"), {},
        "PUT /v1/teams/vision/members/a%40b.org", {"role": "viewer"}, MEMBERS,
    ),
    "remove_member": (
        ("vision", "ann"), {}, "DELETE /v1/teams/vision/members/ann", None, MEMBERS
    ),
    "list_users": (
        (), {"search": "x", "team": "vision", "role": "lead", "limit": 1, "after": "b"},
        "GET /v1/users?search=x&team=vision&role=lead&limit=1&after=b", None,
        {"users": [USER], "next_after": "ann"},
    ),
    "get_user": (("ann",), {}, "GET /v1/users/ann", None, USER),
    "create_user": (
        (wire.UserRequest(name="ann", teams={"vision": "lead"}),), {},
        "POST /v1/users", {"name": "ann", "teams": {"vision": "lead"}}, USER,
    ),
    # What takes a role away has to be said: a body without it is refused.
    "appoint_user": (("ann", None), {}, "PUT /v1/users/ann/role", {"role": None}, USER),
    "limit_user": (("ann", wire.LimitsBody()), {}, "PUT /v1/users/ann/limits", {}, USER),
    "deactivate_user": (("ann",), {}, "POST /v1/users/ann/deactivate", None, USER),
    "activate_user": (("ann",), {}, "POST /v1/users/ann/activate", None, USER),
    "list_invitations": ((), {}, "GET /v1/invitations", None, {"invitations": []}),
    "invite": (
        (wire.InvitationRequest(user="ann", role="steward"),), {},
        "POST /v1/invitations", {"user": "ann", "role": "steward"}, INVITATION,
    ),
    "withdraw_invitation": (("i1",), {}, "DELETE /v1/invitations/i1", None, None),
    "accept_invitation": (
        ("qdi_c",), {}, "POST /v1/invitations/accept", {"code": "qdi_c"}, NEW_TOKEN
    ),
    "claim_server": (
        ("qdc_c", "olga"), {}, "POST /v1/claim", {"code": "qdc_c", "name": "olga"}, NEW_TOKEN
    ),
    "list_tokens": (
        (), {"user": "ci", "limit": 5, "after": "t0"},
        "GET /v1/tokens?user=ci&limit=5&after=t0", None, {"tokens": [], "next_after": None},
    ),
    # A token that never ends has to be said, too: left out it ends after the usual time.
    "create_token": (
        (wire.TokenRequest(user="ci", scopes=["jobs"], expires=None),), {},
        "POST /v1/tokens", {"user": "ci", "scopes": ["jobs"], "expires": None}, NEW_TOKEN,
    ),
    "revoke_token": (("t1",), {}, "DELETE /v1/tokens/t1", None, None),
    "export_people": ((), {}, "GET /v1/people", None, {"organization": "Lab"}),
    "apply_people": (
        (wire.PeopleFile(organization="Lab"),), {},
        "POST /v1/people", {"organization": "Lab"}, DIFF,
    ),
}  # fmt: skip
BY_CODE = {"accept_invitation", "claim_server"}
TWICE_IS_TWICE = BY_CODE | {
    "transfer", "create_team", "create_user", "invite", "withdraw_invitation", "create_token",
    "revoke_token",
}  # fmt: skip


def ask(
    is_async: bool, url: str, name: str, *args: Any, patience_s: float = 5.0, **options: Any
) -> Any:
    where: dict[str, Any] = {"url": url, "token": TOKEN, "patience_s": patience_s}
    if not is_async:
        with Client(**where) as client:
            return getattr(client.people, name)(*args, **options)

    async def call() -> Any:
        async with AsyncClient(**where) as one:
            found = getattr(one.people, name)(*args, **options)
            assert isinstance(found, Awaitable)
            return await found

    return asyncio.run(call())


def test_every_request_is_a_method_of_both_clients() -> None:
    builders = {
        name
        for name, builder in inspect.getmembers(people_requests, inspect.isfunction)
        if builder.__module__ == people_requests.__name__ and not name.startswith("_")
    }
    assert builders == set(EVERY)
    for calls in (PeopleCalls, AsyncPeopleCalls):
        assert {name for name in vars(calls) if not name.startswith("_")} == builders
        assert all(getattr(calls, name).__doc__ for name in builders)


@pytest.mark.parametrize("is_async", [False, True], ids=["waiting", "awaited"])
@pytest.mark.parametrize("name", sorted(EVERY))
def test_it_asks_what_the_api_has_and_reads_the_answer(name: str, is_async: bool) -> None:
    args, options, asked, body, reply = EVERY[name]
    with serving(Answer(204) if reply is None else as_json(reply)) as script:
        found = ask(is_async, script.url, name, *args, **options)
    (request,) = script.asked
    assert f"{request.method} {request.path}" == asked
    assert (json.loads(request.body) if request.body else None) == body
    assert request.headers.get("authorization") == (None if name in BY_CODE else f"Bearer {TOKEN}")
    if reply is None:
        assert found is None
    else:
        told = json.loads(found.model_dump_json())
        plain = [key for key, value in reply.items() if not isinstance(value, dict | list)]
        assert [told[key] for key in plain] == [reply[key] for key in plain]


@pytest.mark.parametrize("name", sorted(EVERY))
def test_only_what_may_be_done_twice_is_sent_twice(name: str) -> None:
    args, options, _, _, reply = EVERY[name]
    with serving(DROPPED, Answer(204) if reply is None else as_json(reply)) as script:
        if name in TWICE_IS_TWICE:
            with pytest.raises(QuarterdeckError):
                ask(False, script.url, name, *args, **options)
            assert len(script.asked) == 1
        else:
            ask(False, script.url, name, *args, **options)
            assert len(script.asked) == 2


@pytest.mark.parametrize("name", sorted(EVERY))
def test_what_changes_something_can_be_asked_for_dry(name: str) -> None:
    args, _, asked, _, reply = EVERY[name]
    if asked.startswith("GET") or name in BY_CODE:
        return
    with serving(Answer(204) if reply is None else as_json(reply)) as script:
        ask(False, script.url, name, *args, dry_run=True)
    assert script.asked[0].path.endswith("?dry_run=true")


@pytest.mark.parametrize("text", ["", ".", "..", "a/b", "../server/shutdown", "a?b", "é", "a b"])
def test_what_is_no_name_never_becomes_part_of_an_address(text: str) -> None:
    builders: tuple[Any, ...] = (
        people_requests.get_team,
        people_requests.get_user,
        people_requests.withdraw_invitation,
        people_requests.revoke_token,
        lambda one: people_requests.put_member("vision", one, "member"),
    )
    for build in builders:
        with pytest.raises(NotFound):
            build(text)


def test_a_refusal_is_an_error_of_the_house() -> None:
    told = problem(404, "unknown_team", detail="there is no team 'x'")
    with serving(told) as script, pytest.raises(NotFound) as caught:
        ask(False, script.url, "get_team", "x")
    assert caught.value.code == "unknown_team"


def test_jobs_are_listed_by_team_and_owner() -> None:
    page = as_json({"jobs": [], "next_before": None})
    with serving(page) as script, Client(url=script.url, token=TOKEN) as client:
        client.list_jobs(team="vision", owner="ann", limit=1)
    assert script.asked[0].path == "/v1/jobs?limit=1&team=vision&owner=ann"


def test_calls_show_a_token_unless_they_come_by_a_code() -> None:
    for name, (args, options, *_) in EVERY.items():
        call = getattr(people_requests, name)(*args, **options)
        assert isinstance(call, Call)
        assert call.needs_token == (name not in BY_CODE)
