"""Requests about people, teams and tokens, without any I/O: what to send, how to read the answer.

`PeopleCalls` and `AsyncPeopleCalls` have a method for each of these functions.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import quote

from quarterdeck.basics.errors import NotFound
from quarterdeck.sdk.calls import Call
from quarterdeck.sdk.requests import JSON, UPLOAD_S, as_model, body_of, dry, nothing
from quarterdeck.wire.v1.people import (
    AcceptRequest,
    AppointRequest,
    InvitationList,
    InvitationRequest,
    LimitsBody,
    MemberList,
    MemberRequest,
    NewInvitationView,
    NewTokenView,
    OrganizationView,
    PeopleDiff,
    PeopleFile,
    TeamPage,
    TeamRequest,
    TeamView,
    TokenList,
    TokenRequest,
    TransferRequest,
    UserPage,
    UserRequest,
    UserView,
    WhoamiView,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel

    from quarterdeck.sdk.calls import Reply
    from quarterdeck.wire.v1.people import OrganizationRole, TeamRole

T = TypeVar("T")
_PART: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}", re.ASCII)
"""What a name or an id may be that becomes part of a path."""


def whoami() -> Call[WhoamiView]:
    """Whom the server takes the caller for, and what the token is good for."""
    return Call("GET", "/v1/whoami", as_model(WhoamiView))


def get_organization() -> Call[OrganizationView]:
    """Its name, and who owns it."""
    return Call("GET", "/v1/organization", as_model(OrganizationView))


def transfer(to: str, *, dry_run: bool = False) -> Call[OrganizationView]:
    """Hand the caller's ownership over; the caller is an admin from then on."""
    path, body = "/v1/organization/transfer", TransferRequest(to=to)
    return _post(path, as_model(OrganizationView), body, dry_run=dry_run)


def list_teams(
    *, search: str | None = None, limit: int | None = None, after: str | None = None
) -> Call[TeamPage]:
    """The teams that the caller may see, by name."""
    query = _given(search=search, limit=limit, after=after)
    return Call("GET", "/v1/teams", as_model(TeamPage), query)


def get_team(team: str) -> Call[TeamView]:
    """A team, its limits, and how much of it waits."""
    return Call("GET", _team(team), as_model(TeamView))


def create_team(request: TeamRequest, *, dry_run: bool = False) -> Call[TeamView]:
    """Make a team. Its name is for good."""
    return _post("/v1/teams", as_model(TeamView), request, dry_run=dry_run)


def close_team(team: str, *, dry_run: bool = False) -> Call[TeamView]:
    """No new jobs for the team; what it has goes on."""
    return Call("POST", f"{_team(team)}/close", as_model(TeamView), dry(dry_run))


def limit_team(team: str, limits: LimitsBody, *, dry_run: bool = False) -> Call[TeamView]:
    """These limits in place of those there are: what is left out is not limited."""
    return _put(f"{_team(team)}/limits", as_model(TeamView), limits, dry_run=dry_run)


def list_members(team: str) -> Call[MemberList]:
    """Who is in the team, and as what."""
    return Call("GET", f"{_team(team)}/members", as_model(MemberList))


def put_member(team: str, user: str, role: TeamRole, *, dry_run: bool = False) -> Call[MemberList]:
    """Add somebody to the team, or change what they are to it."""
    path, body = f"{_team(team)}/members/{_part(user, 'user')}", MemberRequest(role=role)
    return _put(path, as_model(MemberList), body, dry_run=dry_run)


def remove_member(team: str, user: str, *, dry_run: bool = False) -> Call[MemberList]:
    """Take somebody out of the team. Their jobs stay the team's."""
    path = f"{_team(team)}/members/{_part(user, 'user')}"
    return Call("DELETE", path, as_model(MemberList), dry(dry_run))


def list_users(
    *,
    search: str | None = None,
    team: str | None = None,
    role: str | None = None,
    limit: int | None = None,
    after: str | None = None,
) -> Call[UserPage]:
    """People and service accounts that the caller may see, by name."""
    query = _given(search=search, team=team, role=role, limit=limit, after=after)
    return Call("GET", "/v1/users", as_model(UserPage), query)


def get_user(user: str) -> Call[UserView]:
    """Who it is, and in which teams."""
    return Call("GET", _user(user), as_model(UserView))


def create_user(request: UserRequest, *, dry_run: bool = False) -> Call[UserView]:
    """Add a person or a service account. The name is for good."""
    return _post("/v1/users", as_model(UserView), request, dry_run=dry_run)


def appoint_user(
    user: str, role: OrganizationRole | None, *, dry_run: bool = False
) -> Call[UserView]:
    """This role for the organization in place of the one there is; None takes it away."""
    path, body = f"{_user(user)}/role", AppointRequest(role=role)
    return _put(path, as_model(UserView), body, dry_run=dry_run)


