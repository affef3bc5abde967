"""Who may do what: every route, method, asker and thing against the permission table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from quarterdeck.api.access import Access, check_all_guarded, routes_of, rows_of
from quarterdeck.core.governance.permissions import TABLE, Noun, Verb
from quarterdeck.core.governance.principal import Extent
from quarterdeck.core.governance.roles import Role
from tests.security.acme import Acme
from tests.security.matrix import (
    METHODS,
    OPEN,
    ROUTES,
    add_things,
    cells_of,
    differences,
    held_by,
    unserved,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI, Request

PATHS = sorted({path for _, path in ROUTES} | {path for _, path in OPEN})


@pytest.fixture(scope="module")
def acme() -> Acme:
    made = Acme()
    add_things(made)
    return made


def named(app: FastAPI) -> dict[tuple[str, str], set[tuple[Verb, Noun]]]:
    """The rows that the code's routes name."""
    return {
        (method, route.path or ""): rows_of(route)
        for route in routes_of(app)
        for method in route.methods or ()
    }


def test_every_route_is_in_the_matrix_and_names_the_row_that_is_written_there(acme: Acme) -> None:
    expected = {key: {row} for key, row in ROUTES.items()} | {key: set() for key in OPEN}
    assert named(acme.house.app) == expected


@pytest.mark.parametrize(("method", "route"), sorted(ROUTES))
def test_every_cell_is_as_the_table_says(acme: Acme, method: str, route: str) -> None:
    assert differences(acme, cells_of(acme, method, route)) == []


@pytest.mark.parametrize("route", PATHS)
def test_no_other_method_is_served_to_anybody(acme: Acme, route: str) -> None:
    assert differences(acme, unserved(acme, route)) == []


@pytest.mark.parametrize("route", PATHS)
def test_without_a_token_or_with_a_wrong_one_everything_is_401(acme: Acme, route: str) -> None:
    for method in METHODS:
        if (method, route) in OPEN:
            continue
        for token in ("", "wrong", acme.askers[0].token + "x", "qdr_e30.AAAA"):
            assert acme.ask(token, method, route.replace("{", "").replace("}", "")).status == 401


def test_the_matrix_is_not_small(acme: Acme) -> None:
    cells = sum(1 for key in ROUTES for _ in cells_of(acme, *key))
    cells += sum(1 for path in PATHS for _ in unserved(acme, path))
    assert cells > 9_000


def test_a_foreign_thing_and_none_get_the_same_answer(acme: Acme) -> None:
    """To the byte, but for the name that was asked for."""
    for method, route in ROUTES:
        absent = [one for one in cells_of(acme, method, route) if one.expected == "absent"]
        by_asker: dict[str, set[str]] = {}
        for cell in absent:
            if "{team}" in route or cell.thing.kind == "team" or "tokens/" in route:
                continue
            reply = acme.ask(cell.asker.token, method, cell.path, cell.query, cell.body)
            told = reply.body.decode().replace(cell.thing.id, "X")
            by_asker.setdefault(cell.asker.label, set()).add(told)
        assert all(len(told) == 1 for told in by_asker.values()), by_asker


EVERYBODY = {(Verb.READ, Noun.SERVER), (Verb.READ, Noun.ORGANIZATION)}
"""These rows refuse nobody, so nothing could be loosened."""


@pytest.mark.parametrize(
    ("method", "route"), sorted(key for key, row in ROUTES.items() if row not in EVERYBODY)
)
def test_a_permission_that_is_taken_off_a_route_shows(
    acme: Acme, method: str, route: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The matrix would be worth nothing if it did not: here everybody may do everything. What a
    route looks at besides may still refuse them, but not in the words of the table."""
    app = acme.house.app
    (served,) = (one for one in routes_of(app) if (one.path, one.methods) == (route, {method}))
    monkeypatch.setitem(app.dependency_overrides, _permission(served.dependant), _open_to_all(acme))
    assert differences(acme, cells_of(acme, method, route)) != []


def test_a_route_without_a_permission_ends_the_start() -> None:
    app = Acme().house.app
    check_all_guarded(app)
    app.get("/v1/left-open", response_model=None)(_left_open)
    with pytest.raises(AssertionError, match="/v1/left-open names 0 rows"):
        check_all_guarded(app)
    assert ("GET", "/v1/left-open") in named(app).keys() - (ROUTES.keys() | OPEN)


def test_the_table_has_a_route_for_each_row() -> None:
    """But for those that a route looks at besides its own."""
    besides = {
        (Verb.READ, Noun.DOCUMENT), (Verb.CREATE, Noun.USER), (Verb.DELETE, Noun.USER),
        (Verb.READ, Noun.SERVICE_TOKEN), (Verb.CREATE, Noun.SERVICE_TOKEN),
        (Verb.DELETE, Noun.SERVICE_TOKEN),
    }  # fmt: skip
    assert set(TABLE) == set(ROUTES.values()) | besides


def test_everybody_who_asks_is_told_apart(acme: Acme) -> None:
    """Each role is somebody's, and no two columns of the matrix are the same but the owners'."""
    roles = {role for one in acme.askers for role in (*one.roles, *one.teams.values())}
    assert roles == set(Role)
    columns: dict[object, list[str]] = {}
    for one in acme.askers:
        column = tuple(held_by(one, row) for row in TABLE)
        columns.setdefault(column, []).append(one.label)
    assert [labels for labels in columns.values() if len(labels) > 1] == [["home", "owner"]]


def _left_open() -> None:
    """Of a colleague in a hurry."""


def _permission(dependant: Any) -> Callable[..., Any]:
    """The function that `may` made for the route."""
    calls = [dependant.call, *(_permission(one) for one in dependant.dependencies)]
    found = [one for one in calls if getattr(one, "quarterdeck_row", None)]
    return found[0] if found else dependant.call  # type: ignore[no-any-return]


def _open_to_all(acme: Acme) -> Callable[..., Any]:
    from fastapi import Request as Asked

    async def permitted(request: Request) -> Access:
        told, everything = acme.house.app.state, Extent(is_all=True)
        who = request.state.actor
        return Access(told.context, who, Verb.READ, Noun.JOB, everything, everything, told.pretend)

    permitted.__annotations__["request"] = Asked
    return permitted
