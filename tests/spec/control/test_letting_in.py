"""Who was added without a way in gets one by an invitation; nobody else's account is entered."""

from __future__ import annotations

import pytest

from quarterdeck.adapters.stores.memory_directory import MemoryDirectory
from quarterdeck.basics.errors import Conflict, NotAllowed
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.control.founding import found
from quarterdeck.control.roster import Roster
from quarterdeck.control.teams import create_team, staff_team
from quarterdeck.control.tokens import Draft, MadeToken, create_token
from quarterdeck.control.users import (
    accept,
    activate_user,
    appoint_user,
    create_user,
    deactivate_user,
    invite,
)
from quarterdeck.core.governance.limits import UNLIMITED
from quarterdeck.core.governance.people import User
from quarterdeck.core.governance.principal import Principal
from quarterdeck.core.governance.roles import Kind, Role
from quarterdeck.testing.builders import START_NS
from quarterdeck.wiring.system import RandomSecrets

OWNER = Principal("olga", roles=(Role.OWNER,))
ADMIN = Principal("adam", roles=(Role.ADMIN,))
LEAD = Principal("lea", teams=(("vision", Role.LEAD),))
WEEK_S = 7 * 86_400.0


class Clock:
    def __init__(self) -> None:
        self.at_ns = START_NS

    def now_ns(self) -> int:
        self.at_ns += NS_PER_S
        return self.at_ns

    def monotonic_ns(self) -> int:
        return self.at_ns


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def roster(clock: Clock) -> Roster:
    directory = MemoryDirectory()
    found(directory, "olga", clock.now_ns())
    roster = Roster(directory, clock, RandomSecrets())
    create_team(roster, "vision", "", UNLIMITED)
    create_user(roster, User("adam", role=Role.ADMIN), OWNER)
    create_user(roster, User("lea", teams=(("vision", Role.LEAD),)), OWNER)
    create_user(roster, User("bob", teams=(("vision", Role.MEMBER),)), OWNER)
    return roster


def let_in(roster: Roster, name: str, by: Principal) -> MadeToken:
    _, code = invite(roster, User(name), WEEK_S, by)
    return accept(roster, code)


def test_who_was_added_by_hand_comes_in_with_the_roles_they_have(roster: Roster) -> None:
    before = roster.people.users["bob"]
    assert let_in(roster, "bob", ADMIN).token.owner == "bob"
    assert roster.people.users["bob"] == before


def test_who_was_shut_out_and_let_in_again_comes_in_by_a_new_code(roster: Roster) -> None:
    let_in(roster, "bob", ADMIN)
    deactivate_user(roster, "bob", ADMIN)
    with pytest.raises(Conflict):
        invite(roster, User("bob"), WEEK_S, ADMIN)
    activate_user(roster, "bob", ADMIN)
    assert let_in(roster, "bob", ADMIN).token.owner == "bob"


def test_whoever_has_a_token_is_entered_by_nobody_else(roster: Roster) -> None:
    let_in(roster, "bob", ADMIN)
    with pytest.raises(Conflict, match="already"):
        invite(roster, User("bob"), WEEK_S, OWNER)


def test_a_code_is_worth_nothing_once_the_person_came_in_otherwise(roster: Roster) -> None:
    _, first = invite(roster, User("bob"), WEEK_S, ADMIN)
    _, second = invite(roster, User("bob"), WEEK_S, ADMIN)
    accept(roster, first)
    with pytest.raises(Conflict):
        accept(roster, second)


def test_only_old_tokens_are_no_way_in(roster: Roster, clock: Clock) -> None:
    create_token(roster, Draft("bob", "t", expires_s=60))
    with pytest.raises(Conflict):
        invite(roster, User("bob"), WEEK_S, ADMIN)
    clock.at_ns += 61 * NS_PER_S
    assert let_in(roster, "bob", ADMIN).token.owner == "bob"


@pytest.mark.parametrize(("by", "name"), [(LEAD, "bob"), (LEAD, "adam"), (ADMIN, "olga")])
def test_nobody_lets_in_who_is_not_theirs_to_appoint(
    roster: Roster, by: Principal, name: str
) -> None:
    with pytest.raises(Conflict):
        invite(roster, User(name), WEEK_S, by)


def test_a_code_for_a_member_does_not_make_an_owner_later(roster: Roster) -> None:
    _, code = invite(roster, User("bob"), WEEK_S, ADMIN)
    appoint_user(roster, "bob", Role.OWNER, OWNER)
    with pytest.raises(Conflict):
        accept(roster, code)


def test_a_code_for_somebody_new_is_not_one_for_who_took_the_name(roster: Roster) -> None:
    _, code = invite(roster, User("zoe", teams=(("vision", Role.MEMBER),)), WEEK_S, LEAD)
    create_user(roster, User("zoe"), OWNER)
    with pytest.raises(Conflict):
        accept(roster, code)


def test_roles_are_not_given_by_the_way(roster: Roster) -> None:
    for user in (User("bob", role=Role.ADMIN), User("bob", teams=(("vision", Role.LEAD),))):
        with pytest.raises(Conflict, match="other roles"):
            invite(roster, user, WEEK_S, OWNER)
    invite(roster, User("bob", teams=(("vision", Role.MEMBER),)), WEEK_S, OWNER)


def test_a_service_account_and_the_shut_out_come_in_by_no_code(roster: Roster) -> None:
    service = User("ci", kind=Kind.SERVICE, teams=(("vision", Role.SERVICE),))
    create_user(roster, service, OWNER)
    with pytest.raises(Conflict):
        invite(roster, User("ci"), WEEK_S, OWNER)
    _, code = invite(roster, User("bob"), WEEK_S, ADMIN)
    deactivate_user(roster, "bob", ADMIN)
    with pytest.raises((Conflict, NotAllowed)):
        accept(roster, code)


def test_who_is_moved_meanwhile_comes_in_as_what_they_are_then(roster: Roster) -> None:
    _, code = invite(roster, User("bob"), WEEK_S, ADMIN)
    staff_team(roster, "vision", "bob", Role.VIEWER, OWNER)
    accept(roster, code)
    assert roster.people.users["bob"].teams == (("vision", Role.VIEWER),)


def test_somebody_added_is_of_the_day_they_were_added(roster: Roster) -> None:
    assert roster.people.users["bob"].created_at_ns > START_NS
