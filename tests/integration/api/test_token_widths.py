"""Nobody makes a token that is good for more than the one in their hands."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from quarterdeck.control.teams import create_team
from quarterdeck.control.tokens import Draft, create_token
from quarterdeck.core.governance.limits import Quota
from quarterdeck.core.governance.permissions import TABLE, Scope
from quarterdeck.core.governance.principal import extent_of
from quarterdeck.core.governance.roles import Role

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

    from tests.integration.api.house import House

SCOPES = ((Scope.EVERYTHING,), (Scope.JOBS,), (Scope.READ,), (Scope.JOBS, Scope.READ))
ONLY: tuple[list[str] | None, ...] = (None, [], ["red"], ["red", "blue"])


@pytest.fixture
def teams(house: House) -> None:
    assert house.plane.roster is not None
    for name in ("red", "blue"):
        create_team(house.plane.roster, name, "", Quota())


@pytest.mark.usefixtures("teams")
@pytest.mark.parametrize(("scopes", "only"), list(product(SCOPES, ONLY)))
def test_what_is_made_is_never_wider(
    house: House, stranger: TestClient, scopes: tuple[Scope, ...], only: list[str] | None
) -> None:
    roster = house.plane.roster
    assert roster is not None
    draft = Draft("ada", "mine", scopes, None if only is None else tuple(only))
    held = create_token(roster, draft)
    mine = roster.find_principal(held.token)
    assert mine is not None
    made_any = False
    for wanted, teams in product(SCOPES, ONLY):
        body: dict[str, Any] = {"name": "other", "scopes": list(wanted), "teams": teams}
        bearer = {"Authorization": f"Bearer {held.secret}"}
        answer = stranger.post("/v1/tokens", json=body, headers=bearer)
        if answer.status_code != 201:
            refused = (answer.status_code, answer.json()["code"])
            # A team that the token is not good for is none.
            assert refused in {(403, "not_allowed"), (404, "unknown_team")}
            continue
        made_any = True
        token = roster.find_token(answer.json()["id"])
        assert token is not None
        other = roster.find_principal(token)
        assert other is not None
        for row, team in product(TABLE, ("red", "blue", "default")):
            wide, narrow = extent_of(mine, *row), extent_of(other, *row)
            assert narrow.covers(team, "ada") <= wide.covers(team, "ada"), row
            assert narrow.covers_team(team) <= wide.covers_team(team), row
            assert narrow.is_empty >= wide.is_empty, row
    assert made_any == (Scope.EVERYTHING in scopes)


@pytest.mark.usefixtures("teams")
def test_a_token_for_some_teams_invites_nobody_to_others_and_to_no_role(
    house: House, stranger: TestClient
) -> None:
    """An invitation is a way to another token, which would be narrowed by nothing."""
    roster = house.plane.roster
    assert roster is not None
    held = create_token(roster, Draft("ada", "red only", only_teams=("red",)))
    bearer = {"Authorization": f"Bearer {held.secret}"}
    for body in (
        {"user": "eve", "role": Role.OWNER.value},
        {"user": "eve", "role": Role.OWNER.value, "teams": {"red": "member"}},
        {"user": "eve", "teams": {"blue": "lead"}},
        {"user": "eve", "teams": {"red": "lead", "blue": "viewer"}},
        {"user": "eve"},
    ):
        answer = stranger.post("/v1/invitations", json=body, headers=bearer)
        assert answer.status_code in (403, 404), answer.text
    assert roster.people.invitations == {}
