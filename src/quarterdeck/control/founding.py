"""The first entries of a directory: an organization, the default team, and an owner."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.errors import Stale
from quarterdeck.core.governance.people import (
    DEFAULT_TEAM,
    USER_NAME,
    Organization,
    Team,
    User,
)
from quarterdeck.core.governance.roles import Role

if TYPE_CHECKING:
    from quarterdeck.core.governance.people import Entry, People
    from quarterdeck.ports.directory import Directory

TRIES_MAX: Final = 5


def found(directory: Directory, account: str, now_ns: int) -> str:
    """Let the directory have what nothing works without. Answers the name of the owner that the
    home's file token stands for: the account that runs the server."""
    owner = owner_name(account)
    for left in reversed(range(TRIES_MAX)):
        contents = directory.load()
        put = _missing(contents.people, owner, now_ns)
        if not put:
            break
        try:
            directory.change(contents.revision, put=put)
        except Stale:
            # Another server of the same store starts at the same moment.
            if left == 0:
                raise
        else:
            break
    return owner


def _missing(people: People | None, owner: str, now_ns: int) -> list[Entry]:
    put: list[Entry] = []
    if people is None:
        put.append(Organization("organization", now_ns))
    if people is None or DEFAULT_TEAM not in people.teams:
        put.append(Team(DEFAULT_TEAM, "Jobs that name no other team", created_at_ns=now_ns))
    known = people.users.get(owner) if people is not None else None
    if known is None:
        put.append(User(owner, role=Role.OWNER, created_at_ns=now_ns))
    elif known.role is not Role.OWNER or not known.is_active:
        put.append(replace(known, role=Role.OWNER, deactivated_at_ns=None))
    return put


def owner_name(account: str) -> str:
    """A user's name for an account of the system."""
    name = re.sub(r"[^a-z0-9._@+-]", "-", account.lower())[:64].lstrip("._@+-")
    return name if USER_NAME.fullmatch(name) else "owner"
