"""Every change of people, teams and roles, as a function from people to the entries that change.

Who may ask for a change at all is the permission table's matter; here is what no role can do
(leave the organization without an owner) and what depends on whom it is done to.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from quarterdeck.basics.errors import Conflict, Invalid, NotAllowed
from quarterdeck.core.governance.people import DEFAULT_TEAM, Team, User, unknown_team
from quarterdeck.core.governance.roles import Kind, Role

if TYPE_CHECKING:
    from quarterdeck.core.governance.limits import Quota
    from quarterdeck.core.governance.people import People
    from quarterdeck.core.governance.principal import Extent, Principal


def add_team(people: People, team: Team) -> Team:
    """A new team; `Conflict` when the name was ever used."""
    if team.name in people.teams:
        raise Conflict(
            f"there is a team {team.name} already"
            + (", which is closed" if people.teams[team.name].closed_at_ns is not None else ""),
            code="team_exists",
            field="name",
            hint="use another name: names are not given twice, because jobs and bills keep them",
        )
    return team


def close_team(people: People, name: str, now_ns: int) -> Team:
    """The team without a future: its jobs and its bills stay."""
    team = people.get_team(name)
    if name == DEFAULT_TEAM:
        raise Conflict(
            f"team {DEFAULT_TEAM} cannot be closed: jobs that name no team belong to it",
            code="team_needed",
            field="team",
            hint=f"give it a limit of no queued jobs: `qd team limits {DEFAULT_TEAM} --queued 0`",
        )
    return team if team.closed_at_ns is not None else replace(team, closed_at_ns=now_ns)


def limit_team(people: People, name: str, quota: Quota) -> Team:
    """The team with these limits."""
    return replace(people.get_team(name), quota=quota)


def limit_user(people: People, name: str, quota: Quota) -> User:
    """The user with these limits."""
    return replace(people.get_user(name), quota=quota)


def add_user(people: People, user: User, by: Principal) -> User:
    """A new user; `Conflict` when the name was ever used."""
    if user.name in people.users:
        raise Conflict(
            f"there is a user {user.name} already",
            code="user_exists",
            field="name",
            hint="use another name: names are not given twice, because jobs and bills keep them",
        )
    check_may_give(by, user.role)
    for team, role in user.teams:
        check_open(people, team)
        if user.kind is Kind.USER:
            check_may_staff(by, team, role)
    return user


def deactivate(people: People, name: str, by: Principal, now_ns: int) -> User:
    """The user without a way in."""
    user = people.get_user(name)
    if not user.is_active:
        return user
    check_may_give(by, user.role)
    gone = replace(user, deactivated_at_ns=now_ns)
    _check_owner_left(people, gone)
    return gone


def activate(people: People, name: str, by: Principal) -> User:
    """The user with a way in again, once a token is made; old ones stay revoked."""
    user = people.get_user(name)
    check_may_give(by, user.role)
    return replace(user, deactivated_at_ns=None)


def appoint(people: People, name: str, role: Role | None, by: Principal) -> User:
    """The user with this role for the organization, or with none."""
    user = people.get_user(name)
    check_may_give(by, user.role)
    check_may_give(by, role)
    appointed = replace(user, role=role)
    _check_owner_left(people, appointed)
    return appointed


def transfer(people: People, to: str, by: Principal) -> tuple[User, User]:
    """The asker's ownership goes over to somebody else: the asker is an admin from then on."""
    heir, owner = people.get_user(to), people.get_user(by.name)
    if owner.role is not Role.OWNER:
        # It was given away between the request and now: what is gone cannot be given twice.
        raise NotAllowed(
            f"{owner.name} is no owner any more",
            field="to",
            hint="ask an owner: `qd user list --role owner`",
        )
    if heir.kind is not Kind.USER or not heir.is_active or heir.name == owner.name:
        raise Conflict(
            f"ownership cannot go to {heir.name}",
            code="not_an_heir",
            field="to",
            hint="name an active person other than yourself",
        )
    return replace(heir, role=Role.OWNER), replace(owner, role=Role.ADMIN)


