"""What a site's agent and the control plane say to each other, and what the site serves.

One exchange carries both directions: the agent reports what it sees, the answer is what should be.
Both sides are levels, not orders: either may be repeated, lost or doubled without harm. The agent
always asks, so it works from behind a firewall; the embedded agent uses the same exchange.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Protocol

from quarterdeck.core.cluster.hardware import Node
from quarterdeck.ports.engine import Abilities, AttemptRef, LaunchOrder, Observation

if TYPE_CHECKING:
    from quarterdeck.basics.ids import JobId


@dataclass(frozen=True, slots=True)
class Report:
    """What the agent sees. `nodes` is None when nothing changed since an accepted report.

    `observations` holds at least everything whose level changed since an accepted report.
    `cursor` is the one of the last answer, or 0 for "tell me everything".
    """

    site: str
    cursor: int
    observations: tuple[Observation, ...] = ()
    nodes: tuple[Node, ...] | None = None


@dataclass(frozen=True, slots=True)
class StopOrder:
    """This attempt, of so many replicas, should not run any more."""

    ref: AttemptRef
    grace_s: float
    replicas: int


@dataclass(frozen=True, slots=True)
class Desired:
    """What should be at the site.

    `is_complete`: this is all there should be; whatever else the engine knows is to be stopped and,
    once it is gone, forgotten. Otherwise it says only what changed since the report's cursor:
    `run` and `stop` replace what was said of those attempts, `gone` need not be remembered.
    `nodes_as_of` changes whenever what is known of the site's nodes may have: when it does without
    the agent having reported nodes, an old report came late, and the agent says them again.
    """

    cursor: int
    is_complete: bool
    run: tuple[LaunchOrder, ...] = ()
    stop: tuple[StopOrder, ...] = ()
    gone: tuple[AttemptRef, ...] = ()
    nodes_as_of: int = 0


class ControlLink(Protocol):
    """The agent's way to the control plane."""

    def exchange(self, report: Report) -> Desired:
        """Report, and hear what should be. `Unavailable` when nobody answered: ask again."""
        ...

    def open_blob(self, digest: str) -> BinaryIO:
        """Bytes that a launch needs, such as a work folder's file; `NotFound` or `Unavailable`."""
        ...


@dataclass(frozen=True, slots=True)
class SiteState:
    """A site of the server: what drives it, where it stands, and whether it answers.

    `problem` says why it does not, and is empty when it does; `abilities` are not known before it
    did. `country` is the two letters of ISO 3166.
    """

    name: str
    engine: str
    country: str = ""
    region: str = ""
    problem: str = ""
    abilities: Abilities | None = None


@dataclass(frozen=True, slots=True)
class LogChunk:
    """Bytes of a replica's log from `offset`; `is_final` when nothing will ever follow them."""

    offset: int
    data: bytes
    is_final: bool


@dataclass(frozen=True, slots=True)
class LogMatches:
    """Lines of a replica's log that hold a text, of those up to `next_offset`; `is_final` when
    nothing will ever follow that."""

    data: bytes
    next_offset: int
    is_final: bool


@dataclass(frozen=True, slots=True)
class ResultFile:
    """One file that a replica left under `$QD_RESULTS`."""

    path: str
    node_rank: int
    size_bytes: int


class SiteFiles(Protocol):
    """Logs and results live at the site and are served from there."""

    def read_log(
        self, job_id: JobId, attempt: int, node_rank: int, offset: int, limit: int
    ) -> LogChunk:
        """Up to `limit` bytes from `offset`; a replica without a log has an empty one."""
        ...

    def find_log_start(
        self,
        job_id: JobId,
        attempt: int,
        node_rank: int,
        *,
        tail: int | None = None,
        since_ns: int | None = None,
    ) -> int:
        """The offset where the last `tail` lines begin, and from which on everything was written
        since then; the later one of both. What was written up to a second before may be in it."""
        ...

    def search_log(
        self,
        job_id: JobId,
        attempt: int,
        node_rank: int,
        offset: int,
        text: bytes,
        *,
        is_over: bool,
    ) -> LogMatches:
        """The lines with this text, of as much of the log as is looked through at once, which is
        bounded: go on from `next_offset` while it grows. `is_over`: the attempt has ended, so
        that a last line without a line end is a line too."""
        ...

    def list_results(self, job_id: JobId, attempt: int) -> list[ResultFile]:
        """What the attempt left, by path, then replica."""
        ...

    def open_result(self, job_id: JobId, attempt: int, node_rank: int, path: str) -> BinaryIO:
        """One file of them; `NotFound` for what is not listed, links that lead out included."""
        ...
