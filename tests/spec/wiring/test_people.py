"""What a server does about its people now and then, and who may claim it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quarterdeck.adapters.identity.signed import SignedTokens
from quarterdeck.basics.errors import NotFound
from quarterdeck.control.claim import Claim
from quarterdeck.control.tokens import Draft, create_token
from quarterdeck.wiring import people as people_module
from quarterdeck.wiring.people import SAVE_EVERY_S, PeopleOfServer
from tests.spec.control.desk import HandClock
from tests.spec.control.office import WatchedDirectory

if TYPE_CHECKING:
    from quarterdeck.wiring.home import Home


class Steady:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.at_s = 100.0

    def __call__(self) -> float:
        return self.at_s


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> Steady:
    clock = Steady()
    monkeypatch.setattr(people_module, "monotonic", clock)
    return clock


@pytest.fixture
def directory() -> WatchedDirectory:
    return WatchedDirectory()


@pytest.fixture
def people(directory: WatchedDirectory, steady: Steady) -> PeopleOfServer:
    clock = HandClock()
    signed = SignedTokens(b"k" * 32, "home", clock, lambda _job, _attempt: True)
    return PeopleOfServer(directory, clock, "token-of-the-home", signed, is_alone=False)


class PlayedHome:
    """The file with the code."""

    def __init__(self) -> None:
        self.code: str | None = "qdc_right"

    def claim_code(self) -> str:
        assert self.code is not None
        return self.code

    def drop_claim(self) -> None:
        self.code = None


def claim_of(people: PeopleOfServer, home: PlayedHome, *, is_private: bool) -> Claim:
    played: Home = home  # type: ignore[assignment]
    return people.make_claim(played, is_private=is_private)


def test_uses_of_tokens_are_saved_once_a_minute_at_most(
    people: PeopleOfServer, directory: WatchedDirectory, steady: Steady
) -> None:
    made = create_token(people.roster, Draft(people.owner, "laptop"))
    for _ in range(int(3 * SAVE_EVERY_S)):
        assert people.sign_in.find_principal(made.secret, "10.0.0.7")
        people._turn()
        steady.at_s += 1
    assert SAVE_EVERY_S == 60
    assert len(directory.saved) == 2
    people.close()
    assert len(directory.saved) == 3


def test_on_one_box_there_is_nothing_to_claim(people: PeopleOfServer) -> None:
    home = PlayedHome()
    claim = claim_of(people, home, is_private=True)
    assert home.code is None
    with pytest.raises(NotFound):
        claim.take(people.roster, "qdc_right", "eve")


def test_where_others_can_reach_it_a_server_is_claimed_once_over_all_its_starts(
    people: PeopleOfServer,
) -> None:
    home = PlayedHome()
    claim_of(people, home, is_private=False).take(people.roster, "qdc_right", "zoe")
    assert home.code is None
    later = PlayedHome()
    again = claim_of(people, later, is_private=False)
    assert later.code is None
    with pytest.raises(NotFound):
        again.take(people.roster, "qdc_right", "eve")
