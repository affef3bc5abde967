"""Every request of the API, without any I/O: what to send, and how to read the answer."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError

from quarterdeck.basics.errors import Invalid, NotFound
from quarterdeck.basics.ids import is_job_id
from quarterdeck.sdk.calls import Call, FileBody, Reply
from quarterdeck.sdk.problems import NotAServer, unreadable
from quarterdeck.wire.v1.jobs import (
    BatchRequest,
    BatchView,
    JobPage,
    JobRequest,
    JobView,
    NoteRequest,
    ResultList,
    TaskList,
)
from quarterdeck.wire.v1.metrics import MetricsView, ProgressList
from quarterdeck.wire.v1.promises import PromiseList
from quarterdeck.wire.v1.queue import QueueView, ReorderRequest, ReorderView
from quarterdeck.wire.v1.snapshots import SnapshotRequest, SnapshotView
from quarterdeck.wire.v1.verdicts import ExplanationView, PlanView, ToldList
from quarterdeck.wire.v1.webhooks import WebhookList, WebhookMade, WebhookRequest, WebhookTest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

T = TypeVar("T", bound=BaseModel)
POLL_S: Final = 25.0
"""How long one long poll lasts; proxies often cut at 30 or 60 seconds."""
UPLOAD_S: Final = 300.0
"""A large body on a slow disk takes its time before it is answered."""
EARLY_S: Final = 0.1
"""The pause after a long poll that was answered too soon, as by a server that goes down."""
JSON: Final = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class LogBytes:
    """Part of a log. `is_final`: nothing will follow after `next_offset`."""

    data: bytes
    next_offset: int
    is_final: bool


def submit(request: JobRequest, key: str | None = None) -> Call[JobView]:
    """Put a job into the queue, once per key; a key is made up when none is given."""
    headers = {**JSON, "Idempotency-Key": key or str(uuid.uuid4())}
    return Call("POST", "/v1/jobs", _model(JobView), headers=headers, body=_body(request))


def submit_all(
    request: BatchRequest, key: str | None = None, *, dry_run: bool = False
) -> Call[BatchView]:
    """Put many jobs into the queue, or none, once per key."""
    headers = {**JSON, "Idempotency-Key": key or str(uuid.uuid4())}
    parse, query, body = _model(BatchView), _dry(dry_run), _body(request)
    return Call("POST", "/v1/batches", parse, query, headers=headers, body=body, answer_s=UPLOAD_S)


def plan(request: JobRequest) -> Call[PlanView]:
    """What would happen to the job if it were submitted now."""
    return Call("POST", "/v1/plans", _model(PlanView), headers=JSON, body=_body(request))


def get_job(job_id: str, wait_s: float = 0.0) -> Call[JobView]:
    """The job; with `wait_s` when it is final, or after that time."""
    query: dict[str, str | int | list[str]] = {"wait_s": f"{wait_s:.3f}"} if wait_s > 0 else {}
    path = f"/v1/jobs/{_part(job_id)}"
    return Call("GET", path, _model(JobView), query=query, answer_s=30.0 + wait_s)


def list_jobs(
    states: Sequence[str] = (),
    name: str | None = None,
    limit: int | None = None,
    before: str | None = None,
    tags: Mapping[str, str] | None = None,
    **whose: str | None,
) -> Call[JobPage]:
    """One page of jobs, newest first; `whose` is a team or an owner."""
    wanted = {
        "state": list(states) or None,
        "name": name,
        "tag": [f"{key}={value}" for key, value in (tags or {}).items()] or None,
        "limit": limit,
        "before": before,
        **whose,
    }
    query = {key: value for key, value in wanted.items() if value is not None}
    return Call("GET", "/v1/jobs", _model(JobPage), query=query)


def list_verdicts(job_id: str, limit: int = 100) -> Call[ToldList]:
    """What a job was told while it waited, oldest first: the last so many."""
    return Call("GET", f"/v1/jobs/{_part(job_id)}/verdicts", _model(ToldList), {"limit": limit})


def list_promises(job_id: str, limit: int = 100) -> Call[PromiseList]:
    """When a job was promised to start, oldest first: the last so many."""
    return Call("GET", f"/v1/jobs/{_part(job_id)}/promises", _model(PromiseList), {"limit": limit})


def explain(job_id: str) -> Call[ExplanationView]:
    """Why the job is where it is."""
    return Call("GET", f"/v1/jobs/{_part(job_id)}/explanation", _model(ExplanationView))


def cancel(job_id: str, *, dry_run: bool = False) -> Call[JobView]:
    """Stop the job for good."""
    return Call("POST", f"/v1/jobs/{_part(job_id)}/cancel", _model(JobView), query=_dry(dry_run))


def requeue(job_id: str, *, dry_run: bool = False) -> Call[JobView]:
    """Give the job another attempt."""
    path = f"/v1/jobs/{_part(job_id)}/requeue"
    return Call("POST", path, _model(JobView), query=_dry(dry_run), is_repeatable=False)


def hold(job_id: str, *, dry_run: bool = False) -> Call[JobView]:
    """Keep the job from starting."""
    return Call("POST", f"/v1/jobs/{_part(job_id)}/hold", _model(JobView), query=_dry(dry_run))


def release(job_id: str, *, dry_run: bool = False) -> Call[JobView]:
    """Let a held job into the queue."""
    return Call("POST", f"/v1/jobs/{_part(job_id)}/release", _model(JobView), query=_dry(dry_run))


def reorder(
    job_ids: Sequence[str], *, reset: bool = False, dry_run: bool = False
) -> Call[ReorderView]:
    """Say which of somebody's waiting jobs goes first."""
    body = _body(ReorderRequest(jobs=list(job_ids), reset=reset))
    return Call(
        "POST", "/v1/jobs/reorder", _model(ReorderView), _dry(dry_run), headers=JSON, body=body
    )


