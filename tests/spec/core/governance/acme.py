"""A small organization, and its people as those who act."""

from __future__ import annotations

from quarterdeck.control.roster import principal_of
from quarterdeck.core.governance.people import DEFAULT_TEAM, Organization, People, Team, User
from quarterdeck.core.governance.principal import Principal
from quarterdeck.core.governance.roles import Kind, Role
from quarterdeck.testing.builders import START_NS

ACME = People(Organization("ACME", START_NS)).with_entries(
    (
        Team(DEFAULT_TEAM),
        Team("vision"),
        Team("speech"),
        Team("past", closed_at_ns=START_NS),
        User("ada", role=Role.OWNER),
        User("abe", role=Role.ADMIN),
        User("oli", role=Role.OPERATOR),
        User("stu", role=Role.STEWARD),
        User("lea", teams=(("vision", Role.LEAD),)),
        User("mia", teams=(("vision", Role.MEMBER),)),
        User("vic", teams=(("vision", Role.VIEWER),)),
        User("sam", teams=(("speech", Role.LEAD),)),
        User("out"),
        User("bot", Kind.SERVICE, teams=(("vision", Role.SERVICE),)),
    )
)
ORDINARY = ("oli", "stu", "lea", "mia", "vic", "sam", "out", "bot")


def who(name: str, people: People = ACME) -> Principal:
    """Somebody of it, by a token that narrows nothing."""
    return principal_of(people.get_user(name), None)
