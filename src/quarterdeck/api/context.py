"""What the API works with, made by wiring and the same for every request."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from quarterdeck.api.limits import DoorLimits
from quarterdeck.api.threads import Threads
from quarterdeck.control.claim import Claim
from quarterdeck.control.signal import Signal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from quarterdeck.control.plane import ControlPlane
    from quarterdeck.control.retention import Sweeper
    from quarterdeck.control.roster import Roster
    from quarterdeck.control.rules import FollowedPolicy
    from quarterdeck.control.webhooks import Webhooks
    from quarterdeck.ports.audit import AuditLog
    from quarterdeck.ports.identity import Identity
    from quarterdeck.ports.metrics import SiteMetrics
    from quarterdeck.ports.site import SiteFiles, SiteState


class Closing(threading.Event):
    """Set once, from any thread, when the server goes down: streams and long polls then end.

    A web server waits for open answers before it ends, and an event stream is never done by
    itself; so whoever tells the web server to end sets this first.
    """

    def __init__(self) -> None:
        super().__init__()
        self._signal = Signal()

    def set(self) -> None:
        """From now on the server goes down. Said twice is said once."""
        super().set()
        self._signal.ring()

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call the listener when it is set; the answer ends that."""
        return self._signal.subscribe(listener)


@dataclass(frozen=True, slots=True)
class ApiContext:
    """The control plane and what surrounds it.

    `files` holds each site's logs and results by the site's name. `allowed_hosts` are further host
    names, without port, under which the server may be asked; loopback names always are. `shutdown`
    is told whether to cancel all jobs first; it only asks for the end and returns at once.
    `list_sites` says which sites there are and whether they answer.
    `put_pools` writes other pools to the policy file and follows them, or in a dry run only says
    what that would be.
    `is_ready` is called on the event loop, so it looks at what is in memory. `sweeper` does what
    retention says, where there is one. `audit` takes a record of every request.
    """

    plane: ControlPlane
    identity: Identity
    roster: Roster
    files: Mapping[str, SiteFiles]
    metrics: Mapping[str, SiteMetrics]
    webhooks: Webhooks
    audit: AuditLog
    version: str
    pid: int
    home_id: str
    started_at_ns: int
    shutdown: Callable[[bool], None]
    list_sites: Callable[[], list[SiteState]]
    put_pools: Callable[[str, bool], FollowedPolicy]
    is_ready: Callable[[], bool]
    allowed_hosts: frozenset[str] = frozenset()
    blob_bytes_max: int = 16 * 2**30
    sweeper: Sweeper | None = None
    closing: Closing = field(default_factory=Closing)
    claim: Claim = field(default_factory=Claim)
    limits: DoorLimits = field(default_factory=DoorLimits)
    threads: Threads = field(default_factory=Threads)