def note(job_id: str, text: str, *, dry_run: bool = False) -> Call[JobView]:
    """Write something about the job."""
    path, body = f"/v1/jobs/{_part(job_id)}/notes", _body(NoteRequest(text=text))
    return Call("POST", path, _model(JobView), _dry(dry_run), headers=JSON, body=body)


def get_request(job_id: str) -> Call[JobRequest]:
    """The request that would make another job like it."""
    return Call("GET", f"/v1/jobs/{_part(job_id)}/request", _model(JobRequest))


def list_tasks(job_id: str, states: Sequence[str] = (), limit: int | None = None) -> Call[TaskList]:
    """The tasks of an array."""
    wanted = {"state": list(states) or None, "limit": limit}
    query = {key: value for key, value in wanted.items() if value is not None}
    return Call("GET", f"/v1/jobs/{_part(job_id)}/tasks", _model(TaskList), query=query)


def get_queue(limit: int | None = None) -> Call[QueueView]:
    """Who waits, in which order, and why."""
    query: dict[str, str | int | list[str]] = {} if limit is None else {"limit": limit}
    return Call("GET", "/v1/queue", _model(QueueView), query=query)


@dataclass(frozen=True, slots=True)
class LogPart:
    """Where to begin in a log, which of its lines, and of which task of an array.

    With several beginnings the latest counts; `tail` lines are counted before `contains` looks at
    them.
    """

    tail: int | None = None
    since_s: float | None = None
    contains: str | None = None
    task: int | None = None

    @property
    def query(self) -> dict[str, str | int | list[str]]:
        """What was chosen, as parameters."""
        since_s = None if self.since_s is None else f"{self.since_s:.3f}"
        wanted = {
            "tail": self.tail,
            "since_s": since_s,
            "contains": self.contains,
            "task": self.task,
        }
        return {key: value for key, value in wanted.items() if value is not None}


WHOLE_LOG: Final = LogPart()


def read_log(
    job_id: str,
    attempt: int | None = None,
    node_rank: int = 0,
    offset: int = 0,
    part: LogPart = WHOLE_LOG,
) -> Call[LogBytes]:
    """Bytes of a replica's log from an offset."""
    query = _choice(attempt) | {"node_rank": node_rank, "offset": offset} | part.query
    return Call("GET", f"/v1/jobs/{_part(job_id)}/logs", _log_bytes, query=query)


def stream_log(
    job_id: str, attempt: int | None = None, node_rank: int = 0, part: LogPart = WHOLE_LOG
) -> Call[Reply]:
    """The log as server-sent events."""
    query = _choice(attempt) | {"node_rank": node_rank} | part.query
    return Call("GET", f"/v1/jobs/{_part(job_id)}/logs/stream", _itself, query=query)


def read_metrics(
    job_id: str,
    names: Sequence[str] = (),
    *,
    max_points: int | None = None,
    rank: int | None = None,
    attempt: int | None = None,
    task: int | None = None,
) -> Call[MetricsView]:
    """What the job told of itself; without names only which there are."""
    wanted = {"name": list(names) or None, "max_points": max_points, "rank": rank}
    query = {key: value for key, value in wanted.items() if value is not None}
    path = f"/v1/jobs/{_part(job_id)}/metrics"
    return Call("GET", path, _model(MetricsView), query=query | _choice(attempt, task))


def list_progress(job_id: str | None = None) -> Call[ProgressList]:
    """How far every running job is, or only one."""
    query: dict[str, str | int | list[str]] = {} if job_id is None else {"job_id": job_id}
    return Call("GET", "/v1/progress", _model(ProgressList), query=query)


def list_results(
    job_id: str, attempt: int | None = None, task: int | None = None
) -> Call[ResultList]:
    """What an attempt left, or what all tasks of an array did."""
    path = f"/v1/jobs/{_part(job_id)}/results"
    return Call("GET", path, _model(ResultList), query=_choice(attempt, task))


