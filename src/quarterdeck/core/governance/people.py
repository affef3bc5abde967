"""The organization, its teams and its people: values, and the checks that make them right."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from quarterdeck.basics.errors import Invalid, NotFound
from quarterdeck.core.governance.limits import Quota
from quarterdeck.core.governance.permissions import Scope
from quarterdeck.core.governance.roles import ORGANIZATION_ROLES, TEAM_ROLES, Kind, Role

DEFAULT_TEAM: Final = "default"
USER_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}", re.ASCII)
TEAM_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)
"""As long as what earlier versions let jobs name."""
TITLE_CHARS_MAX: Final = 128


@dataclass(frozen=True, slots=True)
class Organization:
    """Who owns it all. One server serves one organization."""

    name: str
    created_at_ns: int = 0

    def __post_init__(self) -> None:
        """Refuse a name that could not be shown."""
        check_title("organization", self.name)


@dataclass(frozen=True, slots=True)
class Team:
    """Pays and shares. Its name is never given to another one; a closed team takes no jobs."""

    name: str
    title: str = ""
    quota: Quota = field(default_factory=Quota)
    created_at_ns: int = 0
    closed_at_ns: int | None = None

    def __post_init__(self) -> None:
        """Refuse names that could not be typed."""
        check_team_name(self.name)
        check_title("title", self.title)


@dataclass(frozen=True, slots=True)
class User:
    """A person or a service account. Its name is never given to anybody else.

    `role` is held for the organization, `teams` are the roles held in teams. A service account
    belongs to exactly one team.
    """

    name: str
    kind: Kind = Kind.USER
    title: str = ""
    role: Role | None = None
    teams: tuple[tuple[str, Role], ...] = ()
    quota: Quota = field(default_factory=Quota)
    created_at_ns: int = 0
    deactivated_at_ns: int | None = None

    def __post_init__(self) -> None:
        """Refuse what does not fit together."""
        check_user_name(self.name)
        check_title("title", self.title)
        check_roles(self.role, self.teams, self.kind)

    @property
    def is_active(self) -> bool:
        """Whether it may sign in."""
        return self.deactivated_at_ns is None

    def role_in(self, team: str) -> Role | None:
        """What it is to a team."""
        return next((role for name, role in self.teams if name == team), None)


@dataclass(frozen=True, slots=True)
class Invitation:
    """A promise of roles to whoever shows the code, once. Only a digest of the code is kept."""

    id: str
    code_digest: str = field(repr=False)
    user: str
    invited_by: str
    expires_at_ns: int
    role: Role | None = None
    teams: tuple[tuple[str, Role], ...] = ()
    created_at_ns: int = 0

    def __post_init__(self) -> None:
        """Refuse what would make a wrong user."""
        check_user_name(self.user)
        check_roles(self.role, self.teams, Kind.USER)


@dataclass(frozen=True, slots=True)
class Token:
    """A credential of a user. Only a digest of the secret is kept."""

    id: str
    secret_digest: str = field(repr=False)
    owner: str
    name: str
    created_at_ns: int
    expires_at_ns: int | None = None
    scopes: tuple[Scope, ...] = (Scope.EVERYTHING,)
    only_teams: tuple[str, ...] | None = None
    last_used_at_ns: int | None = None
    last_source: str = ""

    def is_expired(self, now_ns: int) -> bool:
        """Whether its time is over."""
        return self.expires_at_ns is not None and now_ns >= self.expires_at_ns


Entry = Organization | Team | User | Invitation
"""What the directory keeps of people."""


@dataclass(frozen=True, slots=True)
class People:
    """All of it at one instant; a change makes another one."""

    organization: Organization
    teams: Mapping[str, Team] = field(default_factory=lambda: MappingProxyType({}))
    users: Mapping[str, User] = field(default_factory=lambda: MappingProxyType({}))
    invitations: Mapping[str, Invitation] = field(default_factory=lambda: MappingProxyType({}))

    def with_entries(self, put: tuple[Entry, ...], gone: tuple[str, ...] = ()) -> People:
        """These in place of the present ones, and without invitations that are gone, by id."""
        organization = self.organization
        teams, users = dict(self.teams), dict(self.users)
        invitations = {key: one for key, one in self.invitations.items() if key not in gone}
        for entry in put:
            if isinstance(entry, Organization):
                organization = entry
            elif isinstance(entry, Team):
                teams[entry.name] = entry
            elif isinstance(entry, User):
                users[entry.name] = entry
            else:
                invitations[entry.id] = entry
        return People(organization, teams, users, invitations)

    def get_team(self, name: str) -> Team:
        """A team, or `NotFound`."""
        team = self.teams.get(name)
        if team is None:
            raise unknown_team(name)
        return team

    def get_user(self, name: str) -> User:
        """A user, or `NotFound`."""
        user = self.users.get(name)
        if user is None:
            raise unknown_user(name)
        return user

    def members_of(self, team: str) -> list[tuple[User, Role]]:
        """Who is in a team, by name."""
        members = [(one, role) for one in self.users.values() if (role := one.role_in(team))]
        return sorted(members, key=lambda member: member[0].name)

    def owners(self) -> list[User]:
        """The active owners."""
        return [one for one in self.users.values() if one.role is Role.OWNER and one.is_active]


def unknown_team(name: str) -> NotFound:
    """The answer for a team that is not there, or not for the asker's eyes."""
    return NotFound(
        f"there is no team {_shown(name)}",
        code="unknown_team",
        field="team",
        hint="`qd team list` shows those that you may see",
    )


