"""Teams: make, close, limit, and who is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.control.roster import Change
from quarterdeck.core.governance import staffing
from quarterdeck.core.governance.people import Team

if TYPE_CHECKING:
    from quarterdeck.control.roster import Roster
    from quarterdeck.core.governance.limits import Quota
    from quarterdeck.core.governance.people import People
    from quarterdeck.core.governance.principal import Principal
    from quarterdeck.core.governance.roles import Role


def create_team(
    roster: Roster, name: str, title: str, quota: Quota, *, is_dry_run: bool = False
) -> Team:
    """A new team."""
    now_ns = roster.clock.now_ns()

    def work(people: People) -> tuple[Change, Team]:
        team = staffing.add_team(people, Team(name, title, quota, now_ns))
        return Change((team,)), team

    return roster.change(work, is_dry_run=is_dry_run)


def close_team(roster: Roster, name: str, *, is_dry_run: bool = False) -> Team:
    """No new jobs for the team; what it has goes on. Closing twice is closing once."""
    now_ns = roster.clock.now_ns()

    def work(people: People) -> tuple[Change, Team]:
        team = staffing.close_team(people, name, now_ns)
        return Change((team,)), team

    return roster.change(work, is_dry_run=is_dry_run)


def limit_team(roster: Roster, name: str, quota: Quota, *, is_dry_run: bool = False) -> Team:
    """These limits in place of the team's."""

    def work(people: People) -> tuple[Change, Team]:
        team = staffing.limit_team(people, name, quota)
        return Change((team,)), team

    return roster.change(work, is_dry_run=is_dry_run)


def staff_team(
    roster: Roster,
    team: str,
    user: str,
    role: Role | None,
    by: Principal,
    *,
    is_dry_run: bool = False,
) -> None:
    """Give somebody a role in the team; None takes it away."""

    def work(people: People) -> tuple[Change, None]:
        changed = staffing.staff(people, team, user, role, by)
        return Change((changed,) if changed != people.users[user] else ()), None

    roster.change(work, is_dry_run=is_dry_run)
