"""People as they should be, held against people as they are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from quarterdeck.basics.errors import Conflict, Invalid
from quarterdeck.core.governance import staffing
from quarterdeck.core.governance.people import Organization, People, Team, User

if TYPE_CHECKING:
    from quarterdeck.core.governance.people import Entry
    from quarterdeck.core.governance.principal import Principal


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants people to be; what is not named stays. Times in it mean nothing, except
    that a user with `deactivated_at_ns` is to be without a way in."""

    organization: str | None = None
    teams: tuple[Team, ...] = ()
    users: tuple[User, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that changes. `field` is empty for the whole of a thing."""

    what: str
    name: str
    action: str
    field: str = ""
    before: str = ""
    after: str = ""


_TEAM_FIELDS = ("title", "quota")
_USER_FIELDS = ("title", "role", "teams", "quota")


def reconcile(
    people: People, wanted: Wanted, by: Principal, now_ns: int
) -> tuple[tuple[Entry, ...], tuple[Difference, ...]]:
    """The entries that change, and how, in words. Raises what the single changes would raise.

    One by one, each on what the one before has led to: so the last owner can hand over and go in
    one file, if the new one is named first.
    """
    _check_once("team", [team.name for team in wanted.teams])
    _check_once("user", [user.name for user in wanted.users])
    found: list[Difference] = []
    entries: list[Entry] = []
    if wanted.organization is not None and wanted.organization != people.organization.name:
        before = people.organization
        entries.append(replace(before, name=wanted.organization))
        found.append(
            Difference(
                "organization", before.name, "change", "name", before.name, wanted.organization
            )
        )
        people = people.with_entries((entries[-1],))
    for team in wanted.teams:
        changed, differences = _team(people, team, now_ns)
        people, entries, found = _take(people, entries, found, changed, differences)
    for user in sorted(wanted.users, key=lambda one: not _becomes_owner(one)):
        changed_user, differences = _user(people, user, by, now_ns)
        people, entries, found = _take(people, entries, found, changed_user, differences)
    return tuple(entries), tuple(found)


def _check_once(what: str, names: list[str]) -> None:
    """Which of two is meant nobody could say, and it would depend on their order."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise Invalid(f"{what} {name} is named twice", field=f"{what}s", hint="name it once")
        seen.add(name)


def _take(
    people: People,
    entries: list[Entry],
    found: list[Difference],
    changed: Organization | Team | User,
    differences: list[Difference],
) -> tuple[People, list[Entry], list[Difference]]:
    if not differences:
        return people, entries, found
    return people.with_entries((changed,)), [*entries, changed], [*found, *differences]


def _becomes_owner(user: User) -> bool:
    return user.role is not None and user.role.value == "owner"


def _team(people: People, wanted: Team, now_ns: int) -> tuple[Team, list[Difference]]:
    known = people.teams.get(wanted.name)
    if known is None:
        added = staffing.add_team(people, replace(wanted, created_at_ns=now_ns))
        return added, [Difference("team", wanted.name, "add", after=wanted.title)]
    changed = replace(known, title=wanted.title, quota=wanted.quota)
    return changed, _fields("team", known.name, known, changed, _TEAM_FIELDS)


def _user(
    people: People, wanted: User, by: Principal, now_ns: int
) -> tuple[User, list[Difference]]:
    known = people.users.get(wanted.name)
    if known is None:
        made = replace(
            wanted,
            created_at_ns=now_ns,
            deactivated_at_ns=None if wanted.is_active else now_ns,
        )
        added = staffing.add_user(people, made, by)
        return added, [Difference("user", wanted.name, "add", after=str(wanted.role or ""))]
    if wanted.kind is not known.kind:
        raise Conflict(
            f"{known.name} is a {known.kind.value}, and stays one",
            code="other_kind",
            field="kind",
            hint="use another name: what a name stands for is for good",
        )
    changed = replace(known, title=wanted.title, quota=wanted.quota)
    if wanted.role is not known.role:
        staffing.appoint(people, wanted.name, wanted.role, by)
        changed = replace(changed, role=wanted.role)
    if dict(wanted.teams) != dict(known.teams):
        _check_teams(people, known, wanted, by)
        changed = replace(changed, teams=tuple(sorted(wanted.teams)))
    differences = _fields("user", known.name, known, changed, _USER_FIELDS)
    if wanted.is_active != known.is_active:
        if wanted.is_active:
            staffing.activate(people, known.name, by)
            changed = replace(changed, deactivated_at_ns=None)
        else:
            staffing.deactivate(people.with_entries((changed,)), known.name, by, now_ns)
            changed = replace(changed, deactivated_at_ns=now_ns)
        action = "activate" if wanted.is_active else "deactivate"
        differences.append(Difference("user", known.name, action))
    return changed, differences


def _check_teams(people: People, known: User, wanted: User, by: Principal) -> None:
    for team in sorted({name for name, _ in (*known.teams, *wanted.teams)}):
        role = wanted.role_in(team)
        if role is not known.role_in(team):
            staffing.staff(people, team, known.name, role, by)


def _fields(
    what: str, name: str, before: Team | User, after: Team | User, names: tuple[str, ...]
) -> list[Difference]:
    return [
        Difference(what, name, "change", field, _text(old), _text(new))
        for field in names
        if (old := getattr(before, field)) != (new := getattr(after, field))
    ]


def _text(value: Any) -> str:  # noqa: ANN401 - a field of a team or a user
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ", ".join(f"{team}: {role}" for team, role in value)
    return str(value)
