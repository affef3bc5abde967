"""People and service accounts: who there is, what they are to the organization, who comes in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from quarterdeck.api import people_views as views
from quarterdeck.api.access import Access, may, not_allowed
from quarterdeck.api.routers.depends import DryRun, answer
from quarterdeck.api.routers.teams import After, Limit, Search, UserName
from quarterdeck.control.users import (
    activate_user,
    appoint_user,
    create_user,
    deactivate_user,
    limit_user,
)
from quarterdeck.core.governance.permissions import Noun, Verb
from quarterdeck.core.governance.roles import Kind
from quarterdeck.wire.v1.people import (
    AppointRequest,
    LimitsBody,
    UserPage,
    UserRequest,
    UserView,
)

if TYPE_CHECKING:
    from quarterdeck.core.governance.people import User

router = APIRouter(prefix="/v1/users", tags=["people"])

UserReader = Annotated[Access, may(Verb.READ, Noun.USER)]
UserAppointer = Annotated[Access, may(Verb.APPOINT, Noun.USER)]
UserLimiter = Annotated[Access, may(Verb.LIMIT, Noun.USER)]
# A lead may make and remove the service accounts of the team; people are an admin's.
UserMaker = Annotated[Access, may(Verb.CREATE, Noun.SERVICE_ACCOUNT)]
UserRemover = Annotated[Access, may(Verb.DELETE, Noun.SERVICE_ACCOUNT)]


@router.get("", operation_id="list_users", summary="List people", response_model=UserPage)
def list_users(
    access: UserReader,
    *,
    search: Search = None,
    team: Annotated[str | None, Query(description="Only who is in this team.")] = None,
    role: Annotated[
        str | None, Query(description="Only who has this role, anywhere.", max_length=20)
    ] = None,
    limit: Limit = 100,
    after: After = None,
) -> Response:
    """People and service accounts that the caller may see, by name."""
    # What is searched is what is shown: nobody finds out by a filter what they may not see.
    seen = map(access.discreet_user, filter(access.sees_user, access.users()))
    found = [
        user
        for user in seen
        if views.matches(search, user.name, user.title)
        and (team is None or user.role_in(team) is not None)
        and (role is None or role in {user.role, *(held for _, held in user.teams)})
    ]
    found.sort(key=lambda user: user.name)
    page, next_after = views.page_after(found, lambda user: user.name, after, limit)
    return answer(UserPage(users=[views.user_view(user) for user in page], next_after=next_after))


@router.post(
    "",
    operation_id="create_user",
    summary="Add somebody",
    status_code=201,
    response_model=UserView,
    responses={200: {"model": UserView, "description": "What a dry run would have added."}},
)
def add_user(body: UserRequest, access: UserMaker, dry_run: DryRun = False) -> Response:
    """A new person or service account. The name is for good. A person comes in by a token that
    an invitation gives; a service account by one that is made for it."""
    user = views.to_user(body.name, body)
    _check_kind(access, Verb.CREATE, user)
    roster = access.context.roster
    added = create_user(roster, user, access.principal, is_dry_run=dry_run)
    return answer(views.user_view(added), 200 if dry_run else 201)


@router.get("/{user}", operation_id="show_user", summary="Show somebody", response_model=UserView)
def show_user(user: UserName, access: UserReader) -> Response:
    """Who it is, and in which teams: those that the caller may see."""
    return answer(views.user_view(access.discreet_user(access.get_user(user))))


@router.put(
    "/{user}/role",
    operation_id="appoint_user",
    summary="Give somebody a role for the organization",
    response_model=UserView,
)
def appoint(
    user: UserName, body: AppointRequest, access: UserAppointer, dry_run: DryRun = False
) -> Response:
    """This role for the organization in place of the one there is; null takes it away."""
    access.get_user(user)
    role = views.to_role(body.role)
    changed = appoint_user(access.context.roster, user, role, access.principal, is_dry_run=dry_run)
    return answer(views.user_view(changed))


@router.put(
    "/{user}/limits", operation_id="limit_user", summary="Limit somebody", response_model=UserView
)
def limit(
    user: UserName, body: LimitsBody, access: UserLimiter, dry_run: DryRun = False
) -> Response:
    """These limits in place of those there are: what is left out is not limited."""
    access.get_user(user)
    changed = limit_user(access.context.roster, user, views.to_quota(body), is_dry_run=dry_run)
    return answer(views.user_view(changed))


@router.post(
    "/{user}/deactivate",
    operation_id="deactivate_user",
    summary="Shut somebody out",
    response_model=UserView,
)
def deactivate(user: UserName, access: UserRemover, dry_run: DryRun = False) -> Response:
    """No way in any more: tokens are revoked for good, open streams end. Jobs go on."""
    _check_kind(access, Verb.DELETE, access.get_user(user))
    roster = access.context.roster
    changed = deactivate_user(roster, user, access.principal, is_dry_run=dry_run)
    return answer(views.user_view(changed))


@router.post(
    "/{user}/activate",
    operation_id="activate_user",
    summary="Let somebody in again",
    response_model=UserView,
)
def activate(user: UserName, access: UserMaker, dry_run: DryRun = False) -> Response:
    """A way in again, by new tokens; the old ones stay revoked."""
    _check_kind(access, Verb.CREATE, access.get_user(user))
    roster = access.context.roster
    changed = activate_user(roster, user, access.principal, is_dry_run=dry_run)
    return answer(views.user_view(changed))


def _check_kind(access: Access, verb: Verb, user: User) -> None:
    """What the caller may do to people they may not do to service accounts, and the reverse."""
    if user.kind is Kind.USER:
        if not access.reach(verb, Noun.USER).is_all:
            raise not_allowed(verb, Noun.USER)
        return
    (team, _) = user.teams[0]
    access.get_team(team)
