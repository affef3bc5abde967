"""Short ways to people, teams and tokens, and to an organization of any size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quarterdeck.core.governance.people import (
    Entry,
    Invitation,
    Organization,
    Team,
    Token,
    User,
)
from quarterdeck.core.governance.roles import TEAM_ROLES, Role
from quarterdeck.testing.builders import START_NS

if TYPE_CHECKING:
    from collections.abc import Iterator


def a_token(number: int = 1, owner: str = "ada", **changes: Any) -> Token:  # noqa: ANN401
    """A token with an id and a digest of its own."""
    return Token(
        **{
            "id": f"t{number:09}",
            "secret_digest": f"{number:064x}",
            "owner": owner,
            "name": f"laptop {number}",
            "created_at_ns": START_NS + number,
            **changes,
        }
    )


def an_invitation(number: int = 1, **changes: Any) -> Invitation:  # noqa: ANN401
    """An invitation with an id and a digest of its own."""
    return Invitation(
        **{
            "id": f"i{number:09}",
            "code_digest": f"{number:064x}",
            "user": f"guest-{number}",
            "invited_by": "ada",
            "expires_at_ns": START_NS + 10**12,
            **changes,
        }
    )


def a_large_organization(users: int, teams: int, teams_each: int = 3) -> Iterator[Entry]:
    """One owner, and users of whom each is in some teams, with all roles about equally often."""
    yield Organization("ACME", START_NS)
    for number in range(teams):
        yield Team(f"team-{number:03}", f"Team No {number}", created_at_ns=START_NS)
    yield User("ada", role=Role.OWNER, created_at_ns=START_NS)
    for number in range(users - 1):
        names = sorted(
            {f"team-{(number * 7 + step * 11) % teams:03}" for step in range(teams_each)}
        )
        held = tuple(
            (name, TEAM_ROLES[(number + step) % len(TEAM_ROLES)]) for step, name in enumerate(names)
        )
        yield User(f"user-{number:05}", title=f"Person {number}", teams=held)
