"""People, teams, roles, limits and tokens."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from quarterdeck.wire.v1.base import Answer, Count, Flag, Request

OrganizationRole = Literal["owner", "admin", "operator", "steward"]
TeamRole = Literal["lead", "member", "viewer"]
UserKind = Literal["user", "service"]
ScopeName = Literal["everything", "jobs", "read"]


class BoundBody(Request):
    """At most so many."""

    value: Count
    hard: Flag = Field(
        default=True,
        description="Whether what is beyond is refused; otherwise it goes after everybody else.",
    )


class LimitsBody(Request):
    """How much a team or person may have at a time. What is left out is not limited."""

    queued_jobs: BoundBody | None = Field(
        default=None, description="Jobs that wait; each task of an array counts."
    )
    running_jobs: BoundBody | None = Field(
        default=None, description="Jobs that hold devices; each task of an array counts."
    )
    device_hours_per_month: BoundBody | None = Field(
        default=None,
        description="GPU hours of a month of UTC. Once they are used, what runs goes on, and "
        "nothing new starts before the next month, or after all others where it is soft.",
    )
    sites: list[str] | None = Field(default=None, description="The only sites that may be used.")
    images: list[str] | None = Field(
        default=None, description="The only images that may be used, as shell patterns."
    )


class TokenView(Answer):
    """A credential, without its secret."""

    id: str
    owner: str
    name: str
    scopes: list[ScopeName]
    teams: list[str] | None = Field(description="The only teams that it is good for.")
    created_at: str
    expires_at: str | None
    last_used_at: str | None = Field(description="To the minute or so.")
    last_source: str = Field(description="The address that it was last used from.")


class NewTokenView(TokenView):
    """A credential that was just made: the only time that its secret is shown."""

    secret: str


class TokenRequest(Request):
    """A credential to make."""

    name: str = Field(default="token", description="What it is for, in a few words.")
    user: str | None = Field(
        default=None, description="A service account that it is for; the asker when left out."
    )
    scopes: list[ScopeName] = Field(default=["everything"], min_length=1, max_length=3)
    teams: list[str] | None = Field(default=None, description="Only for these teams.")
    expires: str | None = Field(
        default="90d", description="How long it is good for; null is until it is revoked."
    )


class TokenList(Answer):
    """Credentials, oldest first."""

    tokens: list[TokenView]
    next_after: str | None = Field(description="Ask for `after` this one for the next page.")


class WhoamiView(Answer):
    """Who the server takes the caller for."""

    name: str
    kind: Literal["user", "service", "runner", "agent"]
    organization: str
    role: OrganizationRole | None
    teams: dict[str, str] = Field(description="The role in each team.")
    token: TokenView | None = Field(description="What was shown; null for the home's file token.")
    scopes: list[ScopeName]
    policy_version: str = Field(description="Names the permission table in force.")


class TeamRequest(Request):
    """A team to make."""

    name: str
    title: str = ""
    limits: LimitsBody = Field(default_factory=LimitsBody)


class TeamView(Answer):
    """A team."""

    name: str
    title: str
    members: int
    limits: LimitsBody
    queued_jobs: int = Field(description="How many of its jobs or tasks wait now.")
    created_at: str
    closed_at: str | None


class TeamPage(Answer):
    """Teams by name."""

    teams: list[TeamView]
    next_after: str | None = Field(description="Ask for `after` this one for the next page.")


class MemberView(Answer):
    """Somebody in a team."""

    user: str
    kind: UserKind
    role: str
    active: bool


class MemberList(Answer):
    """Who is in a team, by name."""

    team: str
    members: list[MemberView]


class MemberRequest(Request):
    """What somebody is to be to a team."""

    role: TeamRole


class UserRequest(Request):
    """Somebody to add."""

    name: str = Field(description="For good: names are never given twice.")
    kind: UserKind = "user"
    title: str = Field(default="", description="The full name.")
    role: OrganizationRole | None = None
    teams: dict[str, TeamRole] = Field(default={}, description="The role in each team.")
    team: str | None = Field(default=None, description="The team of a service account.")
    limits: LimitsBody = Field(default_factory=LimitsBody)


class UserView(Answer):
    """Somebody."""

    name: str
    kind: UserKind
    title: str
    role: OrganizationRole | None
    teams: dict[str, str]
    limits: LimitsBody
    active: bool
    created_at: str
    deactivated_at: str | None


class UserPage(Answer):
    """People by name."""

    users: list[UserView]
    next_after: str | None = Field(description="Ask for `after` this one for the next page.")


class AppointRequest(Request):
    """What somebody is to be to the organization."""

    role: OrganizationRole | None


class TransferRequest(Request):
    """To whom the asker's ownership goes."""

    to: str


class OrganizationView(Answer):
    """Who owns it all."""

    name: str
    created_at: str
    owners: list[str]


class InvitationRequest(Request):
    """Whom to invite."""

    user: str = Field(description="The name that the invited person will have.")
    role: OrganizationRole | None = None
    teams: dict[str, TeamRole] = {}
    expires: str = Field(default="7d", description="How long the code is good for.")


class InvitationView(Answer):
    """An invitation, without its code."""

    id: str
    user: str
    role: OrganizationRole | None
    teams: dict[str, str]
    invited_by: str
    created_at: str
    expires_at: str


class NewInvitationView(InvitationView):
    """An invitation that was just made: the only time that its code is shown."""

    code: str


class InvitationList(Answer):
    """Invitations that nobody has used yet."""

    invitations: list[InvitationView]


class AcceptRequest(Request):
    """An invitation's code, or a new server's claim code."""

    code: str
    name: str | None = Field(
        default=None, description="Of who claims a new server; an invitation has its own."
    )


class TeamEntry(Request):
    """A team of the people file."""

    title: str = ""
    limits: LimitsBody = Field(default_factory=LimitsBody)


class UserEntry(Request):
    """Somebody of the people file."""

    title: str = ""
    kind: UserKind = "user"
    role: OrganizationRole | None = None
    teams: dict[str, TeamRole] = {}
    team: str | None = None
    limits: LimitsBody = Field(default_factory=LimitsBody)
    active: Flag = True


class PeopleFile(Request):
    """People and teams as they should be. Who or what is left out stays as it is."""

    organization: str | None = None
    teams: dict[str, TeamEntry] = {}
    users: dict[str, UserEntry] = {}


class PeopleChange(Answer):
    """One thing that applying the file changes."""

    what: Literal["organization", "team", "user"]
    name: str
    action: Literal["add", "change", "close", "deactivate", "activate"]
    field: str = Field(description="Which part of it; empty for the whole.")
    before: str
    after: str


class PeopleDiff(Answer):
    """What applying a file has changed, or in a dry run would."""

    changes: list[PeopleChange]
    dry_run: bool