def limit_user(user: str, limits: LimitsBody, *, dry_run: bool = False) -> Call[UserView]:
    """These limits in place of those there are: what is left out is not limited."""
    return _put(f"{_user(user)}/limits", as_model(UserView), limits, dry_run=dry_run)


def deactivate_user(user: str, *, dry_run: bool = False) -> Call[UserView]:
    """Shut somebody out: tokens are revoked for good, open streams end. Jobs go on."""
    return Call("POST", f"{_user(user)}/deactivate", as_model(UserView), dry(dry_run))


def activate_user(user: str, *, dry_run: bool = False) -> Call[UserView]:
    """Let somebody in again, by new tokens."""
    return Call("POST", f"{_user(user)}/activate", as_model(UserView), dry(dry_run))


def list_invitations() -> Call[InvitationList]:
    """Invitations that nobody has used yet, without their codes."""
    return Call("GET", "/v1/invitations", as_model(InvitationList))


def invite(request: InvitationRequest, *, dry_run: bool = False) -> Call[NewInvitationView]:
    """A code that makes whoever shows it first this user; the answer has it, once."""
    path = "/v1/invitations"
    return _post(path, as_model(NewInvitationView), request, dry_run=dry_run)


def withdraw_invitation(invitation_id: str, *, dry_run: bool = False) -> Call[None]:
    """The invitation's code is good for nothing any more."""
    path = f"/v1/invitations/{_part(invitation_id, 'invitation')}"
    return Call("DELETE", path, nothing, dry(dry_run), is_repeatable=False)


def accept_invitation(code: str) -> Call[NewTokenView]:
    """Become the user that the code was made for; the answer has the token. No token is needed."""
    return _enter("/v1/invitations/accept", AcceptRequest(code=code))


def claim_server(code: str, name: str) -> Call[NewTokenView]:
    """Become the first owner of a new server; the answer has the token. No token is needed."""
    return _enter("/v1/claim", AcceptRequest(code=code, name=name))


def list_tokens(
    *, user: str | None = None, limit: int | None = None, after: str | None = None
) -> Call[TokenList]:
    """Tokens without their secrets, oldest first: the caller's own when no user is named."""
    query = _given(user=user, limit=limit, after=after)
    return Call("GET", "/v1/tokens", as_model(TokenList), query)


def create_token(request: TokenRequest, *, dry_run: bool = False) -> Call[NewTokenView]:
    """Make a token; the answer has the secret, once."""
    return _post("/v1/tokens", as_model(NewTokenView), request, dry_run=dry_run)


def revoke_token(token_id: str, *, dry_run: bool = False) -> Call[None]:
    """The token is good for nothing any more, and streams that it opened end."""
    path = f"/v1/tokens/{_part(token_id, 'token')}"
    return Call("DELETE", path, nothing, dry(dry_run), is_repeatable=False)


def export_people() -> Call[PeopleFile]:
    """People and teams as they are, in the form that `apply_people` takes."""
    return Call("GET", "/v1/people", as_model(PeopleFile))


def apply_people(wanted: PeopleFile, *, dry_run: bool = False) -> Call[PeopleDiff]:
    """Make people and teams what the file says; who is not named stays. All of it, or nothing."""
    parse, query, body = as_model(PeopleDiff), dry(dry_run), body_of(wanted)
    return Call("POST", "/v1/people", parse, query, JSON, body, answer_s=UPLOAD_S)


def _post(path: str, parse: Callable[[Reply], T], body: BaseModel, *, dry_run: bool) -> Call[T]:
    """What is done twice when it is sent twice."""
    return Call("POST", path, parse, dry(dry_run), JSON, body_of(body), is_repeatable=False)


def _put(path: str, parse: Callable[[Reply], T], body: BaseModel, *, dry_run: bool) -> Call[T]:
    """What is the same when it is sent twice."""
    return Call("PUT", path, parse, dry(dry_run), JSON, body_of(body))


def _enter(path: str, body: AcceptRequest) -> Call[NewTokenView]:
    """Come in by a code. Nobody has a token yet who does, and a code is good for once."""
    parse, content = as_model(NewTokenView), body_of(body)
    return Call("POST", path, parse, {}, JSON, content, is_repeatable=False, needs_token=False)


def _given(**wanted: str | int | None) -> dict[str, str | int | list[str]]:
    return {name: value for name, value in wanted.items() if value is not None}


def _team(name: str) -> str:
    return f"/v1/teams/{_part(name, 'team')}"


def _user(name: str) -> str:
    return f"/v1/users/{_part(name, 'user')}"


def _part(text: str, what: str) -> str:
    """A name or an id as part of a path. What cannot be one never becomes part of a URL."""
    if not _PART.fullmatch(text):
        told = f"there is no {what} {text[:80]!a}"
        raise NotFound(told, field=what, hint=f"`qd {what} list` shows those that there are")
    return quote(text, safe="")
