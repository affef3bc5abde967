"""One connected site while a server runs: its engine, its agent and the thread that drives them."""

from __future__ import annotations

import logging
import threading
from time import monotonic, thread_time
from typing import TYPE_CHECKING, Final

from quarterdeck.adapters.spool.files import SpoolFiles
from quarterdeck.adapters.spool.metrics import SpoolMetrics
from quarterdeck.adapters.spool.stock import SpoolStock
from quarterdeck.agent.agent import SiteAgent
from quarterdeck.basics.errors import QuarterdeckError
from quarterdeck.ports.site import SiteState
from quarterdeck.wiring.connected.building import make_blobs, make_engine, make_paths
from quarterdeck.wiring.connected.mark import check_mark, close_root
from quarterdeck.wiring.worker import Worker

if TYPE_CHECKING:
    from pathlib import Path

    from quarterdeck.adapters.engines.slurm.engine import SlurmEngine
    from quarterdeck.adapters.engines.slurm.pilot_engine import PilotEngine
    from quarterdeck.adapters.spool.credentials import Credentials
    from quarterdeck.ports.site import ControlLink
    from quarterdeck.wiring.connected.entry import SiteEntry

TURN_S: Final = 0.2
"""How often the site's folder is looked at for news; nobody can wake us from another machine."""
AWAY_S: Final = 5.0
log = logging.getLogger(__name__)


class ConnectedSite:
    """See the module. `files`, `metrics` and `stock` serve what lies in its folder, also while its
    engine is away. `problem` says why it is, and is empty when all is well; `is_heard` whether it
    has said its nodes since it is here."""

    def __init__(
        self,
        entry: SiteEntry,
        home: Path,
        home_id: str,
        link: ControlLink,
        credentials: Credentials | None,
    ) -> None:
        self.entry = entry
        self._home = home
        paths = make_paths(entry)
        self.files = SpoolFiles(paths)
        self.metrics = SpoolMetrics(paths)
        self.stock = SpoolStock(paths)
        self.problem = "it has not been asked yet"
        self._home_id = home_id
        self._link = link
        self._credentials = credentials
        self.is_heard = False
        self._has_turned = threading.Event()
        self._engine: SlurmEngine | PilotEngine | None = None
        self._agent: SiteAgent | None = None
        self._worker = Worker(
            f"agent-{entry.name}",
            self._turn,
            every_s=TURN_S,
            due_in_s=lambda: AWAY_S if self._agent is None else None,
            # While Slurm is waited for, nobody here is kept from working.
            measure=thread_time,
        )

    def describe(self) -> SiteState:
        """What people are told of it."""
        entry, engine = self.entry, self._engine
        return SiteState(
            entry.name,
            entry.engine,
            entry.country,
            entry.region,
            self.problem,
            None if engine is None else engine.abilities,
        )

    def start(self) -> None:
        """Take turns from now on."""
        self._worker.start()

    def wait_turned(self, timeout_s: float) -> bool:
        """Wait until it was asked once, and has answered or not."""
        return self._has_turned.wait(timeout_s)

    def wake(self) -> None:
        """Something is wished of it."""
        self._worker.wake()

    def close(self) -> None:
        """Look no more; what runs goes on."""
        self._worker.close()
        if self._engine is not None:
            self._engine.close()

    def _turn(self) -> bool:
        try:
            return self._ask()
        finally:
            self._has_turned.set()

    def _ask(self) -> bool:
        try:
            if self._agent is None:
                self._agent = self._connect()
            has_more = self._agent.turn()
            self.is_heard = self.is_heard or self._agent.has_told_nodes
        except QuarterdeckError as error:
            self._note(f"{error}; {error.hint}" if error.hint else str(error))
            raise
        except Exception as error:
            self._note(f"{type(error).__name__}: {error} (this may be a fault of Quarterdeck)")
            raise
        self._note("" if self._engine is None else self._engine.problem)
        return has_more

    def _connect(self) -> SiteAgent:
        check_mark(self.entry, self._home_id)
        close_root(self.entry)
        blobs = make_blobs(self.entry)
        self._engine = make_engine(self.entry, self._home, self._home_id, blobs, self._credentials)
        return SiteAgent(self.entry.name, self._engine, self._link, blobs, monotonic)

    def _note(self, problem: str) -> None:
        if problem != self.problem:
            if problem:
                log.warning("site %s: %s", self.entry.name, problem)
            else:
                log.info("site %s is connected", self.entry.name)
            self.problem = problem
