"""Tokens of people and service accounts: make and revoke. Only a digest of a secret is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.errors import Conflict, Invalid, NotFound
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.control.roster import Change
from quarterdeck.control.sign_in import digest_of
from quarterdeck.core.governance.people import Token, check_title
from quarterdeck.core.governance.permissions import Scope
from quarterdeck.core.governance.staffing import check_may_give

if TYPE_CHECKING:
    from quarterdeck.control.roster import Roster
    from quarterdeck.core.governance.people import People
    from quarterdeck.core.governance.principal import Principal

SECRET_PREFIX: Final = "qd_"  # noqa: S105 - the beginning of every secret
MADE_FOR_S: Final = 90 * 86_400.0
EXPIRES_S_MAX: Final = 3660 * 86_400.0
TOKENS_MAX: Final = 200
"""Of one user."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A token to make; `expires_s` None is good until it is revoked."""

    owner: str
    name: str
    scopes: tuple[Scope, ...] = (Scope.EVERYTHING,)
    only_teams: tuple[str, ...] | None = None
    expires_s: float | None = None

    def __post_init__(self) -> None:
        """Refuse what could not be kept."""
        check_title("name", self.name)
        if self.expires_s is not None and not 1 <= self.expires_s <= EXPIRES_S_MAX:
            raise Invalid(
                f"expires is {self.expires_s:g}s",
                field="expires",
                hint="use 1s to 3660d, or null for a token that is good until it is revoked",
            )


@dataclass(frozen=True, slots=True)
class MadeToken:
    """A token with its secret, which nobody can ask for again."""

    token: Token
    secret: str = field(repr=False)


def make_token(roster: Roster, draft: Draft, now_ns: int) -> MadeToken:
    """The token with a new secret; not kept yet."""
    secret = roster.secrets.new_secret(SECRET_PREFIX)
    expires_at_ns = None if draft.expires_s is None else now_ns + int(draft.expires_s * NS_PER_S)
    token = Token(
        id=roster.secrets.new_id("t"),
        secret_digest=digest_of(secret),
        owner=draft.owner,
        name=draft.name,
        created_at_ns=now_ns,
        expires_at_ns=expires_at_ns,
        scopes=draft.scopes,
        only_teams=draft.only_teams,
    )
    return MadeToken(token, secret)


def create_token(roster: Roster, draft: Draft, *, is_dry_run: bool = False) -> MadeToken:
    """A new token of an active user."""
    now_ns = roster.clock.now_ns()

    def work(people: People) -> tuple[Change, MadeToken]:
        user = people.get_user(draft.owner)
        if not user.is_active:
            raise Conflict(
                f"{user.name} is deactivated",
                code="user_deactivated",
                field="user",
                hint=f"`qd user activate {user.name}` first",
            )
        for team in draft.only_teams or ():
            people.get_team(team)
        known = [roster.find_token(token_id) for token_id in roster.tokens_of(draft.owner)]
        held = [token for token in known if token is not None]
        # Nobody tidies up by hand: a pipeline that makes one a day would be shut out in a year.
        over = tuple(token.id for token in held if token.is_expired(now_ns))
        if len(held) - len(over) >= TOKENS_MAX:
            raise Conflict(
                f"{user.name} has {len(held) - len(over)} tokens, and no more are possible",
                code="too_many_tokens",
                hint="revoke those that are not needed: `qd token list`",
            )
        made = make_token(roster, draft, now_ns)
        return Change(tokens=(made.token,), revoked=over), made

    return roster.change(work, is_dry_run=is_dry_run)


def revoke_token(roster: Roster, token_id: str, by: Principal, *, is_dry_run: bool = False) -> None:
    """The token is good for nothing any more, and streams that it opened end. Those of others are
    as safe as their roles: who may not deactivate somebody does not shut them out this way."""

    def work(people: People) -> tuple[Change, None]:
        token = roster.find_token(token_id)
        if token is None:
            raise unknown_token_id(token_id)
        if token.owner != by.name:
            check_may_give(by, people.get_user(token.owner).role)
        return Change(revoked=(token_id,)), None

    roster.change(work, is_dry_run=is_dry_run)


def unknown_token_id(token_id: str) -> NotFound:
    """The answer for a token that is not there, or not for the asker's eyes."""
    return NotFound(
        f"there is no token {token_id[:80]!a}",
        code="no_such_token",
        field="id",
        hint="`qd token list` shows yours",
    )
