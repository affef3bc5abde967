"""Everybody may know what the scheduler follows, and few what is wrong with the file of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quarterdeck.control.rules import FollowedPolicy
from quarterdeck.control.tokens import Draft, create_token
from quarterdeck.control.users import create_user
from quarterdeck.core.governance.people import User
from quarterdeck.core.governance.permissions import Scope
from quarterdeck.core.governance.roles import Role
from quarterdeck.core.scheduling.snapshot import Order, Policy

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

    from tests.integration.api.house import House


def test_it_is_told_what_is_in_force(house: House, client: TestClient) -> None:
    policy = Policy(patience_s=60.0, order=Order.SHORTEST)
    house.plane.rules.put(FollowedPolicy(policy, "brisk", "abc", 10**18))
    told = client.get("/v1/policy").json()
    assert (told["name"], told["version"], told["order"]) == ("brisk", "abc", "shortest")
    assert (told["patience_s"], told["refused"]) == (60.0, "")
    assert told["since"].startswith("2001-09-09T01:46:40")


@pytest.mark.parametrize(
    ("user", "is_told"),
    [
        (User("bea", role=Role.OPERATOR), True),
        (User("bea", role=Role.ADMIN), True),
        (User("bea", role=Role.STEWARD), False),
        (User("bea", teams=(("default", Role.LEAD),)), False),
        (User("bea", teams=(("default", Role.MEMBER),)), False),
    ],
)
def test_what_is_wrong_with_the_file_is_told_to_who_looks_after_the_server(
    house: House, stranger: TestClient, user: User, is_told: bool
) -> None:
    roster = house.plane.roster
    assert roster is not None
    owner = roster.find_principal(
        create_token(roster, Draft("ada", "o", (Scope.EVERYTHING,))).token
    )
    assert owner is not None
    create_user(roster, user, owner)
    secret = create_token(roster, Draft("bea", "b", (Scope.EVERYTHING,))).secret
    house.plane.rules.refuse("/srv/qd/policy.yaml:1:1: there is no key ordr")
    answer = stranger.get("/v1/policy", headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 200
    assert ("ordr" in answer.json()["refused"]) == is_told
    assert answer.json()["name"] == "usual"
