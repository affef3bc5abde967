"""Several servers on one directory: what one changes the others see, and nothing is lost."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from quarterdeck.adapters.stores.memory_directory import MemoryDirectory
from quarterdeck.basics.errors import Conflict, NotFound, Stale, Unavailable
from quarterdeck.control.founding import found, owner_name
from quarterdeck.control.roster import HOME_TOKEN, TRIES_MAX
from quarterdeck.control.teams import create_team, staff_team
from quarterdeck.control.tokens import revoke_token
from quarterdeck.control.users import appoint_user, create_user, deactivate_user
from quarterdeck.core.governance.limits import Quota
from quarterdeck.core.governance.people import User
from quarterdeck.core.governance.roles import Role
from quarterdeck.testing.people import a_token
from tests.spec.control.office import Office

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quarterdeck.control.roster import Roster
    from quarterdeck.ports.directory import Contents, Use

NONE = Quota()


@pytest.fixture
def office() -> Office:
    return Office()


def rings_of(roster: Roster) -> list[int]:
    rings: list[int] = []
    roster.changed.subscribe(lambda: rings.append(roster.revision))
    return rings


def test_a_change_on_what_somebody_else_has_changed_is_made_again(office: Office) -> None:
    other = office.another()
    office.directory.first = lambda: create_team(other, "speech", "", NONE)
    create_team(office.roster, "robots", "", NONE)
    assert {"speech", "robots"} <= set(office.roster.people.teams)
    assert office.kept().people == office.roster.people


def test_a_change_is_judged_by_the_people_that_are_and_not_by_those_that_were(
    office: Office,
) -> None:
    other, ada = office.another(), office.who("ada")
    office.directory.first = lambda: create_user(other, User("zoe"), ada)
    with pytest.raises(Conflict, match="there is a user zoe"):
        create_user(office.roster, User("zoe", title="another Zoe"), ada)
    assert office.kept().people == office.roster.people


def test_of_two_last_owners_who_leave_at_once_one_stays(office: Office) -> None:
    ada = office.who("ada")
    appoint_user(office.roster, "abe", Role.OWNER, ada)
    other = office.another()
    office.directory.first = lambda: deactivate_user(other, "abe", ada)
    with pytest.raises(Conflict, match="only owner"):
        deactivate_user(office.roster, "ada", office.who("abe"))
    people = office.kept().people
    assert people is not None
    assert [owner.name for owner in people.owners()] == ["ada"]


def test_a_directory_that_never_stands_still_is_given_up(office: Office) -> None:
    other, names = office.another(), iter(range(100))
    office.directory.first = lambda: create_team(other, f"t{next(names)}", "", NONE)
    office.directory.is_stubborn = True
    with pytest.raises(Stale, match="faster"):
        create_team(office.roster, "mine", "", NONE)
    assert office.directory.tries >= TRIES_MAX
    office.directory.first = None
    create_team(office.roster, "mine", "", NONE)


def test_a_change_of_another_server_is_seen_after_a_refresh_and_rings(office: Office) -> None:
    other, rings = office.another(), rings_of(office.roster)
    create_team(other, "speech", "", NONE)
    assert "speech" not in office.roster.people.teams
    assert office.roster.refresh()
    assert "speech" in office.roster.people.teams
    assert rings == [office.roster.revision]
    assert not office.roster.refresh()
    assert len(rings) == 1


def test_what_a_change_saw_on_its_way_rings_also_when_it_came_to_nothing(office: Office) -> None:
    """Otherwise a stream of somebody who was deactivated elsewhere stays open."""
    other, ada = office.another(), office.who("ada")
    rings = rings_of(office.roster)
    office.directory.first = lambda: deactivate_user(other, "mia", ada)
    with pytest.raises(Conflict):
        create_user_unless_mia_is_out(office)
    assert rings
    assert not office.roster.refresh()


def create_user_unless_mia_is_out(office: Office) -> None:
    from quarterdeck.control.roster import Change
    from quarterdeck.core.governance.people import People

    def work(people: People) -> tuple[Change, None]:
        if not people.users["mia"].is_active:
            raise Conflict("mia is out")
        return Change((User("zoe"),)), None

    office.roster.change(work)


def test_who_is_deactivated_or_whose_token_is_revoked_may_not_go_on(office: Office) -> None:
    made, kept = office.token("mia"), office.token("lea")
    mia, lea = office.signed_in(made), office.signed_in(kept)
    assert office.roster.is_current(mia)
    other = office.another()
    deactivate_user(other, "mia", office.who("ada"))
    revoke_token(other, kept.token.id, office.who("ada"))
    assert office.roster.is_current(mia), "not before it is heard of"
    office.roster.refresh()
    assert not office.roster.is_current(mia)
    assert not office.roster.is_current(lea)
    assert office.sign_in.find_principal(made.secret, "127.0.0.1") is None
    assert office.sign_in.find_principal(kept.secret, "127.0.0.1") is None


def test_who_has_another_role_or_a_token_past_its_time_may_not_go_on(office: Office) -> None:
    mia = office.signed_in(office.token("mia"))
    short = office.signed_in(office.token("lea", expires_s=10.0))
    staff_team(office.roster, "vision", "mia", Role.VIEWER, office.who("lea"))
    assert not office.roster.is_current(mia)
    assert office.roster.is_current(short)
    office.clock.pass_s(10)
    assert not office.roster.is_current(short)


def test_the_token_of_the_home_goes_on_as_long_as_its_owner_is_one(office: Office) -> None:
    ada = office.who("ada")
    assert ada.token_id == HOME_TOKEN
    assert office.roster.is_current(ada)
    appoint_user(office.roster, "abe", Role.OWNER, ada)
    appoint_user(office.roster, "ada", None, office.who("abe"))
    assert not office.roster.is_current(ada)


def test_a_dry_run_checks_everything_and_keeps_nothing(office: Office) -> None:
    before, rings = office.kept(), rings_of(office.roster)
    assert create_team(office.roster, "new", "", NONE, is_dry_run=True).name == "new"
    with pytest.raises(Conflict):
        create_team(office.roster, "vision", "", NONE, is_dry_run=True)
    assert office.kept() == before
    assert (rings, office.directory.tries) == ([], 0)


def test_changes_of_many_threads_on_two_servers_are_all_kept(office: Office) -> None:
    """Each server makes its own one after the other, so each may find the other's before it."""
    rosters, each = (office.roster, office.another()), 20
    lost: list[str] = []

    def make(roster: Roster, letter: str) -> None:
        for number in range(each):
            try:
                create_team(roster, f"{letter}{number}", "", NONE)
            except Stale:
                lost.append(f"{letter}{number}")

    threads = [threading.Thread(target=make, args=(rosters[n % 2], "abcd"[n])) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    people = office.kept().people
    assert people is not None
    wanted = {f"{letter}{number}" for letter in "abcd" for number in range(each)} - set(lost)
    assert wanted <= set(people.teams)
    assert not set(lost) & set(people.teams)


def test_two_servers_that_found_a_directory_at_once_both_find_it_founded() -> None:
    class Raced(MemoryDirectory):
        """Another server founds it right after the first look."""

        is_first = True

        def load(self) -> Contents:
            contents = super().load()
            if self.is_first:
                self.is_first = False
                found(self, "bob", 1)
            return contents

    directory = Raced()
    assert found(directory, "ada", 2) == "ada"
    people = directory.load().people
    assert people is not None
    assert {owner.name for owner in people.owners()} == {"ada", "bob"}


@pytest.mark.parametrize(
    ("account", "name"),
    [("ada", "ada"), ("Ada L", "ada-l"), ("CORP\\ada", "corp-ada"), ("-x", "x"), ("", "owner"),
     ("ÄÖ", "owner"), ("a" * 99, "a" * 64)],
)  # fmt: skip
def test_an_owner_has_a_name_that_can_be_typed(account: str, name: str) -> None:
    assert owner_name(account) == name
    assert found(MemoryDirectory(), account, 1) == name


def test_when_tokens_were_used_is_kept_all_at_once_and_known_before(office: Office) -> None:
    made, other = office.token("mia"), office.token("lea")
    for _ in range(3):
        office.clock.pass_s(1)
        office.sign_in.find_principal(made.secret, "10.0.0.7")
    office.signed_in(other)
    use = office.roster.find_use(made.token)
    assert use is not None
    assert (use.source, use.at_ns) == ("10.0.0.7", office.clock.now_ns())
    assert office.directory.saved == []
    office.roster.save_uses()
    assert [set(one) for one in office.directory.saved] == [{made.token.id, other.token.id}]
    office.roster.save_uses()
    assert len(office.directory.saved) == 1
    late = office.another().find_token(made.token.id)
    assert late is not None
    assert (late.last_used_at_ns, late.last_source) == (use.at_ns, "10.0.0.7")


def test_uses_that_could_not_be_kept_are_kept_later(office: Office) -> None:
    made = office.token("mia")
    office.signed_in(made)
    keep = office.directory.note_uses

    def fail(uses: object) -> None:
        raise Unavailable("the disk is full")

    office.directory.note_uses = fail  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        office.roster.save_uses()
    office.directory.note_uses = keep  # type: ignore[method-assign]
    office.roster.save_uses()
    assert [set(one) for one in office.directory.saved] == [{made.token.id}]


def test_a_use_that_comes_while_uses_are_saved_breaks_nothing(office: Office) -> None:
    made, other = office.token("mia"), office.token("lea")
    office.signed_in(made)
    unsaved = office.roster._unsaved
    keep = office.directory.note_uses

    def meet(uses: Mapping[str, Use]) -> None:
        for _ in uses:
            # As a thread does that looked the dict up just before it was taken.
            unsaved[other.token.id] = unsaved[made.token.id]
        keep(uses)

    office.directory.note_uses = meet  # type: ignore[method-assign]
    office.roster.save_uses()


def test_a_token_of_somebody_who_is_gone_is_nobodys(office: Office) -> None:
    office.directory.change(office.directory.revision(), tokens=(a_token(1, owner="nobody"),))
    office.roster.refresh()
    token = office.roster.find_by_digest(f"{1:064x}")
    assert token is not None
    assert office.roster.find_principal(token) is None
    with pytest.raises(NotFound):
        revoke_token(office.roster, "t-none", office.who("ada"))
