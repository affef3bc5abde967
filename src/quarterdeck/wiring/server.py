"""Build one server from its settings, and run it until it is asked to end."""

from __future__ import annotations

import gc
import logging
import math
import os
import sys
import threading
from dataclasses import replace
from time import time_ns
from typing import TYPE_CHECKING

import uvicorn

from quarterdeck import __version__
from quarterdeck.adapters.archives.jsonl import JsonlArchive
from quarterdeck.adapters.audit.log import FileAuditLog
from quarterdeck.adapters.blobs.filesystem import FilesystemBlobs
from quarterdeck.adapters.cycles.sqlite import open_cycle_log
from quarterdeck.adapters.identity.signed import SignedTokens
from quarterdeck.adapters.locality.recent import RecentNodes
from quarterdeck.adapters.notifiers.webhook import WebhookNotifier
from quarterdeck.adapters.promises.sqlite import SqlitePromiseLog
from quarterdeck.adapters.stores.sql.store import open_store
from quarterdeck.adapters.verdicts.sqlite import SqliteVerdictLog
from quarterdeck.api.app import create_app
from quarterdeck.api.context import ApiContext, Closing
from quarterdeck.basics.chance import Chance
from quarterdeck.basics.errors import Unavailable
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.control.agenda import Agenda
from quarterdeck.control.board import Board
from quarterdeck.control.calendar import forget_old
from quarterdeck.control.cancel import cancel_all
from quarterdeck.control.cycles import CYCLES_MAX, Cycles
from quarterdeck.control.cycles import KEPT_S as CYCLES_KEPT_S
from quarterdeck.control.folding import fold_reports
from quarterdeck.control.learned import load_learned
from quarterdeck.control.link import PlaneLink
from quarterdeck.control.plane import ControlPlane
from quarterdeck.control.promises import KEPT_S as PROMISES_KEPT_S
from quarterdeck.control.promises import Promises
from quarterdeck.control.retention import Sweeper
from quarterdeck.control.rules import Rules
from quarterdeck.control.schedule import Scheduler
from quarterdeck.control.submit import drop_old_replies
from quarterdeck.control.waits import KEPT_S, Waits
from quarterdeck.control.webhooks import Webhooks
from quarterdeck.wiring.accounts import prepare_accounts
from quarterdeck.wiring.clock import SteadyClock, find_last_stamp
from quarterdeck.wiring.connected.keeper import SiteKeeper
from quarterdeck.wiring.connection import HEADER_BYTES_MAX, make_protocol
from quarterdeck.wiring.deliveries import Deliveries
from quarterdeck.wiring.disk import DiskWatch
from quarterdeck.wiring.embedded import EmbeddedSite
from quarterdeck.wiring.listener import listen
from quarterdeck.wiring.people import PeopleOfServer
from quarterdeck.wiring.policy.in_force import FILE as POLICY_FILE
from quarterdeck.wiring.policy.in_force import load_followed
from quarterdeck.wiring.policy.watch import PolicyWatch
from quarterdeck.wiring.settings import LOOPBACK_NAMES, Settings
from quarterdeck.wiring.system import RandomHookKeys, RandomIds, RandomSecrets
from quarterdeck.wiring.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from quarterdeck.wiring.home import Home

SCHEDULE_EVERY_S = 5.0
HOUSEKEEPING_EVERY_S = 3600.0
FIRST_REPORT_S_MAX = 60.0
STREAMS_END_S_MAX = 3
PROMISE_EVERY_S = 30.0
PROMISE_APART_S = 1.0
SCHEDULE_APART_S = 0.005
"""Hundreds of submits a second would wake the scheduler as often, and all but a few in vain."""
STOP_LOOK_S = 0.5
BLOB_BYTES_MAX = 64 * 2**30
SWITCH_S = 0.001
"""A thread that computes gives way after this long; with Python's 5 ms each hop of a transaction
between threads would wait for that."""
GC_ALLOCATIONS = 20_000
"""Jobs are trees without circles, which need no collector: looking for circles among thousands of
them after every 700th, as is usual, took a tenth of the time of a batch."""
log = logging.getLogger(__name__)


