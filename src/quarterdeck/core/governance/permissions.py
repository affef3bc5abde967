"""The permission table: which role may do what to which things.

One cell says how far a role reaches. No cell means no. Nothing else in the house decides this:
every route names a row of the table, and the tests hold all routes against it.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from quarterdeck.core.governance.roles import Role

if TYPE_CHECKING:
    from collections.abc import Mapping


class Noun(StrEnum):
    """What something is done to."""

    __hash__ = str.__hash__  # the one of Enum is written in Python, and looked up per request

    JOB = "job"
    REQUEST = "request"
    OUTPUT = "output"
    QUEUE = "queue"
    PLAN = "plan"
    SNAPSHOT = "snapshot"
    NODE = "node"
    SERVER = "server"
    WEBHOOK = "webhook"
    DOCUMENT = "document"
    ORGANIZATION = "organization"
    TEAM = "team"
    USER = "user"
    SERVICE_ACCOUNT = "service account"
    INVITATION = "invitation"
    TOKEN = "token"  # noqa: S105 - a noun
    SERVICE_TOKEN = "service token"  # noqa: S105 - a noun
    AUDIT = "audit"
    BOOKING = "booking"


class Verb(StrEnum):
    """What is done."""

    __hash__ = str.__hash__

    READ = "read"
    CREATE = "create"
    DELETE = "delete"
    CANCEL = "cancel"
    REQUEUE = "requeue"
    HOLD = "hold"
    REORDER = "reorder"
    NOTE = "note"
    TEST = "test"
    STOP = "stop"
    SWEEP = "sweep"
    STAFF = "staff"
    LIMIT = "limit"
    APPOINT = "appoint"
    TRANSFER = "transfer"
    APPLY = "apply"
    CORDON = "cordon"
    APPROVE = "approve"


class Reach(StrEnum):
    """How far a cell goes."""

    __hash__ = str.__hash__

    ORGANIZATION = "organization"
    """Everything there is."""
    TEAM = "team"
    """What belongs to a team in which the role is held."""
    OWN = "own"
    """What the asker made in such a team; of a person's own things, those."""
    ATTEMPT = "attempt"
    """The one job of the attempt that the token was made for."""
    SITE = "site"
    """The one site that the token was made for."""


_ORG, _TEAM, _OWN, _ATTEMPT, _SITE = Reach
_BOSSES: Final = {Role.OWNER: _ORG, Role.ADMIN: _ORG}
_ALL_ORG: Final = {**_BOSSES, Role.OPERATOR: _ORG}
_CREW: Final = {Role.LEAD: _TEAM, Role.MEMBER: _TEAM, Role.VIEWER: _TEAM, Role.SERVICE: _TEAM}
_MAKERS: Final = {Role.LEAD: _TEAM, Role.MEMBER: _TEAM, Role.SERVICE: _TEAM}
_STEPS: Final = {**_ALL_ORG, Role.LEAD: _TEAM, Role.MEMBER: _OWN, Role.SERVICE: _OWN}
_LEADS: Final = {**_BOSSES, Role.LEAD: _TEAM}
_EVERYBODY: Final = {
    **dict.fromkeys((*_ALL_ORG, Role.STEWARD, *_CREW, Role.PERSON), _ORG),
    Role.RUNNER: _ORG,
    Role.AGENT: _ORG,
}

Cells = dict[Role, Reach]

