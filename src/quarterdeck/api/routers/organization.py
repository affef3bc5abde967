"""The organization as a whole: who one is to it, who owns it, and its people as one file."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import APIRouter
from starlette.responses import Response

from quarterdeck.api import people_views as views
from quarterdeck.api.access import Access, may
from quarterdeck.api.routers.depends import DryRun, answer
from quarterdeck.basics.times import to_iso
from quarterdeck.control.apply import apply_people
from quarterdeck.control.users import transfer_ownership
from quarterdeck.core.governance.permissions import POLICY_VERSION, Noun, Verb
from quarterdeck.wire.v1.people import (
    OrganizationRole,
    OrganizationView,
    PeopleDiff,
    PeopleFile,
    TransferRequest,
    WhoamiView,
)

router = APIRouter(prefix="/v1", tags=["people"])

OrganizationReader = Annotated[Access, may(Verb.READ, Noun.ORGANIZATION)]
OwnershipGiver = Annotated[Access, may(Verb.TRANSFER, Noun.ORGANIZATION)]
PeopleApplier = Annotated[Access, may(Verb.APPLY, Noun.ORGANIZATION)]


@router.get(
    "/whoami", operation_id="whoami", summary="Who the caller is", response_model=WhoamiView
)
def whoami(access: OrganizationReader) -> Response:
    """Whom the server takes the caller for, and what the token is good for."""
    who, roster = access.principal, access.context.roster
    user = roster.people.users.get(who.name)
    token = roster.find_token(who.token_id)
    role = user.role if user is not None else None
    return answer(
        WhoamiView(
            name=who.name,
            kind=who.kind.value,
            organization=roster.people.organization.name,
            role=None if role is None else cast("OrganizationRole", role.value),
            teams={team: held.value for team, held in who.teams},
            token=None if token is None else views.token_view(token, roster),
            scopes=[scope.value for scope in who.scopes],
            policy_version=POLICY_VERSION,
        )
    )


@router.get(
    "/organization",
    operation_id="show_organization",
    summary="Show the organization",
    response_model=OrganizationView,
)
def show_organization(access: OrganizationReader) -> Response:
    """Its name, and who owns it."""
    return answer(_organization(access))


@router.post(
    "/organization/transfer",
    operation_id="transfer_ownership",
    summary="Hand over the ownership",
    response_model=OrganizationView,
)
def transfer(body: TransferRequest, access: OwnershipGiver, dry_run: DryRun = False) -> Response:
    """The caller's ownership goes to somebody else; the caller is an admin from then on."""
    access.get_user(body.to)
    transfer_ownership(access.context.roster, body.to, access.principal, is_dry_run=dry_run)
    return answer(_organization(access))


@router.get(
    "/people",
    operation_id="export_people",
    summary="People and teams as a file",
    response_model=PeopleFile,
)
def export_people(access: PeopleApplier) -> Response:
    """People and teams as they are, in the form that `POST` takes."""
    return answer(views.people_file(access.context.roster.people))


@router.post(
    "/people",
    operation_id="apply_people",
    summary="Make people what a file says",
    response_model=PeopleDiff,
)
def apply_file(body: PeopleFile, access: PeopleApplier, dry_run: DryRun = False) -> Response:
    """All of it, or nothing. Who is not named stays; applied again it changes nothing."""
    wanted = views.to_wanted_people(body)
    roster = access.context.roster
    found = apply_people(roster, wanted, access.principal, is_dry_run=dry_run)
    return answer(views.diff_view(found, is_dry_run=dry_run))


def _organization(access: Access) -> OrganizationView:
    people = access.context.roster.people
    return OrganizationView(
        name=people.organization.name,
        created_at=to_iso(people.organization.created_at_ns),
        owners=sorted(owner.name for owner in people.owners()),
    )
