"""People, teams and tokens from and to the bodies that travel."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

from quarterdeck.basics.errors import Invalid
from quarterdeck.basics.quantities import parse_span_s
from quarterdeck.basics.times import to_iso
from quarterdeck.core.governance.document import Difference, Wanted
from quarterdeck.core.governance.limits import Bound, Quota
from quarterdeck.core.governance.people import Team, User
from quarterdeck.core.governance.roles import Kind, Role
from quarterdeck.wire.v1 import people as wire

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from quarterdeck.control.roster import Roster
    from quarterdeck.control.tokens import MadeToken
    from quarterdeck.core.governance.people import Invitation, People, Token

T = TypeVar("T")


def to_quota(body: wire.LimitsBody) -> Quota:
    """Limits as asked for."""
    return Quota(
        queued_jobs=_bound(body.queued_jobs),
        running_jobs=_bound(body.running_jobs),
        device_hours_per_month=_bound(body.device_hours_per_month),
        sites=None if body.sites is None else tuple(dict.fromkeys(body.sites)),
        images=None if body.images is None else tuple(dict.fromkeys(body.images)),
    )


def limits_body(quota: Quota) -> wire.LimitsBody:
    """Limits as they are."""
    return wire.LimitsBody(
        queued_jobs=_bound_body(quota.queued_jobs),
        running_jobs=_bound_body(quota.running_jobs),
        device_hours_per_month=_bound_body(quota.device_hours_per_month),
        sites=None if quota.sites is None else list(quota.sites),
        images=None if quota.images is None else list(quota.images),
    )


def to_teams(teams: Mapping[str, str]) -> tuple[tuple[str, Role], ...]:
    """Roles in teams, in the teams' order."""
    return tuple(sorted((team, Role(role)) for team, role in teams.items()))


def to_role(role: str | None) -> Role | None:
    """A role for the organization."""
    return None if role is None else Role(role)


def to_user(name: str, body: wire.UserRequest | wire.UserEntry) -> User:
    """A user as asked for, made at no time yet."""
    kind = Kind(body.kind)
    if kind is Kind.SERVICE:
        if body.teams or body.team is None:
            raise Invalid(
                "a service account names the one team that it belongs to in `team`",
                field="team",
                hint="add team: NAME, and leave `teams` out",
            )
        teams: tuple[tuple[str, Role], ...] = ((body.team, Role.SERVICE),)
    else:
        if body.team is not None:
            raise Invalid(
                "team is for service accounts",
                field="team",
                hint="give people their roles in `teams`: {NAME: member}",
            )
        teams = to_teams(body.teams)
    return User(
        name,
        kind=kind,
        title=body.title,
        role=to_role(body.role),
        teams=teams,
        quota=to_quota(body.limits),
    )


def to_wanted_people(body: wire.PeopleFile) -> Wanted:
    """A people file."""
    users = []
    for name, entry in body.users.items():
        user = to_user(name, entry)
        users.append(user if entry.active else _inactive(user))
    teams = tuple(
        Team(name, entry.title, to_quota(entry.limits)) for name, entry in body.teams.items()
    )
    return Wanted(body.organization, teams, tuple(users))


def people_file(people: People) -> wire.PeopleFile:
    """People as they are, as a file; closed teams are left out."""
    return wire.PeopleFile(
        organization=people.organization.name,
        teams={
            team.name: wire.TeamEntry(title=team.title, limits=limits_body(team.quota))
            for team in sorted(people.teams.values(), key=lambda one: one.name)
            if team.closed_at_ns is None
        },
        users={
            user.name: _user_entry(user)
            for user in sorted(people.users.values(), key=lambda one: one.name)
        },
    )


def diff_view(differences: Sequence[Difference], *, is_dry_run: bool) -> wire.PeopleDiff:
    """What a file changes."""
    changes = [
        wire.PeopleChange.model_validate(
            {
                "what": one.what,
                "name": one.name,
                "action": one.action,
                "field": "limits" if one.field == "quota" else one.field,
                "before": one.before,
                "after": one.after,
            }
        )
        for one in differences
    ]
    return wire.PeopleDiff(changes=changes, dry_run=is_dry_run)


