"""Family 7, MLflow CVE-2024-4263: who might edit might delete, because verbs were not told apart.

`test_matrix.py` asks every verb of every route; here are the two ways around such a table.
"""

from __future__ import annotations

import pytest

from tests.security.acme import Acme
from tests.security.matrix import ROUTES, add_things, cells_of, judge

OVERRIDES = (
    (b"x-http-method-override", b"DELETE"),
    (b"x-http-method", b"DELETE"),
    (b"x-method-override", b"POST"),
)


@pytest.fixture(scope="module")
def acme() -> Acme:
    made = Acme()
    add_things(made)
    return made


@pytest.mark.parametrize(("method", "route"), sorted(key for key in ROUTES if key[0] != "GET"))
def test_who_may_only_read_changes_nothing_by_any_other_verb(
    acme: Acme, method: str, route: str
) -> None:
    asked = 0
    for cell in cells_of(acme, method, route):
        if cell.asker.label == "member for reading":
            reply = acme.ask(cell.asker.token, method, cell.path, cell.query, cell.body)
            assert judge(reply, cell.thing) in ("forbidden", "absent"), (cell, reply)
            asked += 1
    assert asked


@pytest.mark.parametrize("override", OVERRIDES)
def test_a_header_does_not_turn_reading_into_deleting(
    acme: Acme, override: tuple[bytes, bytes]
) -> None:
    asker = acme.asker("owner")
    token = acme.things["token", "mate"]
    reply = acme.ask(asker.token, "GET", f"/v1/tokens/{token}", headers=[override])
    assert reply.status == 405
    assert acme.roster is not None
    assert acme.roster.find_token(token) is not None


@pytest.mark.parametrize("query", ["_method=DELETE", "method=DELETE", "dry_run=false&dry_run=true"])
def test_a_parameter_does_not_turn_one_verb_into_another(acme: Acme, query: str) -> None:
    reply = acme.ask(
        acme.askers[1].token, "GET", f"/v1/tokens/{acme.things['token', 'mate']}", query
    )
    assert reply.status == 405
