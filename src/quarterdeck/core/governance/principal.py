"""Who asks, and how far they reach for each row of the permission table."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from quarterdeck.core.governance.permissions import (
    TABLE,
    Reach,
    Scope,
    is_for_all,
    is_of_teams,
)
from quarterdeck.core.governance.roles import Kind, Role

if TYPE_CHECKING:
    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.governance.permissions import Noun, Verb


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who acts, with everything that decides what they may.

    `id` never names anybody else later. `roles` are those held for the organization, `teams` the
    role held in each team. `scopes` and `only_teams` narrow what the token that was shown is good
    for. `job_id` and `site` are what a runner's or an agent's token is for.
    """

    name: str
    id: str = ""
    kind: Kind = Kind.USER
    roles: tuple[Role, ...] = ()
    teams: tuple[tuple[str, Role], ...] = ()
    scopes: tuple[Scope, ...] = (Scope.EVERYTHING,)
    only_teams: tuple[str, ...] | None = None
    token_id: str = ""
    on_behalf_of: str = ""
    job_id: JobId | None = None
    site: str | None = None

    def role_in(self, team: str) -> Role | None:
        """What the principal is to a team."""
        return next((role for name, role in self.teams if name == team), None)


@dataclass(frozen=True, slots=True)
class Extent:
    """Which things a principal may do one thing to. An empty one is a refusal.

    `is_all`: everything, within `only_teams`. `teams`: all that belongs to them. `own_teams`: what
    `owner` made there. `is_own`: what `owner` made anywhere, or is.
    """

    is_all: bool = False
    teams: frozenset[str] = frozenset()
    own_teams: frozenset[str] = frozenset()
    is_own: bool = False
    owner: str = ""
    job_id: JobId | None = None
    site: str | None = None
    only_teams: frozenset[str] | None = field(default=None)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing that it covers, whatever it may be."""
        if self.job_id is not None or self.site is not None or self.is_own or self.is_all:
            return False
        return not (self.teams or self.own_teams)

    def covers(self, team: str, owner: str, job_id: str | None = None) -> bool:
        """Whether it covers something of this team that this person made."""
        if self.only_teams is not None and team not in self.only_teams:
            return False
        if self.is_all or team in self.teams:
            return True
        if self.job_id is not None and self.job_id == job_id:
            return True
        return owner == self.owner and (self.is_own or team in self.own_teams)

    def covers_team(self, team: str) -> bool:
        """Whether it covers all that belongs to a team."""
        if self.only_teams is not None and team not in self.only_teams:
            return False
        return self.is_all or team in self.teams

    def visible_teams(self) -> tuple[str, ...] | None:
        """The teams all of whose things it covers, in order; None for every team there is."""
        if self.is_all:
            return None if self.only_teams is None else tuple(sorted(self.only_teams))
        return tuple(sorted(self.teams))


NOTHING: Final = Extent()


@lru_cache(16_384)
def extent_of(principal: Principal, verb: Verb, noun: Noun) -> Extent:
    """How far the principal reaches for a row of the table, roles and the token's scope together.

    A token for some teams is good for what belongs to those: an owner's does not stop the server.
    Raises `KeyError` for a row that the table does not have: that is a bug.
    """
    cells = TABLE[verb, noun]
    if not any(scope.allows(verb, noun) for scope in principal.scopes):
        return NOTHING
    only = None if principal.only_teams is None else frozenset(principal.only_teams)
    reaches = {cells[role] for role in principal.roles if role in cells}
    teams: set[str] = set()
    own_teams: set[str] = set()
    for team, role in principal.teams:
        reach = cells.get(role)
        if reach is None or (only is not None and team not in only):
            continue
        if reach is Reach.ORGANIZATION:
            reaches.add(reach)
        elif reach is Reach.TEAM:
            teams.add(team)
        else:
            own_teams.add(team)
    is_all = Reach.ORGANIZATION in reaches
    if is_all and only is not None and not is_for_all(verb, noun):
        is_all = False
        teams |= only if is_of_teams(verb, noun) else set()
    return Extent(
        is_all=is_all,
        teams=frozenset(teams),
        own_teams=frozenset(own_teams),
        is_own=Reach.OWN in reaches,
        owner=principal.name,
        job_id=principal.job_id if Reach.ATTEMPT in reaches else None,
        site=principal.site if Reach.SITE in reaches else None,
        only_teams=only,
    )
