"""Make people what a file says they should be: all of it, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.control.roster import Change
from quarterdeck.core.governance.document import reconcile
from quarterdeck.core.governance.people import User

if TYPE_CHECKING:
    from quarterdeck.control.roster import Roster
    from quarterdeck.core.governance.document import Difference, Wanted
    from quarterdeck.core.governance.people import People
    from quarterdeck.core.governance.principal import Principal


def apply_people(
    roster: Roster, wanted: Wanted, by: Principal, *, is_dry_run: bool = False
) -> tuple[Difference, ...]:
    """Answers what has changed, or in a dry run would. Applied again it changes nothing."""
    now_ns = roster.clock.now_ns()

    def work(people: People) -> tuple[Change, tuple[Difference, ...]]:
        entries, differences = reconcile(people, wanted, by, now_ns)
        shut_out = [one.name for one in entries if isinstance(one, User) and not one.is_active]
        revoked = tuple(token for name in shut_out for token in roster.tokens_of(name))
        return Change(entries, revoked=revoked), differences

    return roster.change(work, is_dry_run=is_dry_run)