def team_view(team: Team, people: People, queued: int) -> wire.TeamView:
    """A team; `queued` counts what of it waits."""
    return wire.TeamView(
        name=team.name,
        title=team.title,
        members=sum(user.role_in(team.name) is not None for user in people.users.values()),
        limits=limits_body(team.quota),
        queued_jobs=queued,
        created_at=to_iso(team.created_at_ns),
        closed_at=_iso(team.closed_at_ns),
    )


def member_list(team: str, people: People) -> wire.MemberList:
    """Who is in a team."""
    return wire.MemberList(
        team=team,
        members=[
            wire.MemberView(
                user=user.name, kind=_kind(user), role=role.value, active=user.is_active
            )
            for user, role in people.members_of(team)
        ],
    )


def user_view(user: User) -> wire.UserView:
    """Somebody."""
    return wire.UserView(
        name=user.name,
        kind=_kind(user),
        title=user.title,
        role=_role(user.role),
        teams={team: role.value for team, role in user.teams},
        limits=limits_body(user.quota),
        active=user.is_active,
        created_at=to_iso(user.created_at_ns),
        deactivated_at=_iso(user.deactivated_at_ns),
    )


def token_view(token: Token, roster: Roster) -> wire.TokenView:
    """A token without its secret."""
    use = roster.find_use(token)
    return wire.TokenView(
        id=token.id,
        owner=token.owner,
        name=token.name,
        scopes=[scope.value for scope in token.scopes],
        teams=None if token.only_teams is None else list(token.only_teams),
        created_at=to_iso(token.created_at_ns),
        expires_at=_iso(token.expires_at_ns),
        last_used_at=_iso(use.at_ns) if use is not None else None,
        last_source=use.source if use is not None else "",
    )


def new_token_view(made: MadeToken, roster: Roster, *, is_dry_run: bool) -> wire.NewTokenView:
    """A token with its secret, this once."""
    return wire.NewTokenView(
        **token_view(made.token, roster).model_dump(),
        secret="" if is_dry_run else made.secret,
    )


def invitation_view(invitation: Invitation) -> wire.InvitationView:
    """An invitation without its code."""
    return wire.InvitationView(
        id=invitation.id,
        user=invitation.user,
        role=_role(invitation.role),
        teams={team: role.value for team, role in invitation.teams},
        invited_by=invitation.invited_by,
        created_at=to_iso(invitation.created_at_ns),
        expires_at=to_iso(invitation.expires_at_ns),
    )


def to_span_s(text: str, field: str) -> float:
    """A span of time with its unit."""
    return parse_span_s(text[:100], field=field)


def page_after(
    things: Sequence[T], key: Callable[[T], str], after: str | None, limit: int
) -> tuple[list[T], str | None]:
    """One page of things in the order of their keys, and the key to go on after."""
    left = [one for one in things if after is None or key(one) > after]
    page = left[:limit]
    return page, key(page[-1]) if len(left) > limit else None


def matches(search: str | None, *texts: str) -> bool:
    """Whether one of the texts has the words, whatever their case."""
    return search is None or any(search.casefold() in text.casefold() for text in texts)


def _bound(body: wire.BoundBody | None) -> Bound | None:
    return None if body is None else Bound(body.value, body.hard)


def _bound_body(bound: Bound | None) -> wire.BoundBody | None:
    return None if bound is None else wire.BoundBody(value=bound.value, hard=bound.is_hard)


def _user_entry(user: User) -> wire.UserEntry:
    is_service = user.kind is Kind.SERVICE
    return wire.UserEntry.model_validate(
        {
            "title": user.title,
            "kind": user.kind.value,
            "role": user.role.value if user.role is not None else None,
            "teams": {} if is_service else {team: role.value for team, role in user.teams},
            "team": user.teams[0][0] if is_service else None,
            "limits": limits_body(user.quota),
            "active": user.is_active,
        }
    )


def _inactive(user: User) -> User:
    return User(
        user.name, user.kind, user.title, user.role, user.teams, user.quota, deactivated_at_ns=0
    )


def _kind(user: User) -> wire.UserKind:
    return cast("wire.UserKind", user.kind.value)


def _role(role: Role | None) -> wire.OrganizationRole | None:
    return cast("wire.OrganizationRole", role.value) if role is not None else None


def _iso(at_ns: int | None) -> str | None:
    return None if at_ns is None else to_iso(at_ns)
