"""The people file: what it says is what is sent, and what is wrong with it has a line and a key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.basics.errors import Invalid, NotAllowed
from quarterdeck.sdk.peoplefile import BYTES_MAX, read_people, write_people
from quarterdeck.wire.v1.people import (
    BoundBody,
    LimitsBody,
    PeopleFile,
    TeamEntry,
    UserEntry,
)

WHOLE = b"""\
organization: Example Lab
teams:
  vision:
    title: Vision group
    limits: {queued_jobs: 500, running_jobs: {value: 32, hard: false}, sites: [a]}
  speech:
users:
  ann: {title: Ann, teams: {vision: lead}}
  '7': {kind: service, team: vision}
  vic: {active: false}
"""


def test_a_file_is_what_it_says() -> None:
    assert read_people(WHOLE, "p.yaml").wanted == PeopleFile(
        organization="Example Lab",
        teams={
            "vision": TeamEntry(
                title="Vision group",
                limits=LimitsBody(
                    queued_jobs=BoundBody(value=500),
                    running_jobs=BoundBody(value=32, hard=False),
                    sites=["a"],
                ),
            ),
            "speech": TeamEntry(),
        },
        users={
            "ann": UserEntry(title="Ann", teams={"vision": "lead"}),
            "7": UserEntry(kind="service", team="vision"),
            "vic": UserEntry(active=False),
        },
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("users:\n  bob:\n    tems: {}\n", "3:5: there is no key users.bob.tems"),
        ("team: {}\n", "1:1: there is no key team"),
        ("users:\n  bob: {role: boss}\n", "2:9: users.bob.role is 'boss', which is not a choice"),
        ("users:\n  bob: {title: 7}\n", "2:9: users.bob.title is 7, which is not a text"),
        ("users:\n  bob: {active: 'no'}\n", "2:9: users.bob.active is 'no', which is neither"),
        ("users:\n  bob: []\n", "2:3: users.bob is [], which is not a mapping"),
        ("users: []\n", "1:1: users is [], which is not a mapping"),
        ("users:\n  bob: {}\n  bob: {}\n", "3:3: the key bob is there twice"),
        ("users:\n  bob: {teams: {v: boss}}\n", "2:17: users.bob.teams.v is 'boss', which is"),
        (
            "teams:\n  v:\n    limits: {queued_jobs: many}\n",
            "3:14: teams.v.limits.queued_jobs is 'many', which is no number",
        ),
        (
            "teams:\n  v:\n    limits:\n      queued_jobs: {valu: 3}\n",
            "4:21: there is no key teams.v.limits.queued_jobs.valu",
        ),
        ("teams:\n  v:\n    limits: {queued: 3}\n", "3:14: there is no key teams.v.limits.queued"),
        ("users: {a: &x {}}\n", "1:12: anchors and aliases"),
        ("users: [\n", "2:1: "),
        ("", "1:1: this is not one mapping"),
        ("just words", "1:1: this is not one mapping"),
        ("teams: {}\n---\nteams: {}\n", "1:1: this is not one mapping"),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_key(text: str, told: str) -> None:
    with pytest.raises(Invalid) as caught:
        read_people(text.encode(), "p.yaml")
    assert caught.value.message.startswith(f"p.yaml:{told}")
    assert caught.value.hint


def test_a_typing_error_is_guessed() -> None:
    with pytest.raises(Invalid) as caught:
        read_people(b"users: {bob: {tems: {}}}", "p.yaml")
    assert "did you mean teams?" in caught.value.hint


def test_a_file_that_is_far_too_large_is_not_parsed() -> None:
    with pytest.raises(Invalid, match="larger than"):
        read_people(b"#" * (BYTES_MAX + 1), "p.yaml")


def test_what_the_server_finds_wrong_is_placed_when_it_says_where() -> None:
    people = read_people(WHOLE, "p.yaml")
    placed = people.locate(Invalid("too long", field="users.ann.title"))
    assert placed.message == "p.yaml:8:9: too long"
    said = NotAllowed("you may not", field="role")
    assert people.locate(said) is said


def test_the_file_that_the_docs_show_is_one() -> None:
    page = (Path(__file__).parents[3] / "docs" / "people.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    wanted = read_people(block.encode(), "people.md").wanted
    assert {team for user in wanted.users.values() for team in user.teams} <= set(wanted.teams)


NAMES = st.from_regex(r"[a-z0-9][a-z0-9._@+-]{0,12}", fullmatch=True)
TITLES = st.text(st.characters(min_codepoint=32, codec="utf-8", categories=("L", "N", "P", "Zs")))
BOUNDS = st.none() | st.builds(BoundBody, value=st.integers(0, 10**9), hard=st.booleans())
LIMITS = st.builds(
    LimitsBody,
    queued_jobs=BOUNDS,
    running_jobs=BOUNDS,
    device_hours_per_month=BOUNDS,
    sites=st.none() | st.lists(NAMES, max_size=2),
    images=st.none() | st.lists(TITLES, max_size=2),
)
PEOPLE = st.builds(
    PeopleFile,
    organization=st.none() | TITLES,
    teams=st.dictionaries(NAMES, st.builds(TeamEntry, title=TITLES, limits=LIMITS), max_size=3),
    users=st.dictionaries(
        NAMES,
        st.builds(
            UserEntry,
            title=TITLES,
            role=st.sampled_from([None, "owner", "steward"]),
            teams=st.dictionaries(NAMES, st.sampled_from(["lead", "viewer"]), max_size=2),
            team=st.none() | NAMES,
            limits=LIMITS,
            active=st.booleans(),
        ),
        max_size=3,
    ),
)


@given(PEOPLE)
def test_what_is_printed_is_read_as_the_same(people: PeopleFile) -> None:
    assert read_people(write_people(people).encode(), "p.yaml").wanted == people
