"""Who may make whom what, and what nobody may."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from quarterdeck.basics.errors import Conflict, Invalid, NotAllowed, NotFound
from quarterdeck.core.governance import staffing
from quarterdeck.core.governance.people import DEFAULT_TEAM, Team, User
from quarterdeck.core.governance.permissions import Noun, Verb
from quarterdeck.core.governance.principal import Extent, extent_of
from quarterdeck.core.governance.roles import ORGANIZATION_ROLES, TEAM_ROLES, Kind, Role
from quarterdeck.testing.builders import START_NS
from tests.spec.core.governance.acme import ACME, ORDINARY, who

if TYPE_CHECKING:
    from collections.abc import Callable

ADA, ABE, LEA = who("ada"), who("abe"), who("lea")


@pytest.mark.parametrize(
    "leave",
    [
        lambda people: staffing.deactivate(people, "ada", ADA, START_NS),
        lambda people: staffing.appoint(people, "ada", None, ADA),
        lambda people: staffing.appoint(people, "ada", Role.ADMIN, ADA),
    ],
)
def test_the_last_owner_stays(leave: Callable[..., User]) -> None:
    with pytest.raises(Conflict, match="ada is the only owner") as refused:
        leave(ACME)
    assert refused.value.code == "last_owner"
    gone = User("amy", role=Role.OWNER, deactivated_at_ns=START_NS)
    with pytest.raises(Conflict):
        leave(ACME.with_entries((gone,)))
    leave(ACME.with_entries((User("amy", role=Role.OWNER),)))


@pytest.mark.parametrize("role", [Role.OWNER, Role.ADMIN])
def test_an_admin_makes_and_unmakes_no_owners_and_no_admins(role: Role) -> None:
    people = ACME.with_entries((User("amy", role=role),))
    attempts: tuple[Callable[[], User], ...] = (
        lambda: staffing.appoint(people, "mia", role, ABE),
        lambda: staffing.appoint(people, "amy", None, ABE),
        lambda: staffing.deactivate(people, "amy", ABE, START_NS),
        lambda: staffing.activate(people, "amy", ABE),
        lambda: staffing.add_user(people, User("new", role=role), ABE),
    )
    for attempt in attempts:
        with pytest.raises(NotAllowed, match="only an owner"):
            attempt()
    assert staffing.appoint(people, "mia", role, ADA).role is role
    assert staffing.appoint(people, "mia", Role.STEWARD, ABE).role is Role.STEWARD


@pytest.mark.parametrize("name", ORDINARY)
@pytest.mark.parametrize("role", ORGANIZATION_ROLES)
def test_nobody_else_gives_a_role_for_the_organization(name: str, role: Role) -> None:
    by = who(name)
    with pytest.raises(NotAllowed):
        staffing.appoint(ACME, "out", role, by)
    with pytest.raises(NotAllowed):
        staffing.add_user(ACME, User("new", role=role), by)
    with pytest.raises(NotAllowed):
        staffing.appoint(ACME, "stu", None, by)


@pytest.mark.parametrize("name", [one for one in ORDINARY if one not in ("lea", "sam")])
@pytest.mark.parametrize("role", [*TEAM_ROLES, None])
def test_who_leads_no_team_decides_about_none(name: str, role: Role | None) -> None:
    with pytest.raises(NotAllowed, match="you may not decide"):
        staffing.staff(ACME, "vision", "mia", role, who(name))


def test_a_lead_decides_about_members_and_viewers_of_her_own_team_and_no_other() -> None:
    for role in (Role.MEMBER, Role.VIEWER, None):
        changed = staffing.staff(ACME, "vision", "mia", role, LEA)
        assert changed.role_in("vision") is role
        with pytest.raises(NotAllowed):
            staffing.staff(ACME, "speech", "sam", role, LEA)
        if role is not None:
            with pytest.raises(NotAllowed):
                staffing.staff(ACME, "speech", "mia", role, LEA)
            with pytest.raises(NotAllowed):
                staffing.staff(ACME, "speech", "lea", role, LEA)


def test_a_lead_makes_and_unmakes_no_leads_not_even_herself() -> None:
    people = ACME.with_entries((User("luc", teams=(("vision", Role.LEAD),)),))
    for name, role in (("mia", Role.LEAD), ("luc", Role.MEMBER), ("luc", None), ("lea", None)):
        with pytest.raises(NotAllowed):
            staffing.staff(people, "vision", name, role, LEA)
    assert staffing.staff(people, "vision", "luc", None, ABE).teams == ()


def test_a_service_account_stays_what_and_where_it_is() -> None:
    for role in (*TEAM_ROLES, Role.SERVICE, None):
        for team in ("vision", "speech"):
            with pytest.raises(Conflict, match="service account"):
                staffing.staff(ACME, team, "bot", role, ADA)
    with pytest.raises(Invalid, match="role"):
        staffing.appoint(ACME, "bot", Role.OPERATOR, ADA)
    for teams in ((), (("vision", Role.SERVICE), ("speech", Role.SERVICE))):
        with pytest.raises(Invalid, match=f"in {len(teams)} teams"):
            User("bad", Kind.SERVICE, teams=teams)
    with pytest.raises(Invalid, match="member"):
        User("bad", Kind.SERVICE, teams=(("vision", Role.MEMBER),))
    with pytest.raises(Invalid, match="service"):
        User("bad", teams=(("vision", Role.SERVICE),))


def test_ownership_goes_over_once() -> None:
    heir, before = staffing.transfer(ACME, "mia", ADA)
    assert (heir.role, before.role) == (Role.OWNER, Role.ADMIN)
    after = ACME.with_entries((heir, before))
    with pytest.raises(NotAllowed, match="ada is no owner any more"):
        staffing.transfer(after, "lea", ADA)


@pytest.mark.parametrize("to", ["ada", "bot", "old"])
def test_ownership_goes_to_no_machine_nobody_who_is_out_and_not_back(to: str) -> None:
    people = ACME.with_entries((User("old", deactivated_at_ns=START_NS),))
    with pytest.raises(Conflict, match=to):
        staffing.transfer(people, to, ADA)


def test_names_are_given_once() -> None:
    for name in ("vision", "past"):
        with pytest.raises(Conflict, match="there is a team"):
            staffing.add_team(ACME, Team(name))
    with pytest.raises(Conflict, match="there is a user"):
        staffing.add_user(ACME, User("mia"), ADA)


def test_a_closed_team_takes_nobody_and_lets_go() -> None:
    was_in = ACME.with_entries((User("mia", teams=(("past", Role.MEMBER),)),))
    with pytest.raises(Conflict, match="past is closed"):
        staffing.staff(ACME, "past", "mia", Role.MEMBER, ADA)
    with pytest.raises(Conflict, match="past is closed"):
        staffing.add_user(ACME, User("new", teams=(("past", Role.VIEWER),)), ADA)
    assert staffing.staff(was_in, "past", "mia", None, ADA).teams == ()
    with pytest.raises(Conflict, match=DEFAULT_TEAM):
        staffing.close_team(ACME, DEFAULT_TEAM, START_NS)
    assert staffing.close_team(ACME, "past", START_NS + 9).closed_at_ns == START_NS


def chosen(name: str, wanted: str | None, people: object = ACME) -> str:
    extent = extent_of(who(name), Verb.CREATE, Noun.JOB)
    sight = extent_of(who(name), Verb.READ, Noun.TEAM)
    return staffing.choose_team(people, extent, sight, wanted)  # type: ignore[arg-type]


def test_a_job_belongs_to_the_team_that_it_names() -> None:
    assert chosen("ada", "speech") == "speech"
    assert chosen("mia", "vision") == "vision"
    assert chosen("bot", "vision") == "vision"


def test_a_job_that_names_no_team_belongs_to_the_default_or_the_only_one() -> None:
    assert chosen("ada", None) == DEFAULT_TEAM
    assert chosen("mia", None) == "vision"
    both = (("speech", Role.MEMBER), ("vision", Role.MEMBER))
    people = ACME.with_entries((User("mia", teams=both),))
    extent = Extent(teams=frozenset({"speech", "vision"}))
    with pytest.raises(Invalid, match="several") as refused:
        staffing.choose_team(people, extent, extent, None)
    assert "team: speech" in refused.value.hint
    assert "vision" in refused.value.hint
    closed = people.with_entries((replace(people.teams["speech"], closed_at_ns=START_NS),))
    assert staffing.choose_team(closed, extent, extent, None) == "vision"


def test_a_team_that_is_not_for_ones_eyes_is_none() -> None:
    for name in ("speech", "nowhere"):
        with pytest.raises(NotFound) as hidden:
            chosen("mia", name)
        assert (hidden.value.code, hidden.value.message) == (
            "unknown_team",
            f"there is no team '{name}'",
        )
    with pytest.raises(NotAllowed, match="you may not submit jobs for team vision"):
        chosen("vic", "vision")
    with pytest.raises(NotAllowed, match="in no team"):
        chosen("vic", None)
    with pytest.raises(Conflict, match="past is closed"):
        chosen("ada", "past")
