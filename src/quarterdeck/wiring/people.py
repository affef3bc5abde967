"""The people of one server: founded when need be, kept up to date, and who signs in as whom."""

from __future__ import annotations

import getpass
import ipaddress
import os
from time import monotonic
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from quarterdeck.adapters.identity.token import HomeToken
from quarterdeck.adapters.spool.credentials import Credentials
from quarterdeck.control.claim import Claim
from quarterdeck.control.founding import found
from quarterdeck.control.roster import Roster
from quarterdeck.control.sign_in import SignIn, digest_of
from quarterdeck.wiring.system import RandomSecrets
from quarterdeck.wiring.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from quarterdeck.adapters.identity.signed import SignedTokens
    from quarterdeck.ports.clock import Clock
    from quarterdeck.ports.directory import Directory
    from quarterdeck.ports.engine import AttemptRef
    from quarterdeck.wiring.home import Home

REFRESH_EVERY_S: Final = 2.0
"""What another server of the same store has changed is known here after that, so whoever was
deactivated there is out within five seconds."""
SAVE_EVERY_S: Final = 60.0
_LOOPBACK: Final = {4: "127.0.0.1", 6: "::1"}


class PeopleOfServer:
    """See the module. `is_alone`: no other server can have the directory, so there is nothing to
    look for. `refresh_more` is called as often, to look for what else others may have changed."""

    def __init__(
        self,
        directory: Directory,
        clock: Clock,
        home_token: str,
        signed: SignedTokens,
        *,
        is_alone: bool,
        refresh_more: Callable[[], object] = lambda: None,
    ) -> None:
        self.owner = found(directory, _account(), clock.now_ns())
        self.roster = Roster(directory, clock, RandomSecrets())
        self.signed = signed
        self.sign_in = SignIn(self.roster, [HomeToken(home_token, self.owner), signed])
        self._refresh_more = refresh_more
        self._saved_at_s = monotonic()
        self._worker = Worker(
            "people", self._turn, every_s=SAVE_EVERY_S if is_alone else REFRESH_EVERY_S
        )

    def start(self) -> None:
        """Look for changes from now on."""
        self._worker.start()

    def close(self) -> None:
        """Keep when tokens were last used, then end."""
        self._worker.close()
        self.roster.save_uses()

    def make_claim(self, home: Home, *, is_private: bool) -> Claim:
        """The door for the first owner of a server that others can reach; none on one box, nor
        once somebody owns it by a token of their own."""
        owners = {user.name for user in self.roster.people.owners()}
        is_owned = any(token.owner in owners for token in self.roster.list_tokens())
        if is_private or is_owned:
            home.drop_claim()
            return Claim()
        return Claim(digest_of(home.claim_code()), home.drop_claim)

    def make_credentials(self, url: str) -> Credentials:
        """Tokens of jobs that run on this machine: good when they are shown from where one is who
        asks the server under its own address."""
        host = urlsplit(url).hostname or ""
        address = ipaddress.ip_address(host)
        # What listens everywhere is asked over loopback, and from there.
        source = host if not address.is_unspecified else _LOOPBACK[address.version]

        return self._make_credentials(url, source)

    def make_credentials_elsewhere(self, url: str) -> Credentials:
        """Tokens of jobs that run on the nodes of a cluster, of which each has its own address."""
        return self._make_credentials(url, None)

    def _make_credentials(self, url: str, source: str | None) -> Credentials:
        def sign(ref: AttemptRef) -> str:
            return self.signed.sign_for_attempt(ref.job_id, ref.attempt, source)

        return Credentials(url, sign)

    def _turn(self) -> None:
        self.roster.refresh()
        self._refresh_more()
        if monotonic() - self._saved_at_s >= SAVE_EVERY_S:
            self._saved_at_s = monotonic()
            self.roster.save_uses()


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"
