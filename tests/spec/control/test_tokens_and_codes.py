"""Tokens, invitations and people files, as the servers keep them."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from quarterdeck.basics.errors import Conflict, Invalid, NotAllowed, NotFound, QuarterdeckError
from quarterdeck.control.apply import apply_people
from quarterdeck.control.roster import Change
from quarterdeck.control.teams import close_team, staff_team
from quarterdeck.control.tokens import EXPIRES_S_MAX, TOKENS_MAX, Draft, create_token
from quarterdeck.control.users import accept, appoint_user, deactivate_user, invite, withdraw
from quarterdeck.core.governance.document import Difference, Wanted
from quarterdeck.core.governance.people import Team, User
from quarterdeck.core.governance.roles import Role
from quarterdeck.testing.people import a_token
from tests.spec.control.office import Office

ZOE = User("zoe", teams=(("vision", Role.MEMBER),))


@pytest.fixture
def office() -> Office:
    return Office()


def give(office: Office, count: int, **more: object) -> None:
    tokens = tuple(a_token(10_000 + n, "mia", **more) for n in range(count))
    office.roster.change(lambda _: (Change(tokens=tokens), None))


def test_nobody_has_more_tokens_than_can_be_looked_through(office: Office) -> None:
    give(office, TOKENS_MAX - 1)
    office.token("mia")
    with pytest.raises(Conflict, match=f"mia has {TOKENS_MAX} tokens"):
        office.token("mia")
    office.token("lea")


def test_tokens_whose_time_is_over_make_room(office: Office) -> None:
    give(office, TOKENS_MAX, expires_at_ns=office.clock.now_ns() + 10**9)
    with pytest.raises(Conflict):
        office.token("mia")
    office.clock.pass_s(1)
    made = office.token("mia")
    assert office.roster.tokens_of("mia") == (made.token.id,)
    assert [token.id for token in office.kept().tokens] == [made.token.id]


def test_only_a_digest_of_a_secret_is_kept(office: Office) -> None:
    made = office.token("mia")
    assert made.secret not in repr(office.kept())
    assert made.secret not in repr(made)


def test_a_token_ends_on_time(office: Office) -> None:
    made = office.token("mia", expires_s=60.0)
    office.clock.pass_s(59.9)
    office.signed_in(made)
    office.clock.pass_s(0.1)
    assert office.sign_in.find_principal(made.secret, "") is None


@pytest.mark.parametrize("expires_s", [0.0, 0.5, -1.0, EXPIRES_S_MAX + 1, float("nan")])
def test_a_token_is_good_for_some_time_or_until_it_is_revoked(expires_s: float) -> None:
    with pytest.raises(Invalid, match="expires"):
        Draft("mia", "laptop", expires_s=expires_s)


def test_who_is_out_gets_no_token_and_has_none(office: Office) -> None:
    office.token("mia")
    office.token("mia")
    deactivate_user(office.roster, "mia", office.who("ada"))
    assert office.kept().tokens == ()
    with pytest.raises(Conflict, match="mia is deactivated"):
        office.token("mia")
    with pytest.raises(NotFound):
        create_token(office.roster, Draft("nobody", "laptop"))


def test_an_invitation_is_good_once_however_many_show_it(office: Office) -> None:
    """On two servers at once, fifty times."""
    _, code = invite(office.roster, ZOE, 3600, office.who("lea"))
    rosters = (office.roster, office.another())
    ready = threading.Barrier(50)
    came: list[str] = []
    refused: list[str] = []

    def show(number: int) -> None:
        ready.wait(30)
        try:
            came.append(accept(rosters[number % 2], code).token.owner)
        except QuarterdeckError as error:
            refused.append(error.code)

    threads = [threading.Thread(target=show, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert came == ["zoe"]
    assert refused == ["unknown_code"] * 49
    contents = office.kept()
    assert contents.people is not None
    assert contents.people.invitations == {}
    assert [token.owner for token in contents.tokens] == ["zoe"]


def test_an_invitation_ends_on_time_and_the_next_one_sweeps_it_away(office: Office) -> None:
    _, code = invite(office.roster, ZOE, 60, office.who("lea"))
    office.clock.pass_s(60)
    with pytest.raises(NotAllowed, match="not good"):
        accept(office.roster, code)
    again, _ = invite(office.roster, ZOE, 60, office.who("lea"))
    assert set(office.roster.people.invitations) == {again.id}


def test_a_wrong_code_and_an_old_one_are_the_same_refusal(office: Office) -> None:
    made, code = invite(office.roster, ZOE, 60, office.who("lea"))
    withdraw(office.roster, made.id)
    told = set()
    for shown in (code, "qdi_guessed", "", made.code_digest):
        with pytest.raises(NotAllowed) as refused:
            accept(office.roster, shown)
        told.add((refused.value.code, refused.value.message, refused.value.hint))
    assert len(told) == 1


def test_an_invitation_is_dead_when_who_gave_it_is_out(office: Office) -> None:
    _, code = invite(office.roster, ZOE, 3600, office.who("lea"))
    deactivate_user(office.roster, "lea", office.who("ada"))
    with pytest.raises(NotAllowed, match="not good"):
        accept(office.roster, code)
    assert "zoe" not in office.roster.people.users


def test_an_invitation_is_dead_when_who_gave_it_may_not_give_that_any_more(office: Office) -> None:
    ada = office.who("ada")
    _, by_lead = invite(office.roster, ZOE, 3600, office.who("lea"))
    operator = User("yan", role=Role.OPERATOR)
    _, by_admin = invite(office.roster, operator, 3600, office.who("abe"))
    staff_team(office.roster, "vision", "lea", Role.MEMBER, ada)
    appoint_user(office.roster, "abe", None, ada)
    for code in (by_lead, by_admin):
        with pytest.raises(NotAllowed, match="not good"):
            accept(office.roster, code)
    appoint_user(office.roster, "abe", Role.ADMIN, ada)
    assert accept(office.roster, by_admin).token.owner == "yan"
    assert office.roster.people.users["yan"].role is Role.OPERATOR


def test_nobody_promises_more_than_they_may_give(office: Office) -> None:
    for by, user in (
        ("lea", User("zoe", teams=(("vision", Role.LEAD),))),
        ("lea", User("zoe", teams=(("default", Role.MEMBER),))),
        ("lea", User("zoe", role=Role.STEWARD)),
        ("abe", User("zoe", role=Role.ADMIN)),
        ("mia", ZOE),
    ):
        with pytest.raises(NotAllowed):
            invite(office.roster, user, 3600, office.who(by))
    assert office.roster.people.invitations == {}


def test_a_team_that_was_closed_meanwhile_is_left_out(office: Office) -> None:
    _, code = invite(office.roster, ZOE, 3600, office.who("lea"))
    close_team(office.roster, "vision")
    assert accept(office.roster, code).token.owner == "zoe"
    assert office.roster.people.users["zoe"].teams == ()


def test_a_name_that_was_given_meanwhile_is_not_given_again(office: Office) -> None:
    _, code = invite(office.roster, ZOE, 3600, office.who("lea"))
    _, other = invite(office.roster, ZOE, 3600, office.who("lea"))
    accept(office.roster, code)
    with pytest.raises(Conflict, match="there is a user zoe"):
        accept(office.roster, other)


def test_a_people_file_tells_the_same_in_a_dry_run_and_changes_nothing(office: Office) -> None:
    office.token("mia")
    out = replace(office.roster.people.users["mia"], deactivated_at_ns=0)
    wanted = Wanted("Ajax", (Team("speech"),), (ZOE, out))
    before = office.kept()
    told = apply_people(office.roster, wanted, office.who("ada"), is_dry_run=True)
    assert office.kept() == before
    assert Difference("user", "mia", "deactivate") in told
    assert apply_people(office.roster, wanted, office.who("ada")) == told
    assert office.kept().revision == before.revision + 1
    assert apply_people(office.roster, wanted, office.who("ada")) == ()
    assert office.kept().revision == before.revision + 1


def test_who_is_out_by_a_people_file_has_no_token_left(office: Office) -> None:
    made, kept = office.token("mia"), office.token("lea")
    out = replace(office.roster.people.users["mia"], deactivated_at_ns=0)
    apply_people(office.roster, Wanted(users=(out,)), office.who("ada"))
    assert office.sign_in.find_principal(made.secret, "") is None
    assert [token.id for token in office.kept().tokens] == [kept.token.id]


def test_a_people_file_is_applied_whole_or_not_at_all(office: Office) -> None:
    before = office.kept()
    bad = User("yan", teams=(("nowhere", Role.MEMBER),))
    with pytest.raises(NotFound, match="nowhere"):
        apply_people(office.roster, Wanted("Ajax", (), (ZOE, bad)), office.who("ada"))
    assert office.kept() == before
