"""A real receiver of webhooks on loopback, which answers as a test says."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ALL_IS_WELL = 204


@dataclass(frozen=True)
class Got:
    """One request as it came. Header names are in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def content(self) -> Any:
        return json.loads(self.body)

    @property
    def data(self) -> Any:
        return self.content["data"]


@dataclass
class Receiver:
    """`statuses` are given in turn, then all is well. While `may_answer` is not set it hangs."""

    statuses: list[int] = field(default_factory=list)
    location: str | None = None
    got: list[Got] = field(default_factory=list)
    may_answer: threading.Event = field(default_factory=threading.Event)
    url: str = ""
    before_answer: Callable[[BaseHTTPRequestHandler], None] = lambda _: None

    def __post_init__(self) -> None:
        self.may_answer.set()

    def states_of(self, job_id: str) -> list[str]:
        """What it heard of a job, doubles dropped by their id."""
        got = list(self.got)  # deliveries go on meanwhile
        first = {one.id: one.data for one in reversed(got)}
        heard = [first[name] for name in dict.fromkeys(one.id for one in got)]
        return [data["state"] for data in heard if data.get("id") == job_id]


@contextmanager
def receiving(receiver: Receiver | None = None, port: int = 0) -> Iterator[Receiver]:
    """The receiver behind a free port, or the one it had before."""
    kept = receiver or Receiver()
    server = ThreadingHTTPServer(("127.0.0.1", port), _handler_of(kept))
    server.daemon_threads = True
    kept.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield kept
    finally:
        kept.may_answer.set()
        server.shutdown()
        server.server_close()
        thread.join(10)


def _handler_of(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            with lock:
                receiver.got.append(Got(self.path, headers, body))
                status = receiver.statuses.pop(0) if receiver.statuses else ALL_IS_WELL
            receiver.may_answer.wait(60)
            try:
                receiver.before_answer(self)
                self.send_response(status)
                if receiver.location is not None:
                    self.send_header("Location", receiver.location)
                self.end_headers()
            except OSError:
                pass  # the sender has given up

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    return Handler
