"""A real control plane behind the real API; only the outside world is played."""

from __future__ import annotations

import io
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import uvicorn

from quarterdeck.adapters.audit.memory import MemoryAuditLog
from quarterdeck.adapters.blobs.memory import MemoryBlobs
from quarterdeck.adapters.identity.signed import SignedTokens
from quarterdeck.adapters.identity.token import HomeToken
from quarterdeck.adapters.notifiers.webhook import WebhookNotifier
from quarterdeck.adapters.spool.metrics import SpoolMetrics
from quarterdeck.adapters.spool.paths import SitePaths
from quarterdeck.adapters.stores.memory import MemoryStore
from quarterdeck.adapters.stores.memory_calendar import MemoryCalendar
from quarterdeck.adapters.stores.memory_directory import MemoryDirectory
from quarterdeck.adapters.stores.memory_hooks import MemoryHooks
from quarterdeck.api.app import create_app
from quarterdeck.api.context import ApiContext, Closing
from quarterdeck.api.limits import DoorLimits
from quarterdeck.basics.chance import Chance
from quarterdeck.basics.errors import NotFound
from quarterdeck.basics.ids import JobId, format_id
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.control.agenda import Agenda
from quarterdeck.control.board import Board
from quarterdeck.control.founding import found
from quarterdeck.control.plane import ControlPlane
from quarterdeck.control.reconcile import reconcile
from quarterdeck.control.roster import Roster
from quarterdeck.control.rules import FollowedPolicy
from quarterdeck.control.schedule import Scheduler
from quarterdeck.control.sign_in import SignIn
from quarterdeck.control.webhooks import Webhooks
from quarterdeck.core.cluster.hardware import Device, Node
from quarterdeck.core.jobs.events import Sighting
from quarterdeck.core.jobs.job import RankExit
from quarterdeck.core.jobs.states import ReplicaState
from quarterdeck.ports.engine import Abilities, AttemptRef, Observation
from quarterdeck.ports.site import LogChunk, LogMatches, Report, ResultFile, SiteState
from quarterdeck.wiring.policy.in_force import followed
from quarterdeck.wiring.policy.section import with_pools
from quarterdeck.wiring.system import RandomHookKeys, RandomSecrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fastapi import FastAPI

TOKEN = "t0ken-of-this-home"
START_NS = 1_700_000_000 * NS_PER_S
SITE = "local"
TRIED = DoorLimits(refusals_burst=1e6)
"""Tests of the guard are refused more often than any honest program."""


class Clock:
    """A clock that moves a millisecond whenever somebody looks."""

    def __init__(self) -> None:
        self._now_ns = START_NS
        self._lock = threading.Lock()

    def now_ns(self) -> int:
        with self._lock:
            self._now_ns += NS_PER_S // 1000
            return self._now_ns


class Ids:
    """Ids by number."""

    def __init__(self) -> None:
        self._last = 0
        self._lock = threading.Lock()

    def new_job_id(self) -> JobId:
        with self._lock:
            self._last += 1
            return JobId(format_id("j", self._last))


class Files:
    """The site's logs and results, in memory. Nobody reads a log while `is_open` is not set."""

    def __init__(self) -> None:
        self.is_open = threading.Event()
        self.is_open.set()
        self.logs: dict[tuple[str, int, int], bytes] = {}
        self.results: dict[tuple[str, int, int, str], bytes] = {}
        self.opened: list[BinaryIO] = []
        self.asked: list[tuple[int | None, int | None]] = []

    def write(self, job_id: str, data: bytes, *, attempt: int = 1, node_rank: int = 0) -> None:
        key = (job_id, attempt, node_rank)
        self.logs[key] = self.logs.get(key, b"") + data

    def read_log(
        self, job_id: JobId, attempt: int, node_rank: int, offset: int, limit: int
    ) -> LogChunk:
        assert self.is_open.wait(20)
        whole = self.logs.get((job_id, attempt, node_rank), b"")
        return LogChunk(offset, whole[offset : offset + limit], is_final=False)

    def find_log_start(
        self,
        job_id: JobId,
        attempt: int,
        node_rank: int,
        *,
        tail: int | None = None,
        since_ns: int | None = None,
    ) -> int:
        self.asked.append((tail, since_ns))
        whole = self.logs.get((job_id, attempt, node_rank), b"")
        lines = whole.splitlines(keepends=True)
        return len(whole) - sum(map(len, lines[len(lines) - min(tail or 0, len(lines)) :]))

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
        """Line by line, so that a search takes many calls."""
        line, end, _ = self.logs.get((job_id, attempt, node_rank), b"")[offset:].partition(b"\n")
        whole = line + end if end or is_over else b""
        return LogMatches(whole if text in whole else b"", offset + len(whole), is_final=False)

    def list_results(self, job_id: JobId, attempt: int) -> list[ResultFile]:
        return [
            ResultFile(path, rank, len(data))
            for (one, number, rank, path), data in sorted(self.results.items())
            if (one, number) == (job_id, attempt)
        ]

    def open_result(self, job_id: JobId, attempt: int, node_rank: int, path: str) -> BinaryIO:
        data = self.results.get((job_id, attempt, node_rank, path))
        if data is None:
            raise NotFound(f"there is no result {path}")
        file = io.BytesIO(data)
        self.opened.append(file)
        return file


