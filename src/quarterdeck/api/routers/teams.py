"""Teams: what they are, what they may have, and who is in them."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from quarterdeck.api import people_views as views
from quarterdeck.api.access import Access, may
from quarterdeck.api.routers.depends import DryRun, answer
from quarterdeck.control.teams import close_team, create_team, limit_team, staff_team
from quarterdeck.core.governance.people import Team
from quarterdeck.core.governance.permissions import Noun, Verb
from quarterdeck.core.governance.roles import Role
from quarterdeck.wire.v1.people import (
    LimitsBody,
    MemberList,
    MemberRequest,
    TeamPage,
    TeamRequest,
    TeamView,
)

PAGE_MAX: Final = 1000

router = APIRouter(prefix="/v1/teams", tags=["people"])

TeamReader = Annotated[Access, may(Verb.READ, Noun.TEAM)]
TeamMaker = Annotated[Access, may(Verb.CREATE, Noun.TEAM)]
TeamCloser = Annotated[Access, may(Verb.DELETE, Noun.TEAM)]
TeamLimiter = Annotated[Access, may(Verb.LIMIT, Noun.TEAM)]
TeamStaffer = Annotated[Access, may(Verb.STAFF, Noun.TEAM)]
TeamName = Annotated[str, Path(description="The team's name.")]
UserName = Annotated[str, Path(description="The user's name.")]
Search = Annotated[
    str | None, Query(max_length=200, description="Only those whose name or title has this.")
]
After = Annotated[
    str | None, Query(max_length=200, description="The `next_after` of the page before this one.")
]
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX, description="At most so many.")]


@router.get("", operation_id="list_teams", summary="List teams", response_model=TeamPage)
def list_teams(
    access: TeamReader, search: Search = None, limit: Limit = 100, after: After = None
) -> Response:
    """The teams that the caller may see, by name."""
    people = access.context.roster.people
    found = [
        team
        for team in people.teams.values()
        if access.extent.covers_team(team.name) and views.matches(search, team.name, team.title)
    ]
    found.sort(key=lambda team: team.name)
    page, next_after = views.page_after(found, lambda team: team.name, after, limit)
    return answer(TeamPage(teams=[_view(access, team) for team in page], next_after=next_after))


@router.post(
    "",
    operation_id="create_team",
    summary="Make a team",
    status_code=201,
    response_model=TeamView,
    responses={200: {"model": TeamView, "description": "What a dry run would have made."}},
)
def make_team(body: TeamRequest, access: TeamMaker, dry_run: DryRun = False) -> Response:
    """A new team. Its name is for good."""
    quota = views.to_quota(body.limits)
    roster = access.context.roster
    team = create_team(roster, body.name, body.title, quota, is_dry_run=dry_run)
    return answer(_view(access, team), 200 if dry_run else 201)


@router.get("/{team}", operation_id="show_team", summary="Show a team", response_model=TeamView)
def show_team(team: TeamName, access: TeamReader) -> Response:
    """A team, its limits, and how much of it waits."""
    return answer(_view(access, access.get_team(team)))


@router.post(
    "/{team}/close", operation_id="close_team", summary="Close a team", response_model=TeamView
)
def close(team: TeamName, access: TeamCloser, dry_run: DryRun = False) -> Response:
    """No new jobs for the team. What it has goes on, and its name stays taken."""
    access.get_team(team)
    return answer(_view(access, close_team(access.context.roster, team, is_dry_run=dry_run)))


@router.put(
    "/{team}/limits", operation_id="limit_team", summary="Limit a team", response_model=TeamView
)
def limit(
    team: TeamName, body: LimitsBody, access: TeamLimiter, dry_run: DryRun = False
) -> Response:
    """These limits in place of those there are: what is left out is not limited."""
    access.get_team(team)
    quota = views.to_quota(body)
    limited = limit_team(access.context.roster, team, quota, is_dry_run=dry_run)
    return answer(_view(access, limited))


@router.get(
    "/{team}/members",
    operation_id="list_members",
    summary="List a team's members",
    response_model=MemberList,
)
def list_members(team: TeamName, access: TeamReader) -> Response:
    """Who is in the team, and as what."""
    access.get_team(team)
    return answer(views.member_list(team, access.context.roster.people))


@router.put(
    "/{team}/members/{user}",
    operation_id="put_member",
    summary="Give somebody a role in a team",
    response_model=MemberList,
)
def put_member(
    team: TeamName,
    user: UserName,
    body: MemberRequest,
    access: TeamStaffer,
    dry_run: DryRun = False,
) -> Response:
    """Add somebody to the team, or change what they are to it."""
    return _staff(access, team, user, Role(body.role), is_dry_run=dry_run)


@router.delete(
    "/{team}/members/{user}",
    operation_id="remove_member",
    summary="Take somebody out of a team",
    response_model=MemberList,
)
def remove_member(
    team: TeamName, user: UserName, access: TeamStaffer, dry_run: DryRun = False
) -> Response:
    """Take somebody out of the team. Their jobs stay the team's."""
    return _staff(access, team, user, None, is_dry_run=dry_run)


def _staff(
    access: Access, team: str, user: str, role: Role | None, *, is_dry_run: bool
) -> Response:
    access.get_team(team)
    staff_team(access.context.roster, team, user, role, access.principal, is_dry_run=is_dry_run)
    return answer(views.member_list(team, access.context.roster.people))


def _view(access: Access, team: Team) -> TeamView:
    queued = access.context.plane.store.count_waiting("team", team.name)
    return views.team_view(team, access.context.roster.people, queued)
