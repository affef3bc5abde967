"""The people of one server: founded when need be, kept up to date, and who signs in as whom."""

from __future__ import annotations

import getpass
import os
from time import monotonic
from typing import TYPE_CHECKING, Final

from quarterdeck.adapters.identity.token import HomeToken
from quarterdeck.control.founding import found
from quarterdeck.control.roster import Roster
from quarterdeck.control.sign_in import SignIn
from quarterdeck.wiring.system import RandomSecrets
from quarterdeck.wiring.worker import Worker

if TYPE_CHECKING:
    from quarterdeck.ports.clock import Clock
    from quarterdeck.ports.directory import Directory

REFRESH_EVERY_S: Final = 2.0
"""What another server of the same store has changed is known here after that, so whoever was
deactivated there is out within five seconds."""
SAVE_EVERY_S: Final = 60.0


class PeopleOfServer:
    """See the module."""

    def __init__(self, directory: Directory, clock: Clock, home_token: str) -> None:
        self.owner = found(directory, _account(), clock.now_ns())
        self.roster = Roster(directory, clock, RandomSecrets())
        self.sign_in = SignIn(self.roster, [HomeToken(home_token, self.owner)])
        self._saved_at_s = monotonic()
        self._worker = Worker("people", self._turn, every_s=REFRESH_EVERY_S)

    def start(self) -> None:
        """Look for changes from now on."""
        self._worker.start()

    def close(self) -> None:
        """Keep when tokens were last used, then end."""
        self._worker.close()
        self.roster.save_uses()

    def _turn(self) -> None:
        self.roster.refresh()
        if monotonic() - self._saved_at_s >= SAVE_EVERY_S:
            self._saved_at_s = monotonic()
            self.roster.save_uses()


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"