class Server:
    """One server on one home that is held by the caller."""

    def __init__(self, settings: Settings, home: Home) -> None:
        prepare_accounts(settings)
        policy_file = home.root / POLICY_FILE
        followed, policy_text = load_followed(policy_file, time_ns())
        self._settings = settings
        self._home = home
        self._listener = listen(settings)
        self._closing = Closing()
        self._is_ready = threading.Event()
        self._disk = DiskWatch(settings, home.root)
        blobs = FilesystemBlobs(home.root / "blobs")
        store_url = home.store_url(settings.store)
        self._store = open_store(store_url, self._disk.make_room)
        clock = SteadyClock(find_last_stamp(self._store))
        board = Board(self._store, RecentNodes())
        self._agenda = Agenda(self._store.calendar, RandomSecrets())
        self._people = PeopleOfServer(
            self._store.directory,
            clock,
            home.token(),
            SignedTokens(home.signing_key(), home.home_id(), clock, board.has_live),
            # One file has one server: the home's lock and the check of its file system see to that.
            is_alone=store_url.startswith("sqlite:"),
            refresh_more=self._agenda.refresh,
        )
        self._verdicts = SqliteVerdictLog(home.root / "verdicts.db")
        load_learned(board.learned, self._store)
        self._promise_log = SqlitePromiseLog(home.root / "promises.db")
        promises = Promises(self._promise_log)
        self._cycle_log = open_cycle_log(home.root / "cycles.db")
        now_ns, before = clock.now_ns(), board.used_before
        self._cycle_log.begin(now_ns, board.loaded_at, __version__, before)
        self._cycles = Cycles(self._cycle_log)
        self._plane = ControlPlane(
            self._store,
            clock,
            RandomIds(),
            blobs,
            board,
            disk=self._disk.disk,
            roster=self._people.roster,
            waits=Waits(self._verdicts),
            promises=promises,
            cycles=self._cycles,
            agenda=self._agenda,
            rules=Rules(replace(followed, since_ns=clock.now_ns())),
        )
        self._disk.on_room(self._plane.changed.ring)
        self._audit = FileAuditLog(
            home.root / "audit",
            clock.now_ns,
            name=f"quarterdeck.audit/{home.home_id()}",
            make_room=self._disk.make_room,
        )
        self._policy = PolicyWatch(policy_file, policy_text, self._plane.rules, clock, self._audit)
        self._site = EmbeddedSite(
            home, self._plane, blobs, settings, self._people.make_credentials(self.url)
        )
        archive = JsonlArchive(home.root / "archive")
        self._sites = SiteKeeper(
            home.site_root.parent,
            home.home_id(),
            self._plane,
            PlaneLink(self._plane),
            self._people.make_credentials_elsewhere,
        )
        self._sites.add_embedded(self._site)
        self._sweeper = Sweeper(self._plane, self._sites.stocks, archive, settings.retention)
        scheduler = Scheduler(self._plane)
        self._scheduler = Worker(
            "scheduler",
            scheduler.turn,
            every_s=SCHEDULE_EVERY_S,
            due_in_s=scheduler.due_in_s,
            apart_s=SCHEDULE_APART_S,
        )
        self._promises = Worker(
            "promises",
            lambda: promises.turn(self._plane),
            every_s=PROMISE_EVERY_S,
            apart_s=PROMISE_APART_S,
        )
        self._housekeeping = Worker(
            "housekeeping",
            self._keep_house,
            every_s=HOUSEKEEPING_EVERY_S,
        )
        self._webhooks = self._make_webhooks()
        self._deliveries = Deliveries(self._webhooks, self._plane.changed)
        self._http = _Http(self._http_config(), self._closing)

    @property
    def url(self) -> str:
        """Where it listens."""
        host, port = self._listener.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        return f"{self._settings.scheme}://{shown}:{port}"

    def run(self, on_ready: Callable[[], None]) -> None:
        """Serve until a signal or a shutdown request. Running jobs go on afterwards."""
        sys.setswitchinterval(SWITCH_S)
        gc.freeze()
        gc.set_threshold(GC_ALLOCATIONS)
        starting = threading.Thread(target=self._start, args=(on_ready,), daemon=True)
        starting.start()
        try:
            self._http.run(sockets=[self._listener])
        finally:
            self._closing.set()
            starting.join()
            for worker in (self._policy, self._scheduler, self._promises, self._housekeeping):
                worker.close()
            self._disk.close()
            self._sites.close()
            for part in (self._site, self._deliveries, self._people, self._store, self._audit):
                part.close()
            self._cycles.end(self._plane.clock.now_ns())
            self._cycle_log.close()
            self._verdicts.close()
            self._promise_log.close()

    def _start(self, on_ready: Callable[[], None]) -> None:
        """Look at what runs before anything new is started; then say that the server is ready."""
        try:
            self._sweeper.mark()
            self._disk.start()
            self._site.start()
            while not self._site.wait_reported(0.2):
                if self._closing.is_set():
                    return
            self._sites.start()
            self._plane.changed.subscribe(self._scheduler.wake)
            self._people.roster.changed.subscribe(self._scheduler.wake)
            self._agenda.changed.subscribe(self._scheduler.wake)
            self._people.start()
            self._policy.call(self._scheduler.wake)
            self._policy.start()
            self._scheduler.start()
            self._plane.changed.subscribe(self._promises.wake)
            self._promises.start()
            self._housekeeping.start()
            self._deliveries.start()
            self._home.announce(self.url, __version__, self._settings.launcher)
            self._is_ready.set()
            on_ready()
        except Exception:
            log.exception("the server could not start")
            self._http.should_exit = True

    def _make_webhooks(self) -> Webhooks:
        clock, jitter = self._plane.clock, Chance(int.from_bytes(os.urandom(8)))
        notifier = WebhookNotifier(
            clock, __version__, may_be_private=self._settings.webhooks_may_be_private
        )
        return Webhooks(self._plane, self._store.hooks, notifier, RandomHookKeys(), jitter)

    def _keep_house(self) -> bool:
        """What is due once in a while; says whether there is more of it."""
        drop_old_replies(self._plane)
        now_ns = self._plane.clock.now_ns()
        forget_old(self._agenda, now_ns)
        self._verdicts.drop(now_ns - int(KEPT_S * NS_PER_S))
        self._promise_log.drop(now_ns - int(PROMISES_KEPT_S * NS_PER_S))
        self._cycle_log.drop(now_ns - int(CYCLES_KEPT_S * NS_PER_S), CYCLES_MAX)
        has_more = fold_reports(self._plane)
        return self._sweeper.turn() or has_more

    def _shut_down(self, stop_jobs: bool) -> None:
        """End the server; with `stop_jobs` once every job has ended. Does not wait."""
        threading.Thread(target=self._end, args=(stop_jobs,), daemon=True).start()

    def _end(self, stop_jobs: bool) -> None:
        if stop_jobs:
            self._stop_all_jobs()
        self._closing.set()
        self._http.should_exit = True

    def _stop_all_jobs(self) -> None:
        """Cancel until there is none left: somebody may submit another one meanwhile."""
        settled = threading.Event()
        unsubscribe = self._plane.changed.subscribe(settled.set)
        while not self._closing.is_set():
            settled.clear()
            try:
                cancel_all(self._plane, self._people.owner)
            except Unavailable as error:
                log.warning("jobs could not be cancelled yet: %s", error)
            else:
                if not self._plane.board.list_job_ids():
                    break
            settled.wait(STOP_LOOK_S)
        unsubscribe()

    def _http_config(self) -> uvicorn.Config:
        settings = self._settings
        context = ApiContext(
            plane=self._plane,
            identity=self._people.sign_in,
            roster=self._people.roster,
            files=self._sites.files,
            metrics=self._sites.metrics,
            list_sites=self._sites.list_states,
            webhooks=self._webhooks,
            audit=self._audit,
            version=__version__,
            pid=os.getpid(),
            home_id=self._home.home_id(),
            started_at_ns=self._plane.clock.now_ns(),
            allowed_hosts=LOOPBACK_NAMES | settings.allowed_hosts | {settings.host},
            shutdown=self._shut_down,
            put_pools=self._policy.put_pools,
            is_ready=self._is_ready.is_set,
            closing=self._closing,
            blob_bytes_max=BLOB_BYTES_MAX,
            limits=settings.limits,
            sweeper=self._sweeper,
            claim=self._people.make_claim(self._home, is_private=settings.is_private),
        )
        return uvicorn.Config(
            create_app(context),
            http=make_protocol(settings.limits),
            h11_max_incomplete_event_size=HEADER_BYTES_MAX,
            timeout_keep_alive=math.ceil(settings.limits.idle_seconds),
            ws="none",
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            proxy_headers=settings.behind_proxy,
            ssl_certfile=settings.tls_cert,
            ssl_keyfile=settings.tls_key,
            timeout_graceful_shutdown=STREAMS_END_S_MAX,
        )


class _Http(uvicorn.Server):
    """Ends the streams as soon as a signal asks for the end; they would never end by themselves."""

    def __init__(self, config: uvicorn.Config, closing: Closing) -> None:
        super().__init__(config)
        self._closing = closing

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal."""
        self._closing.set()
        super().handle_exit(sig, frame)
