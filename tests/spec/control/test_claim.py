"""The first owner of a server that others can reach comes by a code, once."""

from __future__ import annotations

import threading

import pytest

from quarterdeck.basics.errors import Invalid, NotAllowed, NotFound, QuarterdeckError
from quarterdeck.control.claim import WRONG_MAX, Claim
from quarterdeck.control.sign_in import digest_of
from quarterdeck.control.users import deactivate_user
from quarterdeck.core.governance.roles import Role
from tests.spec.control.office import Office

CODE = "qdc_right"


@pytest.fixture
def office() -> Office:
    return Office()


@pytest.fixture
def taken() -> list[int]:
    return []


@pytest.fixture
def claim(taken: list[int]) -> Claim:
    return Claim(digest_of(CODE), lambda: taken.append(1))


def test_a_server_is_claimed_once(office: Office, claim: Claim, taken: list[int]) -> None:
    made = claim.take(office.roster, CODE, "zoe")
    assert office.signed_in(made).roles[0] is Role.OWNER
    assert taken == [1]
    with pytest.raises(NotFound, match="not to be claimed"):
        claim.take(office.roster, CODE, "yan")
    assert "yan" not in office.roster.people.users


def test_of_many_who_claim_it_at_once_one_does(office: Office, claim: Claim) -> None:
    ready, owners = threading.Barrier(20), list[str]()

    def show(number: int) -> None:
        ready.wait(30)
        try:
            owners.append(claim.take(office.roster, CODE, f"u{number}").token.owner)
        except QuarterdeckError:
            return

    threads = [threading.Thread(target=show, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(owners) == 1
    assert {one.name for one in office.roster.people.owners()} == {"ada", *owners}


def test_twenty_wrong_codes_shut_the_door_for_the_right_one_too(
    office: Office, claim: Claim, taken: list[int]
) -> None:
    for number in range(WRONG_MAX):
        with pytest.raises(NotAllowed, match="not good"):
            claim.take(office.roster, f"qdc_{number}", "eve")
    with pytest.raises(NotFound):
        claim.take(office.roster, CODE, "zoe")
    assert (WRONG_MAX, taken) == (20, [])


def test_nineteen_wrong_codes_do_not(office: Office, claim: Claim) -> None:
    for number in range(WRONG_MAX - 1):
        with pytest.raises(NotAllowed):
            claim.take(office.roster, f"qdc_{number}", "eve")
    claim.take(office.roster, CODE, "zoe")


def test_where_there_is_no_code_none_is_right(office: Office) -> None:
    for code in ("", CODE, "None"):
        with pytest.raises(NotFound, match="not to be claimed"):
            Claim().take(office.roster, code, "eve")


def test_a_code_is_not_used_up_by_a_name_that_cannot_be(
    office: Office, claim: Claim, taken: list[int]
) -> None:
    with pytest.raises(Invalid, match="name is missing"):
        claim.take(office.roster, CODE, None)
    with pytest.raises(Invalid, match="user is"):
        claim.take(office.roster, CODE, "no name")
    with pytest.raises(NotAllowed, match="there is a user mia"):
        claim.take(office.roster, CODE, "mia")
    assert taken == []
    assert claim.take(office.roster, CODE, "ada").token.owner == "ada"


def test_who_is_out_does_not_come_back_by_a_claim(office: Office, claim: Claim) -> None:
    ada = office.who("ada")
    claim_first = Claim(digest_of("other"))
    claim_first.take(office.roster, "other", "zoe")
    deactivate_user(office.roster, "zoe", ada)
    with pytest.raises(NotAllowed, match="there is a user zoe"):
        claim.take(office.roster, CODE, "zoe")
