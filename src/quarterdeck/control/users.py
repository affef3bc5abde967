"""People and service accounts: add, appoint, limit, deactivate, invite."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.errors import Conflict, NotAllowed, NotFound
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.control.roster import Change, principal_of
from quarterdeck.control.sign_in import digest_of
from quarterdeck.control.tokens import MADE_FOR_S, Draft, make_token
from quarterdeck.core.governance import staffing
from quarterdeck.core.governance.people import Invitation, User
from quarterdeck.core.governance.roles import Kind

if TYPE_CHECKING:
    from quarterdeck.control.roster import Roster
    from quarterdeck.control.tokens import MadeToken
    from quarterdeck.core.governance.limits import Quota
    from quarterdeck.core.governance.people import People
    from quarterdeck.core.governance.principal import Principal
    from quarterdeck.core.governance.roles import Role

CODE_PREFIX: Final = "qdi_"
INVITATIONS_MAX: Final = 10_000


def create_user(roster: Roster, user: User, by: Principal, *, is_dry_run: bool = False) -> User:
    """A new person or service account."""
    now_ns = roster.clock.now_ns()

    def work(people: People) -> tuple[Change, User]:
        added = replace(staffing.add_user(people, user, by), created_at_ns=now_ns)
        return Change((added,)), added

    return roster.change(work, is_dry_run=is_dry_run)


def deactivate_user(roster: Roster, name: str, by: Principal, *, is_dry_run: bool = False) -> User:
    """No way in any more: tokens are revoked for good, and streams that are open end."""
    now_ns = roster.clock.now_ns()

    def work(people: People) -> tuple[Change, User]:
        user = staffing.deactivate(people, name, by, now_ns)
        return Change((user,), revoked=roster.tokens_of(name)), user

    return roster.change(work, is_dry_run=is_dry_run)


def activate_user(roster: Roster, name: str, by: Principal, *, is_dry_run: bool = False) -> User:
    """A way in again, by new tokens."""

    def work(people: People) -> tuple[Change, User]:
        user = staffing.activate(people, name, by)
        return Change((user,)), user

    return roster.change(work, is_dry_run=is_dry_run)


def appoint_user(
    roster: Roster, name: str, role: Role | None, by: Principal, *, is_dry_run: bool = False
) -> User:
    """This role for the organization, or none."""

    def work(people: People) -> tuple[Change, User]:
        user = staffing.appoint(people, name, role, by)
        return Change((user,)), user

    return roster.change(work, is_dry_run=is_dry_run)


def limit_user(roster: Roster, name: str, quota: Quota, *, is_dry_run: bool = False) -> User:
    """These limits in place of the user's."""

    def work(people: People) -> tuple[Change, User]:
        user = staffing.limit_user(people, name, quota)
        return Change((user,)), user

    return roster.change(work, is_dry_run=is_dry_run)


def transfer_ownership(roster: Roster, to: str, by: Principal, *, is_dry_run: bool = False) -> None:
    """The asker's ownership goes to somebody else."""

    def work(people: People) -> tuple[Change, None]:
        return Change(staffing.transfer(people, to, by)), None

    roster.change(work, is_dry_run=is_dry_run)


def invite(
    roster: Roster,
    user: User,
    expires_s: float,
    by: Principal,
    *,
    is_dry_run: bool = False,
) -> tuple[Invitation, str]:
    """A promise to whoever shows the code, once: they become this user, or come in as the one who
    is there already and has no way in. Answers the code, too."""
    now_ns = roster.clock.now_ns()
    code = roster.secrets.new_secret(CODE_PREFIX)
    drafted = Invitation(
        id=roster.secrets.new_id("i"),
        code_digest=digest_of(code),
        user=user.name,
        invited_by=by.name,
        expires_at_ns=now_ns + int(expires_s * NS_PER_S),
        role=user.role,
        teams=user.teams,
        created_at_ns=now_ns,
    )

    def work(people: People) -> tuple[Change, tuple[Invitation, str]]:
        known = people.users.get(user.name)
        invitation = drafted
        if known is None or not (staffing.may_let_in(by, known) and is_locked_out(roster, known)):
            staffing.add_user(people, user, by)
        else:
            _check_same(known, user)
            invitation = replace(drafted, role=known.role, teams=known.teams)
        gone = tuple(one.id for one in people.invitations.values() if one.expires_at_ns <= now_ns)
        if len(people.invitations) - len(gone) >= INVITATIONS_MAX:
            raise Conflict(
                f"there are {INVITATIONS_MAX} open invitations",
                code="too_many_invitations",
                hint="withdraw some: `qd invitation revoke ID`",
            )
        return Change((invitation,), gone=gone), (invitation, code)

    return roster.change(work, is_dry_run=is_dry_run)