_TABLE: Final[dict[tuple[Verb, Noun], Cells]] = {
    (Verb.READ, Noun.JOB): {**_ALL_ORG, **_CREW, Role.RUNNER: _ATTEMPT},
    (Verb.CREATE, Noun.JOB): {**_BOSSES, **_MAKERS},
    (Verb.CANCEL, Noun.JOB): _STEPS,
    (Verb.REQUEUE, Noun.JOB): _STEPS,
    (Verb.HOLD, Noun.JOB): _STEPS,
    (Verb.REORDER, Noun.JOB): _STEPS,
    (Verb.NOTE, Noun.JOB): {**_STEPS, Role.MEMBER: _TEAM, Role.RUNNER: _ATTEMPT},
    # What a job was asked with: its variables may hold what a viewer is not to know.
    (Verb.READ, Noun.REQUEST): {**_BOSSES, **_MAKERS, Role.SERVICE: _OWN},
    # Logs, results, metrics. An operator looks after machines, not into what runs on them.
    (Verb.READ, Noun.OUTPUT): {**_BOSSES, **_CREW, Role.RUNNER: _ATTEMPT},
    (Verb.READ, Noun.QUEUE): {**_ALL_ORG, **_CREW},
    (Verb.CREATE, Noun.PLAN): {**_BOSSES, **_MAKERS},
    (Verb.CREATE, Noun.SNAPSHOT): {**_BOSSES, **_MAKERS},
    (Verb.READ, Noun.NODE): {**_ALL_ORG, **dict.fromkeys(_CREW, _ORG), Role.AGENT: _SITE},
    (Verb.CORDON, Noun.NODE): _ALL_ORG,
    (Verb.READ, Noun.SERVER): _EVERYBODY,
    (Verb.STOP, Noun.SERVER): {Role.OWNER: _ORG, Role.OPERATOR: _ORG},
    (Verb.SWEEP, Noun.SERVER): {Role.OWNER: _ORG, Role.OPERATOR: _ORG},
    (Verb.READ, Noun.WEBHOOK): _BOSSES,
    (Verb.CREATE, Noun.WEBHOOK): _BOSSES,
    (Verb.DELETE, Noun.WEBHOOK): _BOSSES,
    (Verb.TEST, Noun.WEBHOOK): _BOSSES,
    (Verb.READ, Noun.DOCUMENT): _EVERYBODY,
    (Verb.READ, Noun.ORGANIZATION): _EVERYBODY,
    (Verb.TRANSFER, Noun.ORGANIZATION): {Role.OWNER: _ORG},
    (Verb.APPLY, Noun.ORGANIZATION): _BOSSES,
    (Verb.READ, Noun.TEAM): {**_ALL_ORG, Role.STEWARD: _ORG, **_CREW},
    (Verb.CREATE, Noun.TEAM): _BOSSES,
    (Verb.DELETE, Noun.TEAM): _BOSSES,
    (Verb.LIMIT, Noun.TEAM): _BOSSES,
    (Verb.STAFF, Noun.TEAM): _LEADS,
    (Verb.READ, Noun.USER): {**_BOSSES, **_CREW, Role.PERSON: _OWN},
    (Verb.CREATE, Noun.USER): _BOSSES,
    (Verb.DELETE, Noun.USER): _BOSSES,
    (Verb.LIMIT, Noun.USER): _BOSSES,
    (Verb.APPOINT, Noun.USER): _BOSSES,
    (Verb.CREATE, Noun.SERVICE_ACCOUNT): _LEADS,
    (Verb.DELETE, Noun.SERVICE_ACCOUNT): _LEADS,
    (Verb.READ, Noun.INVITATION): _LEADS,
    (Verb.CREATE, Noun.INVITATION): _LEADS,
    (Verb.DELETE, Noun.INVITATION): _LEADS,
    (Verb.READ, Noun.TOKEN): {**_BOSSES, Role.PERSON: _OWN},
    (Verb.CREATE, Noun.TOKEN): {Role.PERSON: _OWN},
    (Verb.DELETE, Noun.TOKEN): {**_BOSSES, Role.PERSON: _OWN},
    (Verb.READ, Noun.SERVICE_TOKEN): _LEADS,
    (Verb.CREATE, Noun.SERVICE_TOKEN): _LEADS,
    (Verb.DELETE, Noun.SERVICE_TOKEN): _LEADS,
    (Verb.READ, Noun.AUDIT): _BOSSES,
    # That nodes are booked and when concerns everybody who runs jobs; for whom is of the team.
    (Verb.READ, Noun.BOOKING): {**_ALL_ORG, **dict.fromkeys(_CREW, _ORG)},
    (Verb.CREATE, Noun.BOOKING): {**_ALL_ORG, Role.LEAD: _TEAM},
    (Verb.CANCEL, Noun.BOOKING): {**_ALL_ORG, Role.LEAD: _TEAM},
    (Verb.APPROVE, Noun.BOOKING): _ALL_ORG,
}

TABLE: Final[Mapping[tuple[Verb, Noun], Mapping[Role, Reach]]] = MappingProxyType(
    {row: MappingProxyType(cells) for row, cells in _TABLE.items()}
)


def _digest() -> str:
    lines = sorted(
        f"{verb} {noun} {role} {reach}"
        for (verb, noun), cells in TABLE.items()
        for role, reach in cells.items()
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


POLICY_VERSION: Final = _digest()
"""Names the table that a decision was made by."""


class Scope(StrEnum):
    """What a token is good for: never more than its owner may, perhaps less."""

    EVERYTHING = "everything"
    JOBS = "jobs"
    READ = "read"

    def allows(self, verb: Verb, noun: Noun) -> bool:
        """Whether a row of the table is within the scope."""
        if self is Scope.EVERYTHING:
            return True
        if self is Scope.READ:
            return verb is Verb.READ and noun not in _SECRET
        return noun in _OF_JOBS or (verb is Verb.READ and noun in _AROUND_JOBS)


_SECRET: Final = frozenset({Noun.AUDIT, Noun.REQUEST, Noun.INVITATION})
_OF_JOBS: Final = frozenset(
    {Noun.JOB, Noun.REQUEST, Noun.OUTPUT, Noun.QUEUE, Noun.PLAN, Noun.SNAPSHOT}
)
_OF_ALL: Final = frozenset({Noun.NODE, Noun.SERVER, Noun.DOCUMENT, Noun.ORGANIZATION})
# A job names its team, and a team that the asker does not see is none.
_AROUND_JOBS: Final = _OF_ALL | {Noun.TEAM}
_OF_TEAMS: Final = _OF_JOBS | {
    Noun.TEAM, Noun.SERVICE_ACCOUNT, Noun.SERVICE_TOKEN, Noun.INVITATION, Noun.BOOKING,
}  # fmt: skip


def is_for_all(verb: Verb, noun: Noun) -> bool:
    """Whether the row only shows what is the same for every team."""
    return verb is Verb.READ and noun in _OF_ALL


def is_of_teams(verb: Verb, noun: Noun) -> bool:
    """Whether what the row is about belongs to teams that are there already."""
    if noun in (Noun.TEAM, Noun.USER):
        return verb is Verb.READ or (noun is Noun.TEAM and verb is not Verb.CREATE)
    return noun in _OF_TEAMS
