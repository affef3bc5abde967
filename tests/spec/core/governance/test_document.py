"""A people file: what it changes, in which order it is read, and what it may not do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarterdeck.basics.errors import Conflict, Invalid, NotAllowed, NotFound, QuarterdeckError
from quarterdeck.core.governance.document import Difference, Wanted, reconcile
from quarterdeck.core.governance.limits import Bound, Quota
from quarterdeck.core.governance.people import People, Team, User
from quarterdeck.core.governance.roles import ORGANIZATION_ROLES, TEAM_ROLES, Kind, Role
from quarterdeck.testing.builders import START_NS
from tests.spec.core.governance.acme import ACME, who

ADA, ABE = who("ada"), who("abe")
NOW_NS = START_NS + 7


def apply(wanted: Wanted, by: Any = ADA, people: People = ACME) -> People:
    entries, _ = reconcile(people, wanted, by, NOW_NS)
    return people.with_entries(entries)


def file_of(people: People) -> Wanted:
    """People as they are, as a file would name them."""
    teams = tuple(team for team in people.teams.values() if team.closed_at_ns is None)
    return Wanted(people.organization.name, teams, tuple(people.users.values()))


def test_people_as_they_are_change_nothing() -> None:
    assert reconcile(ACME, file_of(ACME), ADA, NOW_NS) == ((), ())


def test_what_is_not_named_stays() -> None:
    after = apply(Wanted(teams=(Team("new"),)))
    assert after.users == ACME.users
    assert set(after.teams) == {*ACME.teams, "new"}


TEAM_NAMES, USER_NAMES = ("vision", "speech", "new"), ("mia", "vic", "out", "zoe", "abe", "amy")
QUOTAS = st.sampled_from((Quota(), Quota(Bound(3)), Quota(sites=("dgx",))))
USERS = st.builds(
    lambda name, title, role, teams, quota, is_active: User(
        name,
        title=title,
        role=role,
        teams=tuple(sorted(teams.items())),
        quota=quota,
        deactivated_at_ns=None if is_active else 0,
    ),
    st.sampled_from(USER_NAMES),
    st.sampled_from(("", "Title")),
    st.none() | st.sampled_from(ORGANIZATION_ROLES),
    st.dictionaries(st.sampled_from(TEAM_NAMES), st.sampled_from(TEAM_ROLES), max_size=2),
    QUOTAS,
    st.booleans(),
)
WANTED = st.builds(
    Wanted,
    st.sampled_from((None, "ACME", "Ajax")),
    st.lists(
        st.builds(Team, st.sampled_from(TEAM_NAMES), st.sampled_from(("", "T")), QUOTAS),
        unique_by=lambda team: team.name,
        max_size=3,
    ).map(tuple),
    st.lists(USERS, unique_by=lambda user: user.name, max_size=4).map(tuple),
)


@settings(max_examples=300)
@given(WANTED, st.randoms(use_true_random=False))
def test_the_order_of_a_file_does_not_matter(wanted: Wanted, chance: Any) -> None:
    def outcome(one: Wanted) -> object:
        try:
            entries, found = reconcile(ACME, one, ADA, NOW_NS)
        except QuarterdeckError as refusal:
            return type(refusal)
        return ACME.with_entries(entries), set(found)

    teams, users = list(wanted.teams), list(wanted.users)
    chance.shuffle(teams)
    chance.shuffle(users)
    shuffled = replace(wanted, teams=tuple(teams), users=tuple(users))
    assert outcome(shuffled) == outcome(wanted)


@settings(max_examples=300)
@given(WANTED)
def test_applied_again_a_file_changes_nothing(wanted: Wanted) -> None:
    try:
        after = apply(wanted)
    except QuarterdeckError:
        return
    assert reconcile(after, wanted, ADA, NOW_NS + 1) == ((), ())
    for user in wanted.users:
        held = after.users[user.name]
        assert (held.role, held.teams, held.is_active) == (user.role, user.teams, user.is_active)
    assert after.owners()


def test_a_change_is_told_field_by_field() -> None:
    lea = User("lea", title="Lea L", teams=(("speech", Role.MEMBER),), quota=Quota(Bound(3)))
    _, found = reconcile(ACME, Wanted("Ajax", users=(lea,)), ADA, NOW_NS)
    assert found == (
        Difference("organization", "ACME", "change", "name", "ACME", "Ajax"),
        Difference("user", "lea", "change", "title", "", "Lea L"),
        Difference("user", "lea", "change", "teams", "vision: lead", "speech: member"),
        Difference("user", "lea", "change", "quota", "none", "queued_jobs 3"),
    )


def test_who_is_to_be_out_is_out_and_who_is_to_be_in_again_is_in() -> None:
    out = replace(ACME.users["mia"], deactivated_at_ns=0)
    entries, found = reconcile(ACME, Wanted(users=(out,)), ADA, NOW_NS)
    assert found == (Difference("user", "mia", "deactivate"),)
    assert entries == (replace(out, deactivated_at_ns=NOW_NS),)
    after = ACME.with_entries(entries)
    entries, found = reconcile(after, Wanted(users=(ACME.users["mia"],)), ADA, NOW_NS)
    assert found == (Difference("user", "mia", "activate"),)
    assert after.with_entries(entries) == ACME


@pytest.mark.parametrize("is_first", [True, False])
def test_the_last_owner_hands_over_and_goes_in_one_file(is_first: bool) -> None:
    goes = replace(ACME.users["ada"], role=None, deactivated_at_ns=0)
    comes = replace(ACME.users["mia"], role=Role.OWNER)
    after = apply(Wanted(users=(goes, comes) if is_first else (comes, goes)))
    assert [owner.name for owner in after.owners()] == ["mia"]


@pytest.mark.parametrize(
    "ada",
    [
        replace(ACME.users["ada"], deactivated_at_ns=0),
        replace(ACME.users["ada"], role=None),
        replace(ACME.users["ada"], role=Role.ADMIN, deactivated_at_ns=0),
    ],
)
def test_a_file_leaves_no_organization_without_an_owner(ada: User) -> None:
    with pytest.raises(Conflict, match="only owner"):
        apply(Wanted(users=(ada,)))
    new_but_out = User("amy", role=Role.OWNER, deactivated_at_ns=0)
    with pytest.raises(Conflict, match="only owner"):
        apply(Wanted(users=(new_but_out, ada)))


def test_a_team_that_is_not_there_is_refused_unless_the_file_makes_it() -> None:
    zoe = User("zoe", teams=(("new", Role.LEAD),))
    with pytest.raises(NotFound, match="there is no team 'new'"):
        apply(Wanted(users=(zoe,)))
    assert apply(Wanted(teams=(Team("new"),), users=(zoe,))).users["zoe"].teams == zoe.teams
    mia = replace(ACME.users["mia"], teams=(("nowhere", Role.MEMBER),))
    with pytest.raises(NotFound, match="nowhere"):
        apply(Wanted(users=(mia,)))


def test_a_file_that_names_somebody_twice_is_refused() -> None:
    twice = (User("zoe", title="one"), User("zoe", title="two"))
    with pytest.raises(Invalid, match="user zoe is named twice"):
        apply(Wanted(users=twice))
    with pytest.raises(Invalid, match="team new is named twice"):
        apply(Wanted(teams=(Team("new"), Team("new", "again"))))
    with pytest.raises(Invalid, match="several roles in one team"):
        User("zoe", teams=(("vision", Role.MEMBER), ("vision", Role.LEAD)))


def test_an_admin_gives_no_more_by_a_file_than_one_by_one() -> None:
    mia = ACME.users["mia"]
    for user in (
        replace(mia, role=Role.ADMIN),
        User("zoe", role=Role.OWNER),
        replace(ACME.users["ada"], deactivated_at_ns=0),
        replace(ACME.users["abe"], role=Role.OWNER),
    ):
        with pytest.raises(NotAllowed, match="only an owner"):
            apply(Wanted(users=(user,)), by=ABE)
    after = apply(Wanted(users=(replace(mia, role=Role.STEWARD),)), by=ABE)
    assert after.users["mia"].role is Role.STEWARD


def test_a_service_account_stays_in_its_team() -> None:
    bot = User("bot", Kind.SERVICE, teams=(("speech", Role.SERVICE),))
    with pytest.raises(Conflict, match="service account"):
        apply(Wanted(users=(bot,)))


def test_a_person_does_not_become_a_machine_by_a_file() -> None:
    as_machine = User("mia", Kind.SERVICE, teams=(("vision", Role.SERVICE),))
    with pytest.raises(Conflict, match="mia is a user"):
        apply(Wanted(users=(as_machine,)))
    with pytest.raises(Conflict, match="bot is a service"):
        apply(Wanted(users=(User("bot"),)))