def withdraw(roster: Roster, invitation_id: str, *, is_dry_run: bool = False) -> None:
    """The invitation's code is good for nothing any more."""

    def work(people: People) -> tuple[Change, None]:
        if invitation_id not in people.invitations:
            raise unknown_invitation(invitation_id)
        return Change(gone=(invitation_id,)), None

    roster.change(work, is_dry_run=is_dry_run)


def accept(roster: Roster, code: str) -> MadeToken:
    """Become the user of an invitation. The code is good for one time, also when two show it at
    once; a wrong, used or old one is the same refusal."""
    now_ns = roster.clock.now_ns()
    digest = digest_of(code)

    def work(people: People) -> tuple[Change, MadeToken]:
        found = next(
            (one for one in people.invitations.values() if one.code_digest == digest), None
        )
        if found is None or found.expires_at_ns <= now_ns or not _is_covered(people, found):
            raise NotAllowed(
                "the code is not good, not any more, or was used",
                code="unknown_code",
                field="code",
                hint="ask whoever invited you for another one",
            )
        known = people.users.get(found.user)
        made = make_token(roster, Draft(found.user, "invitation", expires_s=MADE_FOR_S), now_ns)
        if known is not None and _is_meant(found, known) and is_locked_out(roster, known):
            return Change(gone=(found.id,), tokens=(made.token,)), made
        if known is not None:
            raise Conflict(
                f"there is a user {found.user} already",
                code="user_exists",
                hint="ask for an invitation under another name",
            )
        user = User(
            found.user,
            kind=Kind.USER,
            role=found.role,
            teams=tuple(one for one in found.teams if _is_open(people, one[0])),
            created_at_ns=now_ns,
        )
        return Change((user,), gone=(found.id,), tokens=(made.token,)), made

    return roster.change(work)


def is_locked_out(roster: Roster, user: User) -> bool:
    """Whether it is a person who may sign in and has nothing to do so with: added by hand or by a
    file, let in again, or with old tokens only. Whoever has a token is let in by that alone, so no
    invitation is a way into somebody's account."""
    now_ns = roster.clock.now_ns()
    tokens = (roster.find_token(token) for token in roster.tokens_of(user.name))
    is_usable = any(
        token is not None and (token.expires_at_ns is None or token.expires_at_ns > now_ns)
        for token in tokens
    )
    return user.kind is Kind.USER and user.is_active and not is_usable


def _check_same(known: User, asked: User) -> None:
    """An invitation of somebody who is there gives no roles: they have theirs."""
    if asked.role not in (None, known.role) or not set(asked.teams) <= set(known.teams):
        raise Conflict(
            f"there is a user {known.name} already, with other roles",
            code="user_exists",
            field="name",
            hint="invite them without roles, and change those by `qd user role` or `qd team add`",
        )


def _is_meant(invitation: Invitation, known: User) -> bool:
    """Whether it was made for this very user, who has become no more than they were then."""
    return invitation.created_at_ns >= known.created_at_ns and invitation.role is known.role


def unknown_invitation(invitation_id: str) -> NotFound:
    """The answer for an invitation that is not there, or not for the asker's eyes."""
    return NotFound(
        f"there is no invitation {invitation_id[:80]!a}",
        code="unknown_invitation",
        field="id",
        hint="`qd invitation list` shows those that you may see",
    )


def _is_covered(people: People, invitation: Invitation) -> bool:
    """Whether who gave it is still somebody who may give all that it promises."""
    inviter = people.users.get(invitation.invited_by)
    if inviter is None or not inviter.is_active:
        return False
    by = principal_of(inviter, None)
    try:
        staffing.check_may_give(by, invitation.role)
        for team, role in invitation.teams:
            staffing.check_may_staff(by, team, role)
    except NotAllowed:
        return False
    return True


def _is_open(people: People, team: str) -> bool:
    known = people.teams.get(team)
    return known is not None and known.closed_at_ns is None