def read_result(
    job_id: str, path: str, node_rank: int = 0, attempt: int | None = None
) -> Call[Reply]:
    """One file that an attempt left, as a stream of bytes."""
    if any(part in ("", ".", "..") for part in path.split("/")):
        raise NotFound(
            f"job {job_id} has left no {path!a}",
            field="path",
            hint=f"`qd results {job_id}` lists what there is",
        )
    where = f"/v1/jobs/{_part(job_id)}/results/{node_rank}/{quote(path)}"
    return Call("GET", where, _itself, query=_choice(attempt))


def stream_events(after: int = 0, job_id: str | None = None) -> Call[Reply]:
    """The event log as server-sent events."""
    query: dict[str, str | int | list[str]] = {"after": after}
    if job_id is not None:
        query["job_id"] = job_id
    return Call("GET", "/v1/events", _itself, query=query)


def keep_snapshot(request: SnapshotRequest) -> Call[SnapshotView]:
    """Keep a work folder's manifest, or hear which files are missing."""
    parse, body = _model(SnapshotView), _body(request)
    return Call("POST", "/v1/snapshots", parse, headers=JSON, body=body, answer_s=UPLOAD_S)


def put_blob(digest: str, body: bytes | FileBody) -> Call[None]:
    """Upload one file's bytes."""
    headers = {"Content-Type": "application/octet-stream"}
    path = f"/v1/blobs/{digest}"
    return Call("PUT", path, _nothing, headers=headers, body=body, answer_s=UPLOAD_S)


def add_webhook(request: WebhookRequest, *, dry_run: bool = False) -> Call[WebhookMade]:
    """Have changes of state POSTed to a URL. A second one for the same URL is refused."""
    parse, query, body = _model(WebhookMade), _dry(dry_run), _body(request)
    path = "/v1/webhooks"
    return Call("POST", path, parse, query, headers=JSON, body=body, is_repeatable=False)


def list_webhooks() -> Call[WebhookList]:
    """Who is told, and how that goes."""
    return Call("GET", "/v1/webhooks", _model(WebhookList))


def remove_webhook(webhook_id: str, *, dry_run: bool = False) -> Call[None]:
    """Tell it no more."""
    path = _webhook(webhook_id)
    return Call("DELETE", path, _nothing, query=_dry(dry_run), is_repeatable=False)


def try_webhook(webhook_id: str, *, dry_run: bool = False) -> Call[WebhookTest]:
    """Send it a message that means nothing."""
    return Call("POST", f"{_webhook(webhook_id)}/test", _model(WebhookTest), query=_dry(dry_run))


def get_openapi() -> Call[dict[str, Any]]:
    """The API's own description."""
    return Call("GET", "/openapi.json", _json)


def _body(model: BaseModel) -> bytes:
    try:
        return model.model_dump_json(exclude_defaults=True).encode()
    except PydanticSerializationError:
        raise Invalid(
            "the request has half of a surrogate pair, which is no character",
            hint="remove the lone surrogates",
        ) from None


def _choice(attempt: int | None, task: int | None = None) -> dict[str, str | int | list[str]]:
    chosen = {"attempt": attempt, "task": task}
    return {key: value for key, value in chosen.items() if value is not None}


def _part(job_id: str) -> str:
    """The id as part of a path. What cannot be one never becomes part of a URL."""
    if not is_job_id(job_id):
        raise NotFound(
            f"there is no job {job_id[:80]!a}",
            field="id",
            hint="an id is a j and nine letters or digits; `qd ps -a` lists the jobs there are",
        )
    return job_id


def _dry(is_dry_run: bool) -> dict[str, str | int | list[str]]:
    return {"dry_run": "true"} if is_dry_run else {}


def _webhook(webhook_id: str) -> str:
    """The path of one. What cannot be an id never becomes part of a URL."""
    if not (webhook_id.isascii() and webhook_id.isalnum()):
        raise NotFound(
            f"there is no webhook {webhook_id[:80]!a}",
            field="id",
            hint="`qd webhook list` shows those there are",
        )
    return f"/v1/webhooks/{webhook_id}"


def _model(kind: type[T]) -> Callable[[Reply], T]:
    def parse(reply: Reply) -> T:
        try:
            return kind.model_validate_json(reply.body)
        except ValidationError as error:
            raise unreadable(kind.__name__, error) from None

    return parse


def _itself(reply: Reply) -> Reply:
    return reply


def _nothing(_reply: Reply) -> None:
    return None


def _json(reply: Reply) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(reply.body)
    except ValueError:
        raise NotAServer("the server's answer is not JSON", code="unreadable_answer") from None
    return content


def _log_bytes(reply: Reply) -> LogBytes:
    next_offset = reply.headers.get("qd-next-offset", "")
    if not next_offset.isdecimal():
        raise NotAServer(
            "the server's answer does not say where the log goes on",
            code="unreadable_answer",
            hint="a proxy may have dropped the header QD-Next-Offset",
        )
    return LogBytes(reply.body, int(next_offset), reply.headers.get("qd-final") == "true")


as_model, itself, body_of, dry, nothing = _model, _itself, _body, _dry, _nothing
