"""The connected sites of a server: one for each file of its home, as these come, change and go."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.errors import QuarterdeckError, Stale, Unavailable
from quarterdeck.core.cluster.hardware import NodeState
from quarterdeck.ports.site import Report, SiteState
from quarterdeck.wiring.connected.entry import BYTES_MAX, read_entry
from quarterdeck.wiring.connected.site import ConnectedSite
from quarterdeck.wiring.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from quarterdeck.adapters.spool.credentials import Credentials
    from quarterdeck.control.plane import ControlPlane
    from quarterdeck.ports.keeping import SiteStock
    from quarterdeck.ports.metrics import SiteMetrics
    from quarterdeck.ports.site import ControlLink, SiteFiles
    from quarterdeck.wiring.embedded import EmbeddedSite

LOOK_EVERY_S: Final = 0.5
FIRST_WORD_S: Final = 3.0
"""How long a site may take to say its nodes until nothing new is placed on those that the store has
of it: as they were when somebody last heard of them, perhaps long ago."""
SUFFIX: Final = ".yaml"
log = logging.getLogger(__name__)


def list_files(folder: Path) -> list[Path]:
    """The files of connected sites in a home's folder `sites`."""
    return sorted(path for path in folder.glob(f"*{SUFFIX}") if path.is_file())


class SiteKeeper:
    """See the module. `files`, `metrics` and `stocks` are of all sites of the server, that of this
    machine included."""

    def __init__(
        self,
        folder: Path,
        home_id: str,
        plane: ControlPlane,
        link: ControlLink,
        make_credentials: Callable[[str], Credentials],
    ) -> None:
        self.files: dict[str, SiteFiles] = {}
        self.metrics: dict[str, SiteMetrics] = {}
        self.stocks: dict[str, SiteStock] = {}
        self._folder = folder
        self._home_id = home_id
        self._plane = plane
        self._link = link
        self._make_credentials = make_credentials
        self._embedded: list[EmbeddedSite] = []
        self._gone: set[str] = set()
        self._broken: dict[str, str] = {}
        self._seen: dict[str, bytes] = {}
        self._sites: dict[str, ConnectedSite] = {}
        self._unheard: dict[str, float] = {}
        """Those that have not said their nodes yet, and when they were taken up."""
        self._lock = threading.Lock()
        self._worker = Worker("sites", self.look, every_s=LOOK_EVERY_S)

    def add_embedded(self, site: EmbeddedSite) -> None:
        """The site of this machine, which comes and goes with the server."""
        self._embedded.append(site)
        self.files[site.name], self.metrics[site.name] = site.files, site.metrics
        self.stocks[site.name] = site.stock

    def list_states(self) -> list[SiteState]:
        """All sites and whether they answer, this machine first. One whose file cannot be read is
        away; if it could be before, it is as it was then."""
        states = [site.describe() for site in self._embedded]
        states += [site.describe() for site in self.list_sites()]
        known = {state.name for state in states}
        broken = sorted(self._broken.items())
        states += [SiteState(name, "?", problem=why) for name, why in broken if name not in known]
        return states

    def start(self) -> None:
        """Take up what is there, and look from now on. Afterwards no site has nodes on offer of
        which nobody has heard."""
        self._plane.wished.subscribe(self._wake)
        self.look()
        until = monotonic() + FIRST_WORD_S
        for site in self.list_sites():
            site.wait_turned(max(0.0, until - monotonic()))
        self._withhold_unheard()
        # What is in the store of sites that are not there any more must get no jobs.
        known = {site.name for site in self._embedded} | set(self._sites)
        self._gone |= {room.site for room, _ in self._plane.board.list_rooms()} - known
        self._worker.start()

    def close(self) -> None:
        """Look no more; what runs goes on."""
        self._worker.close()
        for site in self.list_sites():
            site.close()

    def list_sites(self) -> list[ConnectedSite]:
        """All of them, by name."""
        with self._lock:
            return [self._sites[name] for name in sorted(self._sites)]

    def _wake(self) -> None:
        for site in self.list_sites():
            site.wake()

    def look(self) -> None:
        """Take up files that are new or changed, and let go of sites whose files are gone."""
        found: dict[str, bytes] = {}
        for path in list_files(self._folder):
            try:
                with path.open("rb") as stream:
                    found[path.name.removesuffix(SUFFIX)] = stream.read(BYTES_MAX + 1)
            except OSError as error:
                log.warning("%s cannot be read: %s", path, error)
        for name in sorted(self._seen.keys() - found.keys()):
            self._drop(name, is_gone=True)
        for name, content in found.items():
            if self._seen.get(name) != content:
                self._take(name, content)
        for name in sorted(self._gone):
            self._withdraw(name)
        self._withhold_unheard()

    def _take(self, name: str, content: bytes) -> None:
        """A new file, or a changed one: its site begins anew, and finds what it had launched."""
        self._seen[name] = content
        try:
            entry = read_entry(content, str(self._folder / f"{name}{SUFFIX}"), name)
        except QuarterdeckError as error:
            log.warning("%s; %s", error, error.hint)
            self._broken[name] = f"{error}; {error.hint}"
            return
        self._drop(name, is_gone=False)
        self._gone.discard(name)
        self._seen[name] = content
        credentials = self._make_credentials(entry.server_url) if entry.server_url else None
        site = ConnectedSite(entry, self._folder.parent, self._home_id, self._link, credentials)
        self.files[name], self.metrics[name] = site.files, site.metrics
        self.stocks[name] = site.stock
        with self._lock:
            self._sites[name] = site
        self._unheard[name] = monotonic()
        site.start()

    def _drop(self, name: str, *, is_gone: bool) -> None:
        self._seen.pop(name, None)
        self._broken.pop(name, None)
        self._unheard.pop(name, None)
        with self._lock:
            site = self._sites.pop(name, None)
        if site is not None:
            site.close()
            if is_gone:
                self._gone.add(name)

    def _withhold_unheard(self) -> None:
        """Keep new jobs off the nodes of sites that were asked and have not said what these are."""
        for name, since in list(self._unheard.items()):
            site = self._sites[name]
            if site.is_heard:
                del self._unheard[name]
            elif site.wait_turned(0.0) or monotonic() - since >= FIRST_WORD_S:
                self._withhold(name, site.problem)

    def _withhold(self, name: str, problem: str) -> None:
        """Said until it is heard. The site's own next word replaces it."""
        known = self._plane.board.find_site(name)
        told = f"not heard of since the server started: {problem}"
        nodes = tuple(
            replace(node, state=NodeState.DRAINED, reason=told)
            if node.state is NodeState.READY
            else node
            for node in (known.nodes if known is not None else ())
        )
        try:
            if known is not None and nodes != known.nodes:
                self._link.exchange(Report(name, 0, nodes=nodes))
        except (Stale, Unavailable) as error:
            log.warning("site %s is not heard, which is not noted yet: %s", name, error)

    def _withdraw(self, name: str) -> None:
        """It is gone for good: the server has no nodes there any more. Said until it is heard."""
        try:
            self._link.exchange(Report(name, 0, nodes=()))
        except (Stale, Unavailable) as error:
            log.warning("site %s is gone, which is not noted yet: %s", name, error)
        else:
            self._gone.discard(name)
