"""A real HTTP server on loopback that says what a test wrote down, and keeps what it was asked."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

TOKEN = "t0ken"
JOB_ID = "j000000001"
OTHER_ID = "j000000002"


@dataclass(frozen=True)
class Answer:
    """One reply. `cut`: the connection breaks after the body, or before anything was said."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)
    cut: bool = False
    is_stream: bool = False


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Script:
    """Answers in order; the last one is given for ever after."""

    answers: list[Answer] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, asked: Asked) -> Answer:
        with self.lock:
            self.asked.append(asked)
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def as_json(value: Any, status: int = 200) -> Answer:
    return Answer(status, json.dumps(value).encode())


def problem(status: int, code: str, **fields: Any) -> Answer:
    retry_after = fields.pop("retry_after", None)
    body = {"type": f"/problems/{code}", "title": "", "status": status, "code": code}
    body |= {"detail": f"{code} happened", "hint": "do this", "field": ""} | fields
    headers = [("Content-Type", "application/problem+json")]
    if retry_after is not None:
        headers.append(("Retry-After", str(retry_after)))
    return Answer(status, json.dumps(body).encode(), tuple(headers))


def job(state: str = "queued", **fields: Any) -> dict[str, Any]:
    """A job as the server has it."""
    return {
        "id": JOB_ID,
        "name": "job",
        "team": "default",
        "owner": "ada",
        "state": state,
        "reason": None,
        "message": "",
        "exit_code": None,
        "priority": "normal",
        "command": ["true"],
        "env": {},
        "nodes": 1,
        "nodes_max": None,
        "ranks_per_node": 1,
        "gpus_per_node": 0,
        "cpus_per_node": 1,
        "memory_bytes_per_node": 0,
        "demand": "1 node",
        "snapshot": None,
        "pretend": False,
        "submitted_at": "2026-11-23T09:00:00.000000Z",
        "started_at": None,
        "ended_at": None,
        "placement": [],
        "attempts": [],
        "time_limit_s": None,
        "preemptible": True,
        "min_runtime_s": 0.0,
        "retries": 0,
        "retry_at": None,
        "place_as_of": None,
        "needs": [],
        "needs_unmet": [],
        "array": None,
        "tags": {},
        "roles": [],
        "image": None,
        "image_digest": None,
        "isolate": False,
        "notes": [],
        "warnings": [],
        **fields,
    }


def log_message(offset: int, text: str) -> bytes:
    after = offset + len(text)
    view = {"attempt": 1, "node_rank": 0, "offset": offset, "next_offset": after, "text": text}
    return f"id: 1:{after}\nevent: log\ndata: {json.dumps(view)}\n\n".encode()


def log_end(state: str = "succeeded", exit_code: int = 0) -> bytes:
    return f'event: end\ndata: {{"state": "{state}", "exit_code": {exit_code}}}\n\n'.encode()


def stream(body: bytes, *, cut: bool = False) -> Answer:
    return Answer(200, body, (("Content-Type", "text/event-stream"),), cut, is_stream=True)


DROPPED = Answer(cut=True)


@contextmanager
def serving(*answers: Answer | Script) -> Iterator[Script]:
    """The answers, or a script that makes them up, behind a free port."""
    script = Script()
    for answer in answers:
        if isinstance(answer, Script):
            script = answer
        else:
            script.answers.append(answer)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(script))
    server.daemon_threads = True
    script.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def make_home(root: Path, url: str, *, pid: int | None = None) -> Path:
    """The files by which a server is found."""
    root.mkdir(parents=True, exist_ok=True)
    told = {"url": url, "pid": os.getpid() if pid is None else pid, "version": "0.1.0"}
    (root / "server.json").write_text(json.dumps(told))
    (root / "token").write_text(TOKEN + "\n")
    return root


def _handler_of(script: Script) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 20

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = script.take(Asked(self.command, self.path, headers, body))
            self.close_connection = answer.cut or answer.is_stream
            if answer.cut and not answer.body:
                return
            self.send_response(answer.status)
            for name, value in answer.headers:
                self.send_header(name, value)
            if not answer.is_stream:
                size = len(answer.body) + (100 if answer.cut else 0)
                self.send_header("Content-Length", str(size))
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - names that the base class calls

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    return Handler
