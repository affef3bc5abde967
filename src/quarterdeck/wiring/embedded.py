"""The embedded site: the local engine, its agent, and the thread that hears the runners."""

from __future__ import annotations

import json
import logging
import os
import threading
from typing import TYPE_CHECKING

from quarterdeck.adapters.engines.local.engine import LocalEngine
from quarterdeck.adapters.engines.local.host import read_host
from quarterdeck.adapters.engines.local.practice import PretendedNodes
from quarterdeck.adapters.gauges.nvml import NvmlGauge
from quarterdeck.adapters.spool.credentials import Credentials
from quarterdeck.adapters.spool.files import SpoolFiles
from quarterdeck.adapters.spool.metrics import SpoolMetrics
from quarterdeck.adapters.spool.paths import SitePaths
from quarterdeck.adapters.spool.stock import SpoolStock
from quarterdeck.agent.agent import SiteAgent
from quarterdeck.basics.ids import JobId
from quarterdeck.control.link import PlaneLink
from quarterdeck.ports.engine import AttemptRef
from quarterdeck.ports.site import SiteState
from quarterdeck.wiring.accounts import find_site_root
from quarterdeck.wiring.site.imagine import imagine_nodes
from quarterdeck.wiring.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from quarterdeck.adapters.blobs.filesystem import FilesystemBlobs
    from quarterdeck.control.plane import ControlPlane
    from quarterdeck.core.cluster.hardware import Node
    from quarterdeck.wiring.home import Home
    from quarterdeck.wiring.settings import Settings

SITE = "local"
AGENT_EVERY_S = 1.0
INBOX_BYTES = 65536
log = logging.getLogger(__name__)


class EmbeddedSite:
    """The site of this machine. Shares the control plane's blobs and nothing else with it."""

    def __init__(
        self,
        home: Home,
        plane: ControlPlane,
        blobs: FilesystemBlobs,
        settings: Settings,
        credentials: Credentials,
    ) -> None:
        paths = SitePaths(find_site_root(settings, home), (home.root,))
        self._inbox = _Inbox(paths, self._hear)
        self._engine = LocalEngine(
            paths,
            home.home_id(),
            blobs,
            _list_nodes(settings, paths),
            credentials,
            settings.launcher,
        )
        self.files = SpoolFiles(paths)
        self.metrics = SpoolMetrics(paths)
        self.stock = SpoolStock(paths)
        self._agent = SiteAgent(SITE, self._engine, PlaneLink(plane), blobs)
        self._worker = Worker("agent", self._turn, every_s=AGENT_EVERY_S)
        self._plane = plane
        self._has_reported = threading.Event()

    name = SITE

    def describe(self) -> SiteState:
        """What people are told of it."""
        return SiteState(SITE, "local", abilities=self._engine.abilities)

    def start(self) -> None:
        """Start the launcher, listen to the runners, and take the first turn."""
        self._engine.ensure_started()
        self._plane.wished.subscribe(self._worker.wake)
        self._inbox.start()
        self._worker.start()

    def wait_reported(self, timeout_s: float) -> bool:
        """Wait for the first exchange."""
        return self._has_reported.wait(timeout_s)

    def close(self) -> None:
        """Stop looking; what runs goes on."""
        self._worker.close()
        self._inbox.close()

    def _turn(self) -> bool:
        has_more = self._agent.turn()
        self._has_reported.set()
        return has_more

    def _hear(self, refs: list[AttemptRef]) -> None:
        for ref in refs:
            self._engine.note(ref)
        self._worker.wake()


class _Inbox:
    """The FIFO into which runners and the launcher write that a spool has news."""

    def __init__(self, paths: SitePaths, hear: Callable[[list[AttemptRef]], None]) -> None:
        paths.make()
        if not paths.inbox.exists():
            os.mkfifo(paths.inbox, 0o600)
        # Open for writing too: otherwise the end of the last runner would be an end of file.
        self._handle = os.open(paths.inbox, os.O_RDWR | os.O_CLOEXEC)
        self._hear = hear
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="inbox", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._closing = True
        os.write(self._handle, b"\n")
        if self._thread.is_alive():
            self._thread.join()
        os.close(self._handle)

    def _run(self) -> None:
        rest = b""
        while not self._closing:
            *lines, rest = (rest + os.read(self._handle, INBOX_BYTES)).split(b"\n")
            self._hear([ref for ref in map(_parse, lines) if ref is not None])


def _parse(line: bytes) -> AttemptRef | None:
    """A garbled line costs nothing: the engine looks at every spool now and then anyway."""
    if not line:
        return None
    try:
        content = json.loads(line)
        return AttemptRef(JobId(content["job_id"]), int(content["attempt"]))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        log.warning("the inbox got a line that nobody understands: %r", line[:200])
        return None


def _list_nodes(settings: Settings, paths: SitePaths) -> Callable[[], tuple[Node, ...]]:
    if not settings.has_local:
        return tuple
    imagined = imagine_nodes(settings)
    if imagined is not None:
        return PretendedNodes(imagined, paths.lost_nodes)
    host = (read_host(NvmlGauge()),)
    return lambda: host
