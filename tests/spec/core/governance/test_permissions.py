"""Who reaches how far, against a reading of the table one thing at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarterdeck.basics.ids import JobId
from quarterdeck.core.governance import permissions
from quarterdeck.core.governance.permissions import (
    TABLE,
    Noun,
    Reach,
    Scope,
    Verb,
    is_for_all,
    is_of_teams,
)
from quarterdeck.core.governance.principal import NOTHING, Principal, extent_of
from quarterdeck.core.governance.roles import ORGANIZATION_ROLES, TEAM_ROLES, Kind, Role
from tests.spec.core.governance.acme import who

TEAMS = ("red", "blue", "green")
NAMES = ("ada", "bob")
ROWS = st.sampled_from(sorted(TABLE))
THINGS = st.tuples(st.sampled_from(TEAMS), st.sampled_from(NAMES))
SCOPES = st.lists(st.sampled_from(Scope), min_size=1, max_size=2, unique=True).map(tuple)
ONLY = st.none() | st.lists(st.sampled_from(TEAMS), max_size=2, unique=True).map(tuple)


@st.composite
def principals(draw: st.DrawFn) -> Principal:
    role = draw(st.none() | st.sampled_from(ORGANIZATION_ROLES))
    held = draw(st.dictionaries(st.sampled_from(TEAMS), st.sampled_from(TEAM_ROLES), max_size=3))
    return Principal(
        draw(st.sampled_from(NAMES)),
        roles=(Role.PERSON,) if role is None else (role, Role.PERSON),
        teams=tuple(sorted(held.items())),
        scopes=draw(SCOPES),
        only_teams=draw(ONLY),
    )


def may(asker: Principal, row: tuple[Verb, Noun], team: str, owner: str) -> bool:
    """Whether the asker may do it to one thing, cell by cell."""
    if not any(scope.allows(*row) for scope in asker.scopes):
        return False
    only = asker.only_teams
    if only is not None and team not in only:
        return False
    cells = TABLE[row]
    held: list[tuple[Role, str | None]] = [(role, None) for role in asker.roles]
    held += [(role, name) for name, role in asker.teams if only is None or name in only]
    for role, name in held:
        reach = cells.get(role)
        if reach is Reach.ORGANIZATION and (only is None or is_for_all(*row) or is_of_teams(*row)):
            return True
        if reach is Reach.TEAM and team == name:
            return True
        if reach is Reach.OWN and owner == asker.name and name in (None, team):
            return True
    return False


@settings(max_examples=1000)
@given(principals(), ROWS, THINGS)
def test_an_extent_covers_what_a_cell_says_and_nothing_else(
    asker: Principal, row: tuple[Verb, Noun], thing: tuple[str, str]
) -> None:
    assert extent_of(asker, *row).covers(*thing) == may(asker, row, *thing)


@settings(max_examples=500)
@given(principals(), ROWS, THINGS)
def test_an_empty_extent_covers_nothing(
    asker: Principal, row: tuple[Verb, Noun], thing: tuple[str, str]
) -> None:
    extent = extent_of(asker, *row)
    if extent.is_empty:
        assert not extent.covers(*thing)
        assert not extent.covers_team(thing[0])


@settings(max_examples=500)
@given(principals(), ROWS, THINGS, SCOPES, ONLY)
def test_a_narrower_token_is_good_for_nothing_that_the_wider_one_is_not(
    asker: Principal,
    row: tuple[Verb, Noun],
    thing: tuple[str, str],
    scopes: tuple[Scope, ...],
    only: tuple[str, ...] | None,
) -> None:
    whole = replace(asker, scopes=(Scope.EVERYTHING,), only_teams=None)
    narrow = extent_of(replace(asker, scopes=scopes, only_teams=only), *row)
    assert narrow.covers(*thing) <= extent_of(whole, *row).covers(*thing)
    assert narrow.covers_team(thing[0]) <= extent_of(whole, *row).covers_team(thing[0])


@settings(max_examples=500)
@given(principals(), ROWS, THINGS)
def test_what_is_covered_as_a_team_is_covered_thing_by_thing(
    asker: Principal, row: tuple[Verb, Noun], thing: tuple[str, str]
) -> None:
    team, owner = thing
    extent = extent_of(asker, *row)
    assert extent.covers_team(team) <= extent.covers(team, owner)
    visible = extent.visible_teams()
    assert extent.covers_team(team) == (visible is None or team in visible)


@pytest.mark.parametrize(("verb", "noun"), sorted(TABLE))
def test_nobody_without_a_role_may_do_anything(verb: Verb, noun: Noun) -> None:
    assert extent_of(Principal("eve"), verb, noun).is_empty


@pytest.mark.parametrize(("verb", "noun"), sorted(TABLE))
def test_a_viewer_changes_nothing(verb: Verb, noun: Noun) -> None:
    """Of what belongs to a team: tokens of their own are theirs to make."""
    extent = extent_of(who("vic"), verb, noun)
    assert verb is Verb.READ or not (extent.is_all or extent.teams or extent.own_teams)


def test_a_viewer_does_not_see_what_a_job_was_asked_with() -> None:
    assert extent_of(who("vic"), Verb.READ, Noun.REQUEST).is_empty


def test_an_operator_sees_the_queue_and_not_what_jobs_write() -> None:
    assert extent_of(who("oli"), Verb.READ, Noun.QUEUE).is_all
    assert extent_of(who("oli"), Verb.READ, Noun.OUTPUT).is_empty
    assert extent_of(who("oli"), Verb.READ, Noun.REQUEST).is_empty


def test_a_member_cancels_what_is_hers_and_a_lead_what_is_the_teams() -> None:
    row = (Verb.CANCEL, Noun.JOB)
    assert extent_of(who("mia"), *row).covers("vision", "mia")
    assert not extent_of(who("mia"), *row).covers("vision", "lea")
    assert extent_of(who("lea"), *row).covers("vision", "mia")
    assert not extent_of(who("lea"), *row).covers("speech", "lea")


@pytest.mark.parametrize(("verb", "noun"), sorted(TABLE))
def test_an_outsider_reads_only_what_is_the_same_for_everybody(verb: Verb, noun: Noun) -> None:
    extent = extent_of(who("out"), verb, noun)
    assert not extent.teams | extent.own_teams
    assert extent.is_all <= is_for_all(verb, noun)


def test_an_admin_may_not_hand_over_what_is_not_hers() -> None:
    """What else only owners may do is who becomes one: see the staffing."""
    only_owners = {row for row, cells in TABLE.items() if Role.ADMIN not in cells}
    only_owners = {row for row in only_owners if Role.OWNER in TABLE[row]}
    assert only_owners == {
        (Verb.TRANSFER, Noun.ORGANIZATION),
        (Verb.STOP, Noun.SERVER),
        (Verb.SWEEP, Noun.SERVER),
    }


def a_runner(job_id: str) -> Principal:
    return Principal("runner:x/1", kind=Kind.RUNNER, roles=(Role.RUNNER,), job_id=JobId(job_id))


def test_a_runner_reaches_its_own_job_and_no_other() -> None:
    mine, other = "j000000001", "j000000002"
    for row in ((Verb.READ, Noun.JOB), (Verb.NOTE, Noun.JOB), (Verb.READ, Noun.OUTPUT)):
        extent = extent_of(a_runner(mine), *row)
        assert extent.covers("vision", "mia", mine)
        assert not extent.covers("vision", "mia", other)
        assert not extent.covers_team("vision")


@pytest.mark.parametrize(("verb", "noun"), sorted(TABLE))
def test_a_runner_changes_nothing_but_the_note_of_its_job(verb: Verb, noun: Noun) -> None:
    if verb is not Verb.READ and (verb, noun) != (Verb.NOTE, Noun.JOB):
        assert extent_of(a_runner("j000000001"), verb, noun) == replace(NOTHING, owner="runner:x/1")


@pytest.mark.parametrize(("verb", "noun"), sorted(TABLE))
def test_an_agent_sees_its_own_site_and_what_everybody_sees(verb: Verb, noun: Noun) -> None:
    agent = Principal("agent:dgx", kind=Kind.AGENT, roles=(Role.AGENT,), site="dgx")
    extent = extent_of(agent, verb, noun)
    if (verb, noun) == (Verb.READ, Noun.NODE):
        assert (extent.site, extent.is_all) == ("dgx", False)
    else:
        assert extent.is_all <= is_for_all(verb, noun)
        assert extent.is_empty or extent.is_all


def test_a_row_that_the_table_does_not_have_is_a_bug() -> None:
    with pytest.raises(KeyError):
        extent_of(who("ada"), Verb.TRANSFER, Noun.JOB)


def test_the_version_of_the_policy_moves_with_every_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    assert permissions._digest() == permissions.POLICY_VERSION
    for row, cells in TABLE.items():
        for role in cells:
            fewer = {one: reach for one, reach in cells.items() if one is not role}
            monkeypatch.setattr(permissions, "TABLE", {**TABLE, row: fewer})
            assert permissions._digest() != permissions.POLICY_VERSION


def test_a_token_for_jobs_is_good_for_jobs_and_one_for_reading_changes_nothing() -> None:
    for verb, noun in TABLE:
        if Scope.READ.allows(verb, noun):
            assert verb is Verb.READ
        if Scope.JOBS.allows(verb, noun) and verb is not Verb.READ:
            assert noun in {Noun.JOB, Noun.PLAN, Noun.SNAPSHOT}
    assert not Scope.READ.allows(Verb.READ, Noun.AUDIT)
    assert not Scope.READ.allows(Verb.READ, Noun.REQUEST)