def unknown_user(name: str) -> NotFound:
    """The answer for somebody who is not there, or not for the asker's eyes."""
    return NotFound(
        f"there is no user {_shown(name)}",
        code="unknown_user",
        field="user",
        hint="`qd user list` shows those that you may see",
    )


def check_team_name(name: str) -> None:
    """Refuse a name that could not be typed."""
    if TEAM_NAME.fullmatch(name) is None:
        raise Invalid(
            f"team is {_shown(name)}",
            field="team",
            hint="use up to 128 letters, digits, '.', '_' or '-', starting with a letter or digit",
        )


def check_user_name(name: str) -> None:
    """Refuse a name that could be mistaken or not be typed."""
    if USER_NAME.fullmatch(name) is None:
        raise Invalid(
            f"user is {_shown(name)}",
            field="user",
            hint="use up to 64 of a-z, 0-9, '.', '_', '@', '+' or '-', starting with a letter or "
            "digit; an e-mail address will do",
        )


def check_title(field_name: str, title: str) -> None:
    """Refuse what would not fit a line."""
    if len(title) > TITLE_CHARS_MAX or not title.isprintable():
        raise Invalid(
            f"{field_name} is {_shown(title)}",
            field=field_name,
            hint=f"use up to {TITLE_CHARS_MAX} printable characters",
        )


def check_roles(role: Role | None, teams: tuple[tuple[str, Role], ...], kind: Kind) -> None:
    """Refuse roles that are not held that way."""
    if role is not None and (role not in ORGANIZATION_ROLES or kind is not Kind.USER):
        names = ", ".join(ORGANIZATION_ROLES)
        raise Invalid(
            f"role is {role.value!r}",
            field="role",
            hint=f"people hold one of {names} for the organization; service accounts hold none",
        )
    if len({team for team, _ in teams}) != len(teams):
        raise Invalid(
            f"several roles in one team: {', '.join(f'{team}: {held}' for team, held in teams)}",
            field="teams",
            hint="name each team once",
        )
    allowed = TEAM_ROLES if kind is Kind.USER else (Role.SERVICE,)
    for team, held in teams:
        if held not in allowed:
            raise Invalid(
                f"the role in team {team} is {held.value!r}",
                field="role",
                hint=f"use {' or '.join(allowed)}",
            )
    if kind is Kind.SERVICE and len(teams) != 1:
        raise Invalid(
            f"the service account is in {len(teams)} teams",
            field="team",
            hint="a service account belongs to exactly one team",
        )


def _shown(text: str) -> str:
    return ascii(text) if len(text) <= 80 else f"{text[:77]!a}… ({len(text)} characters)"
