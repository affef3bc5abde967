"""The doors for those who have no token yet: invitations, and the claim of a new server."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from quarterdeck.api import people_views as views
from quarterdeck.api.access import Access, may, not_allowed
from quarterdeck.api.routers.depends import Context, DryRun, answer
from quarterdeck.basics.errors import Invalid
from quarterdeck.control.tokens import MadeToken
from quarterdeck.control.users import accept, invite, unknown_invitation, withdraw
from quarterdeck.core.governance.people import Invitation, User
from quarterdeck.core.governance.permissions import Noun, Verb
from quarterdeck.core.governance.principal import Principal
from quarterdeck.wire.v1.people import (
    AcceptRequest,
    InvitationList,
    InvitationRequest,
    NewInvitationView,
    NewTokenView,
)

router = APIRouter(prefix="/v1", tags=["people"])

InvitationReader = Annotated[Access, may(Verb.READ, Noun.INVITATION)]
Inviter = Annotated[Access, may(Verb.CREATE, Noun.INVITATION)]
InvitationRemover = Annotated[Access, may(Verb.DELETE, Noun.INVITATION)]


@router.get(
    "/invitations",
    operation_id="list_invitations",
    summary="List invitations",
    response_model=InvitationList,
)
def list_invitations(access: InvitationReader) -> Response:
    """Invitations that nobody has used yet, without their codes."""
    people = access.context.roster.people
    found = [one for one in people.invitations.values() if _covers(access, one)]
    found.sort(key=lambda one: (one.created_at_ns, one.id))
    return answer(InvitationList(invitations=[views.invitation_view(one) for one in found]))


@router.post(
    "/invitations",
    operation_id="invite",
    summary="Invite somebody",
    status_code=201,
    response_model=NewInvitationView,
    responses={200: {"model": NewInvitationView, "description": "What a dry run would have made."}},
)
def send_invitation(body: InvitationRequest, access: Inviter, dry_run: DryRun = False) -> Response:
    """A code that makes whoever shows it first this user: somebody new, or somebody who is there
    and has no token. It is shown this once."""
    if not access.extent.is_all and not body.teams:
        raise not_allowed(Verb.CREATE, Noun.INVITATION, "to no team")
    for team in body.teams:
        access.get_team(team)
    user = User(body.user, role=views.to_role(body.role), teams=views.to_teams(body.teams))
    if user.role is not None and not access.reach(Verb.APPOINT, Noun.USER).is_all:
        raise not_allowed(Verb.APPOINT, Noun.USER)
    expires_s = views.to_span_s(body.expires, "expires")
    if not 60 <= expires_s <= 90 * 86_400:
        raise Invalid(f"expires is {body.expires}", field="expires", hint="use 1m to 90d")
    roster = access.context.roster
    made, code = invite(roster, user, expires_s, access.principal, is_dry_run=dry_run)
    view = NewInvitationView(
        **views.invitation_view(made).model_dump(), code="" if dry_run else code
    )
    return answer(view, 200 if dry_run else 201)


@router.delete(
    "/invitations/{invitation_id}",
    operation_id="withdraw_invitation",
    summary="Withdraw an invitation",
    status_code=204,
    response_class=Response,
)
def withdraw_invitation(
    invitation_id: Annotated[str, Path(description="The invitation's id.")],
    access: InvitationRemover,
    dry_run: DryRun = False,
) -> Response:
    """Its code is good for nothing any more."""
    roster = access.context.roster
    known = roster.people.invitations.get(invitation_id)
    if known is None or not _covers(access, known):
        raise unknown_invitation(invitation_id)
    withdraw(roster, invitation_id, is_dry_run=dry_run)
    return Response(status_code=204)


@router.post(
    "/invitations/accept",
    operation_id="accept_invitation",
    summary="Come in by an invitation",
    status_code=201,
    response_model=NewTokenView,
)
def accept_invitation(body: AcceptRequest, context: Context, request: Request) -> Response:
    """Become the user that a code was made for, and get a token. A code is good once."""
    made = accept(context.roster, body.code[:200])
    request.state.actor = _newcomer(made)
    return answer(views.new_token_view(made, context.roster, is_dry_run=False), 201)


@router.post(
    "/claim",
    operation_id="claim_server",
    summary="Claim a new server",
    status_code=201,
    response_model=NewTokenView,
)
def claim_server(body: AcceptRequest, context: Context, request: Request) -> Response:
    """Become an owner of a server that listens beyond its own machine and has been claimed by
    nobody, by the code that it wrote when it started. There is no such door anywhere else."""
    made = context.claim.take(context.roster, body.code[:200], body.name)
    request.state.actor = _newcomer(made)
    return answer(views.new_token_view(made, context.roster, is_dry_run=False), 201)


def _newcomer(made: MadeToken) -> Principal:
    """Who the audit log says it was."""
    name = made.token.owner
    return Principal(name, name, token_id=made.token.id)


def _covers(access: Access, invitation: Invitation) -> bool:
    """All of its teams are the caller's to look after."""
    if access.extent.is_all and access.extent.only_teams is None:
        return True
    teams = [team for team, _ in invitation.teams]
    return bool(teams) and all(access.extent.covers_team(team) for team in teams)
