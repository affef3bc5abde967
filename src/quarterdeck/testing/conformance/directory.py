"""What every `Directory` promises. Subclass it and give it a `directory` fixture: new, with nothing
in it, and a `reopened` one: a function that gives what another process would see of the same."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from quarterdeck.basics.errors import Conflict, Stale
from quarterdeck.core.governance.limits import Bound, Quota
from quarterdeck.core.governance.people import Organization, People, Team, User
from quarterdeck.core.governance.permissions import Scope
from quarterdeck.core.governance.roles import Kind, Role
from quarterdeck.ports.directory import Contents, Use
from quarterdeck.testing.builders import START_NS
from quarterdeck.testing.people import a_large_organization, a_token, an_invitation

if TYPE_CHECKING:
    from collections.abc import Callable

    from quarterdeck.core.governance.people import Entry
    from quarterdeck.ports.directory import Directory

WAIT_S_MAX = 30.0
ACME = Organization("ACME", START_NS)
VISION = Team("vision", "Computer vision", created_at_ns=START_NS)
ADA = User("ada", role=Role.OWNER, teams=(("vision", Role.LEAD),))
EVERY_FIELD: tuple[Entry, ...] = (
    ACME,
    Team(
        "vision",
        "Bildverarbeitung – 画像 “é”",
        Quota(Bound(0), Bound(7, is_hard=False), Bound(2**31 - 1), ("dgx-1",), ("acme/*", "")),
        START_NS,
        START_NS + 1,
    ),
    User(
        "ada.l@example.org",
        title="Ada 'Countess' \\ \"L\" %_ Ω",
        role=Role.ADMIN,
        teams=(("default", Role.VIEWER), ("vision", Role.LEAD)),
        quota=Quota(queued_jobs=Bound(3), sites=()),
        created_at_ns=2**62,
        deactivated_at_ns=START_NS,
    ),
    User("bot", Kind.SERVICE, teams=(("vision", Role.SERVICE),)),
    an_invitation(role=Role.OPERATOR, teams=(("vision", Role.MEMBER),), created_at_ns=5),
)


def founded(directory: Directory, *more: Entry) -> int:
    """An organization with a team and an owner; answers the revision."""
    return directory.change(directory.revision(), put=(ACME, VISION, ADA, *more))


def held(directory: Directory) -> Contents:
    """What is kept, with tokens in the order of their ids."""
    contents = directory.load()
    return replace(contents, tokens=tuple(sorted(contents.tokens, key=lambda one: one.id)))


class DirectoryConformance:
    """The suite."""

    def test_it_is_empty_at_first(
        self, directory: Directory, reopened: Callable[[], Directory]
    ) -> None:
        for each in (directory, reopened()):
            assert each.load() == Contents(0, None, ())
            assert each.revision() == 0

    def test_the_first_change_puts_the_organization(self, directory: Directory) -> None:
        with pytest.raises(AssertionError, match="organization"):
            directory.change(0, put=(VISION,))
        assert directory.load() == Contents(0, None, ())
        assert directory.change(0, put=(VISION, ACME)) == 1
        assert directory.load().people == People(ACME, {"vision": VISION})

    def test_what_was_put_is_there_for_everybody_as_it_was(
        self, directory: Directory, reopened: Callable[[], Directory]
    ) -> None:
        token = a_token(
            expires_at_ns=2**62,
            scopes=(Scope.JOBS, Scope.READ),
            only_teams=("vision",),
            last_used_at_ns=START_NS,
            last_source="2001:db8::1",
        )
        assert directory.change(0, put=EVERY_FIELD, tokens=(token,)) == 1
        expected = People(ACME).with_entries(EVERY_FIELD)
        for each in (directory, reopened()):
            assert each.load() == Contents(1, expected, (token,))
            assert each.revision() == 1

    def test_a_token_for_no_team_is_not_one_for_every_team(
        self, directory: Directory, reopened: Callable[[], Directory]
    ) -> None:
        none, every = a_token(1, only_teams=()), a_token(2, only_teams=None)
        directory.change(0, put=(ACME,), tokens=(none, every))
        assert held(reopened()).tokens == (none, every)

    def test_an_entry_takes_the_place_of_the_one_before(
        self, directory: Directory, reopened: Callable[[], Directory]
    ) -> None:
        founded(directory, an_invitation(1))
        renamed, closed = replace(ACME, name="Ajax"), replace(VISION, closed_at_ns=START_NS + 9)
        gone, longer = replace(ADA, deactivated_at_ns=7), an_invitation(1, expires_at_ns=2**60)
        assert directory.change(1, put=(renamed, closed, gone, longer)) == 2
        expected = People(renamed, {"vision": closed}, {"ada": gone}, {longer.id: longer})
        assert directory.load().people == reopened().load().people == expected

    def test_a_team_a_user_and_an_invitation_may_have_one_name(
        self, directory: Directory, reopened: Callable[[], Directory]
    ) -> None:
        """Each kind has names of its own, and so has the one organization."""
        entries = (Team("x"), User("x"), an_invitation(id="x"), Organization("x"))
        directory.change(0, put=entries)
        directory.change(1, gone=("x",))
        expected = People(entries[3], {"x": entries[0]}, {"x": entries[1]})
        assert directory.load().people == reopened().load().people == expected

    def test_names_that_differ_in_case_or_accents_are_different_names(
        self, directory: Directory, reopened: Callable[[], Directory]
    ) -> None:
        teams = tuple(Team(name) for name in ("vision2", "Vision2", "VISION2", "vision-2", "0_."))
        users = tuple(User(name) for name in ("ada+x@a-b.c", "ada_x@a-b.c", "ada.x@a-b.c"))
        founded(directory, *teams, *users)
        people = reopened().load().people
        assert people is not None
        assert set(people.teams) == {"vision", *(team.name for team in teams)}
        assert set(people.users) == {"ada", *(user.name for user in users)}

    # Changes

    def test_invitations_and_tokens_are_forgotten_by_id(
        self, directory: Directory, reopened: Callable[[], Directory]
    ) -> None:
        founded(directory, an_invitation(1), an_invitation(2))
        directory.change(1, tokens=(a_token(1), a_token(2)))
        forgotten = (an_invitation(1).id, "nobody"), (a_token(2).id, "nothing")
        assert directory.change(2, gone=forgotten[0], revoked=forgotten[1]) == 3
        for each in (directory, reopened()):
            people = each.load().people
            assert people is not None
            assert set(people.invitations) == {an_invitation(2).id}
            assert each.load().tokens == (a_token(1),)

    def test_what_is_forgotten_makes_room_in_the_same_change(
        self, directory: Directory, reopened: Callable[[], Directory]
    ) -> None:
        founded(directory, an_invitation(1))
        directory.change(1, tokens=(a_token(1),))
        other, again = a_token(1, name="new"), an_invitation(1, user="other")
        directory.change(2, put=(again,), gone=(again.id,), tokens=(other,), revoked=(other.id,))
        for each in (directory, reopened()):
            people = each.load().people
            assert people is not None
            assert people.invitations == {again.id: again}
            assert each.load().tokens == (other,)

    def test_a_change_of_what_was_not_seen_is_stale_and_changes_nothing(
        self, directory: Directory
    ) -> None:
        founded(directory, an_invitation(1))
        directory.change(1, tokens=(a_token(1),))
        before = directory.load()
        for revision in (0, 1, 3):
            with pytest.raises(Stale):
                directory.change(
                    revision,
                    put=(User("eve", role=Role.OWNER),),
                    gone=(an_invitation(1).id,),
                    tokens=(a_token(2),),
                    revoked=(a_token(1).id,),
                )
        assert directory.load() == before

    @pytest.mark.parametrize("taken", [{"id": a_token(1).id}, {"secret_digest": f"{1:064x}"}])
    def test_a_taken_token_is_a_conflict_and_the_change_leaves_nothing(
        self, directory: Directory, taken: dict[str, str]
    ) -> None:
        founded(directory, an_invitation(1))
        directory.change(1, tokens=(a_token(1), a_token(2)))
        before = held(directory)
        with pytest.raises(Conflict):
            directory.change(
                2,
                put=(User("eve", role=Role.OWNER), replace(ACME, name="Eve Inc")),
                gone=(an_invitation(1).id,),
                tokens=(a_token(3), a_token(4, **taken)),
                revoked=(a_token(2).id,),
            )
        assert held(directory) == before
        assert directory.change(2, put=(User("bob"),)) == 3

    def test_of_changes_that_meet_one_wins(
        self, directory: Directory, reopened: Callable[[], Directory]
    ) -> None:
        founded(directory)
        doors = [directory, *(reopened() for _ in range(3))]
        ready = threading.Barrier(len(doors))
        won: list[str] = []
        lost: list[str] = []

        def change(name: str, door: Directory) -> None:
            ready.wait(WAIT_S_MAX)
            try:
                door.change(1, put=(User(name),), tokens=(a_token(len(name), name),))
                won.append(name)
            except Stale:
                lost.append(name)

        threads = [
            threading.Thread(target=change, args=("u" * (n + 1), door))
            for n, door in enumerate(doors)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT_S_MAX)
        assert (len(won), len(lost)) == (1, len(doors) - 1)
        contents = reopened().load()
        assert contents.people is not None
        assert set(contents.people.users) == {"ada", *won}
        assert [token.owner for token in contents.tokens] == won
        assert contents.revision == 2

    # Two of them

    def test_two_see_each_others_changes(
        self, directory: Directory, reopened: Callable[[], Directory]
    ) -> None:
        other = reopened()
        founded(directory)
        assert other.revision() == 1
        assert other.change(1, put=(User("bob"),), tokens=(a_token(1, "bob"),)) == 2
        assert directory.revision() == 2
        with pytest.raises(Stale):
            directory.change(1, put=(User("eve"),))
        assert directory.load() == other.load()
        assert directory.change(2, revoked=(a_token(1).id,)) == 3
        assert other.load().tokens == ()

    # Uses

    def test_uses_are_kept_and_the_revision_stays(
        self, directory: Directory, reopened: Callable[[], Directory]
    ) -> None:
        directory.change(0, put=(ACME,), tokens=(a_token(1), a_token(2)))
        directory.note_uses({})
        directory.note_uses({a_token(1).id: Use(START_NS, "::1"), "gone": Use(START_NS, "::1")})
        used = replace(a_token(1), last_used_at_ns=START_NS, last_source="::1")
        assert held(directory) == held(reopened())
        assert held(reopened()).tokens == (used, a_token(2))
        assert directory.revision() == 1

    def test_a_late_note_of_an_earlier_use_changes_nothing(
        self, directory: Directory, reopened: Callable[[], Directory]
    ) -> None:
        """Servers keep uses now and then, each those that it has seen itself."""
        directory.change(0, put=(ACME,), tokens=(a_token(1), a_token(2)))
        directory.note_uses({a_token(1).id: Use(START_NS + 5, "new")})
        late = Use(START_NS + 4, "old")
        reopened().note_uses({a_token(1).id: late, a_token(2).id: late})
        assert [one.last_source for one in held(directory).tokens] == ["new", "old"]

    def test_the_use_of_a_revoked_token_does_not_bring_it_back(self, directory: Directory) -> None:
        directory.change(0, put=(ACME,), tokens=(a_token(1),))
        directory.change(1, revoked=(a_token(1).id,))
        directory.note_uses({a_token(1).id: Use(START_NS, "::1")})
        assert directory.load() == Contents(2, People(ACME), ())

    # Size

    def test_a_thousand_people_in_fifty_teams_are_read_back_as_they_were(
        self, directory: Directory, reopened: Callable[[], Directory]
    ) -> None:
        entries = tuple(a_large_organization(1000, 50))
        tokens = tuple(a_token(n, f"user-{n:05}") for n in range(200))
        directory.change(0, put=entries, tokens=tokens)
        expected = Contents(1, People(ACME).with_entries(entries), tokens)
        assert expected.people is not None
        assert (len(expected.people.users), len(expected.people.teams)) == (1000, 50)
        assert held(directory) == held(reopened()) == expected
