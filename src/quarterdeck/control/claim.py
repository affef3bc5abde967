"""The first owner of a server that listens beyond its own machine.

There the home's file token is no way in, so the server writes a code where only who started it can
read it, and whoever shows that code first becomes an owner. On loopback there is no code.
"""

from __future__ import annotations

import hmac
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.errors import Invalid, NotAllowed, NotFound
from quarterdeck.control.roster import Change
from quarterdeck.control.sign_in import digest_of
from quarterdeck.control.tokens import MADE_FOR_S, Draft, make_token
from quarterdeck.core.governance.people import People, User
from quarterdeck.core.governance.roles import Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from quarterdeck.control.roster import Roster
    from quarterdeck.control.tokens import MadeToken

CODE_PREFIX: Final = "qdc_"
WRONG_MAX: Final = 20
"""After so many wrong codes the door is shut until the next start."""


@dataclass(slots=True)
class Claim:
    """The door. `code_digest` is None where there is none."""

    code_digest: str | None = None
    on_taken: Callable[[], None] = lambda: None
    wrong: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def take(self, roster: Roster, code: str, name: str | None) -> MadeToken:
        """Become an owner under that name. `NotFound` where there is nothing to claim."""
        with self._lock:
            if self.code_digest is None:
                raise NotFound(
                    "this server is not to be claimed",
                    code="nothing_to_claim",
                    hint="ask an owner for an invitation",
                )
            if not hmac.compare_digest(digest_of(code), self.code_digest):
                self.wrong += 1
                if self.wrong >= WRONG_MAX:
                    self.code_digest = None
                raise NotAllowed(
                    "the code is not good",
                    code="unknown_code",
                    field="code",
                    hint="it is in the server's home, in the file `claim`",
                )
            if name is None:
                raise Invalid("name is missing", field="name", hint="say who you will be")
            made = _become_owner(roster, name)
            self.code_digest = None
            self.on_taken()
        return made


def _become_owner(roster: Roster, name: str) -> MadeToken:
    now_ns = roster.clock.now_ns()

    def work(people: People) -> tuple[Change, MadeToken]:
        known = people.users.get(name)
        if known is not None and (known.role is not Role.OWNER or not known.is_active):
            raise NotAllowed(
                f"there is a user {name} already, who is no owner",
                code="user_exists",
                field="name",
                hint="claim the server under another name",
            )
        made = make_token(roster, Draft(name, "claim", expires_s=MADE_FOR_S), now_ns)
        put = () if known is not None else (User(name, role=Role.OWNER, created_at_ns=now_ns),)
        return Change(put, tokens=(made.token,)), made

    return roster.change(work)