def staff(people: People, team: str, name: str, role: Role | None, by: Principal) -> User:
    """The user with this role in the team, or out of it."""
    people.get_team(team)
    user = people.get_user(name)
    if user.kind is Kind.SERVICE:
        raise Conflict(
            f"{name} is a service account, which stays in its team",
            code="service_account",
            field="user",
            hint="deactivate it and make another one in the other team",
        )
    held = user.role_in(team)
    if role is not None:
        check_open(people, team)
    for one in (held, role):
        if one is not None:
            check_may_staff(by, team, one)
    teams = [(other, kept) for other, kept in user.teams if other != team]
    if role is not None:
        teams.append((team, role))
    return replace(user, teams=tuple(sorted(teams)))


def check_may_give(by: Principal, role: Role | None) -> None:
    """Refuse to make, unmake or remove owners and admins for anybody but an owner, and whoever
    else has a role for the organization for anybody but an owner or an admin."""
    if role in (Role.OWNER, Role.ADMIN) and Role.OWNER not in by.roles:
        raise NotAllowed(
            f"only an owner may do this to somebody who is or becomes {role}",
            field="role",
            hint="ask an owner: `qd user list --role owner`",
        )
    if role is not None and not _is_boss(by):
        raise NotAllowed(
            f"only an owner or an admin may do this to somebody who is or becomes {role}",
            field="role",
            hint="ask an admin: `qd user list --role admin`",
        )


def may_let_in(by: Principal, user: User) -> bool:
    """Whether the asker may give somebody who is there a way in."""
    needs_owner = user.role in (Role.OWNER, Role.ADMIN)
    return Role.OWNER in by.roles if needs_owner else _is_boss(by)


def check_may_staff(by: Principal, team: str, role: Role) -> None:
    """Refuse a lead who makes or unmakes leads: those are an admin's to appoint."""
    if _is_boss(by) or (by.role_in(team) is Role.LEAD and role is not Role.LEAD):
        return
    raise NotAllowed(
        f"you may not decide who is {role} of team {team}",
        field="role",
        hint="a lead may add and remove members and viewers; ask an admin for leads",
    )


def check_open(people: People, name: str) -> Team:
    """The team, if it is not closed."""
    team = people.get_team(name)
    if team.closed_at_ns is not None:
        raise Conflict(
            f"team {name} is closed",
            code="team_closed",
            field="team",
            hint="use another team: `qd team list`",
        )
    return team


def choose_team(people: People, may_submit: Extent, may_see: Extent, wanted: str | None) -> str:
    """The team that a job belongs to, of those for which the asker may submit.

    Named by nobody it is the default team, or the only one there is. Raises `Invalid` when there
    are several, `NotFound` for one that is not there or not for the asker's eyes, and `NotAllowed`
    for one that the asker sees but may not submit for.
    """
    if wanted is not None:
        if wanted not in people.teams or not may_see.covers_team(wanted):
            raise unknown_team(wanted)
        if not may_submit.covers_team(wanted):
            raise NotAllowed(
                f"you may not submit jobs for team {wanted}",
                field="team",
                hint="ask a lead of the team to make you a member",
            )
        check_open(people, wanted)
        return wanted
    open_teams = (one.name for one in people.teams.values() if one.closed_at_ns is None)
    usable = sorted(name for name in open_teams if may_submit.covers_team(name))
    if DEFAULT_TEAM in usable:
        return DEFAULT_TEAM
    if len(usable) == 1:
        return usable[0]
    if not usable:
        raise NotAllowed(
            "you are in no team that jobs could belong to",
            field="team",
            hint="ask a lead or an admin to add you to a team",
        )
    raise Invalid(
        "the job names no team, and you are in several",
        field="team",
        hint=f"add `team: {usable[0]}` (or {', '.join(usable[1:])}) to the job",
    )


def _is_boss(by: Principal) -> bool:
    return Role.OWNER in by.roles or Role.ADMIN in by.roles


def _check_owner_left(people: People, changed: User) -> None:
    owners = [one for one in people.owners() if one.name != changed.name]
    was_owner = people.users[changed.name].role is Role.OWNER
    is_owner = changed.role is Role.OWNER and changed.is_active
    if was_owner and not is_owner and not owners:
        raise Conflict(
            f"{changed.name} is the only owner",
            code="last_owner",
            field="user",
            hint="make somebody else an owner first: `qd user role NAME owner`",
        )