@dataclass
class House:
    """The control plane, its site as a person with buttons, and the app."""

    plane: ControlPlane
    files: Files
    closing: Closing
    app: FastAPI
    webhooks: Webhooks
    audit: MemoryAuditLog
    site: SitePaths
    folder: tempfile.TemporaryDirectory[str]
    signed: SignedTokens
    shutdowns: list[bool] = field(default_factory=list)
    is_ready: bool = True
    url: str = ""

    def report_nodes(self, *, nodes: int = 2, gpus: int = 8, pretend: bool = True) -> None:
        inventory = tuple(
            Node(
                name=f"dgx-{number}",
                cpus=64,
                memory_bytes=2**40,
                devices=tuple(
                    Device(f"GPU-{number}-{index}", "A100-SXM4-80GB", 80 * 2**30)
                    for index in range(gpus)
                ),
                pretend=pretend,
            )
            for number in range(1, nodes + 1)
        )
        reconcile(self.plane, Report(SITE, 0, nodes=inventory))

    def place(self) -> int:
        return Scheduler(self.plane).turn()

    def see(self, job_id: str, state: ReplicaState, *codes: int, attempt: int = 1) -> None:
        job = self.plane.store.find_job(JobId(job_id))
        assert job is not None
        live = job.live_attempts[0]
        now_ns = self.plane.clock.now_ns()
        is_gone = state.is_gone
        sightings = tuple(
            Sighting(
                replica.node_rank,
                state,
                started_at_ns=now_ns if state is not ReplicaState.STANDING else None,
                ended_at_ns=now_ns if is_gone else None,
                exits=tuple(RankExit(rank, code=code) for rank, code in enumerate(codes)),
            )
            for replica in live.replicas
        )
        seen = Observation(AttemptRef(JobId(job_id), attempt), sightings)
        reconcile(self.plane, Report(SITE, 0, (seen,)))

    def run(self, job_id: str, *, attempt: int = 1) -> None:
        self.place()
        self.see(job_id, ReplicaState.STANDING, attempt=attempt)
        self.see(job_id, ReplicaState.STARTED, attempt=attempt)

    def end(self, job_id: str, code: int = 0, *, attempt: int = 1) -> None:
        self.see(job_id, ReplicaState.EXITED, code, attempt=attempt)


def make_house(blob_bytes_max: int = 2**20, limits: DoorLimits = TRIED) -> House:
    store = MemoryStore()
    clock, directory = Clock(), MemoryDirectory()
    owner = found(directory, "ada", clock.now_ns())
    roster = Roster(directory, clock, RandomSecrets())
    agenda = Agenda(MemoryCalendar(), RandomSecrets())
    plane = ControlPlane(
        store, clock, Ids(), MemoryBlobs(), Board(store), roster=roster, agenda=agenda
    )
    signed = SignedTokens(b"k" * 32, "h0me", clock, plane.board.has_live)
    files, closing = Files(), Closing()
    folder = tempfile.TemporaryDirectory()
    paths = SitePaths(Path(folder.name))
    shutdowns: list[bool] = []
    notifier = WebhookNotifier(plane.clock, "0.1.0", may_be_private=True)
    webhooks = Webhooks(plane, MemoryHooks(), notifier, RandomHookKeys(), Chance(1))
    audit = MemoryAuditLog(plane.clock.now_ns)

    def put_pools(text: str, is_dry_run: bool) -> FollowedPolicy:
        given = followed(with_pools(None, text), Path("policy.yaml"), plane.clock.now_ns())
        if not is_dry_run:
            plane.rules.put(given)
        return given

    context = ApiContext(
        plane=plane,
        identity=SignIn(roster, [HomeToken(TOKEN, owner), signed]),
        roster=roster,
        files={SITE: files},
        metrics={SITE: SpoolMetrics(paths)},
        webhooks=webhooks,
        audit=audit,
        version="0.1.0",
        pid=4711,
        home_id="h0me",
        started_at_ns=START_NS,
        allowed_hosts=frozenset({"deck.example.org"}),
        shutdown=shutdowns.append,
        list_sites=lambda: [SiteState("local", "local", abilities=Abilities())],
        put_pools=put_pools,
        is_ready=lambda: house.is_ready,
        blob_bytes_max=blob_bytes_max,
        limits=limits,
        closing=closing,
    )
    app = create_app(context)
    house = House(plane, files, closing, app, webhooks, audit, paths, folder, signed, shutdowns)
    house.report_nodes()
    return house


@contextmanager
def served(house: House) -> Iterator[uvicorn.Server]:
    """The app behind a real server on a free loopback port."""
    server = uvicorn.Server(
        uvicorn.Config(
            house.app, host="127.0.0.1", port=0, lifespan="off", log_level="error",
            access_log=False,
        )
    )  # fmt: skip
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    house.url = f"http://127.0.0.1:{port}"
    try:
        yield server
    finally:
        house.closing.set()
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


def wait_until(is_so: Callable[[], object], deadline_s: float = 10.0) -> None:
    """Look until it is so."""
    until_s = time.monotonic() + deadline_s
    while not is_so():
        assert time.monotonic() < until_s, "it did not come true in time"
        threading.Event().wait(0.005)
