"""The client that waits for its answers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import TYPE_CHECKING, Any, Self, TypeVar

from quarterdeck.sdk import requests, server_requests
from quarterdeck.sdk.audit import AuditCalls
from quarterdeck.sdk.calendar import CalendarCalls
from quarterdeck.sdk.connection import Connection
from quarterdeck.sdk.follow import FileFollower, follow_events, follow_log
from quarterdeck.sdk.nodes import NodeCalls
from quarterdeck.sdk.patience import Limits
from quarterdeck.sdk.people import PeopleCalls
from quarterdeck.sdk.requests import WHOLE_LOG
from quarterdeck.sdk.workdir import ROUNDS_MAX, UPLOADS_AT_A_TIME, Snapshot, never_enough
from quarterdeck.wire.v1.jobs import FINAL_STATES, BatchRequest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from quarterdeck.sdk.calls import FileBody
    from quarterdeck.sdk.requests import LogBytes, LogPart
    from quarterdeck.wire.v1.cluster import NodeList
    from quarterdeck.wire.v1.events import EventView, LogEnd, LogView
    from quarterdeck.wire.v1.gc import GcReport
    from quarterdeck.wire.v1.jobs import (
        JobPage,
        JobRequest,
        JobView,
        ResultList,
        TaskList,
    )
    from quarterdeck.wire.v1.metrics import MetricsView, ProgressList
    from quarterdeck.wire.v1.pools import PoolList, PoolsAnswer
    from quarterdeck.wire.v1.promises import PromiseList, PromiseStats
    from quarterdeck.wire.v1.queue import QueueView, ReorderView
    from quarterdeck.wire.v1.server import PolicyView, ServerView
    from quarterdeck.wire.v1.snapshots import SnapshotRequest, SnapshotView
    from quarterdeck.wire.v1.verdicts import ExplanationView, PlanView, ToldList
    from quarterdeck.wire.v1.webhooks import (
        WebhookList,
        WebhookMade,
        WebhookRequest,
        WebhookTest,
    )

T = TypeVar("T")


class Client:
    """A server's API. May be used by several threads.

    The server is found anew for every try (`find_server`), because one that was started again may
    listen elsewhere. `patience_s` is how long a call that may be repeated is, while no server
    answers; when nothing is said it is 3 s until the first answer and 30 s from then on. Streams
    go on where they broke off. Raises the errors of `quarterdeck.basics.errors`.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        home: Path | None = None,
        patience_s: float | None = None,
    ) -> None:
        self._limits = Limits(patience_s)
        self._connection = Connection((url, token, home), self._limits)
        self._send, self._follow = self._connection.send, self._connection.follow
        self.nodes = NodeCalls(self._send)
        self.people = PeopleCalls(self._send)
        self.calendar = CalendarCalls(self._send)
        self.audit = AuditCalls(self._send, self._follow)

    def __enter__(self) -> Self:
        """The client itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    @property
    def patience_s(self) -> float | None:
        """How long a server may be away unnoticed; may be changed between calls."""
        return self._limits.patience_s

    @patience_s.setter
    def patience_s(self, patience_s: float | None) -> None:
        self._limits.patience_s = patience_s

    def submit(self, request: JobRequest, *, key: str | None = None) -> JobView:
        """Put a job into the queue."""
        return self._send(requests.submit(request, key))

    def submit_all(
        self, requests_: Sequence[JobRequest], *, key: str | None = None, dry_run: bool = False
    ) -> list[str]:
        """Put many jobs into the queue, or none; their ids in order. `needs` may name others of
        them."""
        batch = BatchRequest(jobs=list(requests_))
        return self._send(requests.submit_all(batch, key, dry_run=dry_run)).ids

    def plan(self, request: JobRequest) -> PlanView:
        """What would happen to the job if it were submitted now."""
        return self._send(requests.plan(request))

    def get_job(self, job_id: str) -> JobView:
        """The job."""
        return self._send(requests.get_job(job_id))

    def wait(self, job_id: str, *, timeout_s: float | None = None) -> JobView:
        """The job once it is final, or as it is after the timeout."""
        deadline = None if timeout_s is None else monotonic() + timeout_s
        while True:
            left_s = requests.POLL_S if deadline is None else deadline - monotonic()
            wait_s, asked_s = max(0.0, min(requests.POLL_S, left_s)), monotonic()
            job = self._send(requests.get_job(job_id, wait_s))
            if job.state in FINAL_STATES or left_s <= 0:
                return job
            if monotonic() - asked_s < wait_s / 2:
                self._connection.pause(requests.EARLY_S)

    def list_jobs(
        self,
        *,
        states: Sequence[str] = (),
        name: str | None = None,
        limit: int | None = None,
        before: str | None = None,
        tags: Mapping[str, str] | None = None,
        team: str | None = None,
        owner: str | None = None,
    ) -> JobPage:
        """One page of jobs, newest first."""
        return self._send(
            requests.list_jobs(states, name, limit, before, tags, team=team, owner=owner)
        )

    def get_queue(self, *, limit: int | None = None) -> QueueView:
        """Who waits, in which order, and why."""
        return self._send(requests.get_queue(limit))

    def list_verdicts(self, job_id: str, limit: int = 100) -> ToldList:
        """What a job was told while it waited, oldest first: the last so many."""
        return self._send(requests.list_verdicts(job_id, limit))

    def list_promises(self, job_id: str, limit: int = 100) -> PromiseList:
        """When the job was promised to start, oldest first: the last so many."""
        return self._send(requests.list_promises(job_id, limit))

    def explain(self, job_id: str) -> ExplanationView:
        """Why the job is where it is."""
        return self._send(requests.explain(job_id))

    def cancel(self, job_id: str, *, dry_run: bool = False) -> JobView:
        """Stop the job for good."""
        return self._send(requests.cancel(job_id, dry_run=dry_run))

    def requeue(self, job_id: str, *, dry_run: bool = False) -> JobView:
        """Give the job another attempt."""
        return self._send(requests.requeue(job_id, dry_run=dry_run))

    def hold(self, job_id: str, *, dry_run: bool = False) -> JobView:
        """Keep the job from starting until it is released."""
        return self._send(requests.hold(job_id, dry_run=dry_run))

    def release(self, job_id: str, *, dry_run: bool = False) -> JobView:
        """Let a held job into the queue."""
        return self._send(requests.release(job_id, dry_run=dry_run))

    def reorder(
        self, job_ids: Sequence[str], *, reset: bool = False, dry_run: bool = False
    ) -> ReorderView:
        """Let these jobs of one person come in this order on the places in the queue that they
        hold; with `reset` as they would without an order of their own."""
        return self._send(requests.reorder(job_ids, reset=reset, dry_run=dry_run))

    def note(self, job_id: str, text: str, *, dry_run: bool = False) -> JobView:
        """Write something about the job, for whoever looks at it later."""
        return self._send(requests.note(job_id, text, dry_run=dry_run))

    def get_request(self, job_id: str) -> JobRequest:
        """The request that would make another job like it."""
        return self._send(requests.get_request(job_id))

    def list_tasks(
        self, job_id: str, *, states: Sequence[str] = (), limit: int | None = None
    ) -> TaskList:
        """The tasks of an array by their index."""
        return self._send(requests.list_tasks(job_id, states, limit))

    def read_log(
        self,
        job_id: str,
        *,
        attempt: int | None = None,
        node_rank: int = 0,
        offset: int = 0,
        part: LogPart = WHOLE_LOG,
    ) -> LogBytes:
        """Bytes of a replica's log from an offset; go on as long as `next_offset` grows."""
        return self._send(requests.read_log(job_id, attempt, node_rank, offset, part))

    def stream_log(
        self,
        job_id: str,
        *,
        attempt: int | None = None,
        node_rank: int = 0,
        part: LogPart = WHOLE_LOG,
    ) -> Iterator[LogView | LogEnd]:
        """The log as it comes; its last message says how the job ended."""
        return self._follow(follow_log(requests.stream_log(job_id, attempt, node_rank, part)))

    def stream_events(self, *, after: int = 0, job_id: str | None = None) -> Iterator[EventView]:
        """The event log from a place on, without end."""
        return self._follow(follow_events(requests.stream_events(after, job_id)))

    def read_metrics(
        self,
        job_id: str,
        *names: str,
        max_points: int | None = None,
        rank: int | None = None,
        attempt: int | None = None,
        task: int | None = None,
    ) -> MetricsView:
        """What the job told of itself, as curves; without names only which there are."""
        return self._send(
            requests.read_metrics(
                job_id, names, max_points=max_points, rank=rank, attempt=attempt, task=task
            )
        )

    def list_progress(self, job_id: str | None = None) -> ProgressList:
        """How far every running job is, or only one."""
        return self._send(requests.list_progress(job_id))

    def list_results(
        self, job_id: str, *, attempt: int | None = None, task: int | None = None
    ) -> ResultList:
        """What an attempt left, or what all tasks of an array did."""
        return self._send(requests.list_results(job_id, attempt, task))

    def read_result(
        self,
        job_id: str,
        path: str,
        *,
        node_rank: int = 0,
        attempt: int | None = None,
        offset: int = 0,
    ) -> Iterator[bytes]:
        """The bytes of one file that an attempt left, from an offset on."""
        call = requests.read_result(job_id, path, node_rank, attempt)
        return self._follow(FileFollower(call, offset))

    def list_nodes(self) -> NodeList:
        """All nodes, and what is free of them."""
        return self.nodes.list_nodes()

    def keep_snapshot(self, request: SnapshotRequest) -> SnapshotView:
        """Keep a work folder's manifest, or hear which files are missing."""
        return self._send(requests.keep_snapshot(request))

    def put_blob(self, digest: str, body: bytes | FileBody) -> None:
        """Upload one file's bytes."""
        self._send(requests.put_blob(digest, body))

    def upload_snapshot(self, snapshot: Snapshot) -> str:
        """Upload what the server lacks of a work folder; the digest to put into the job."""
        for _ in range(ROUNDS_MAX):
            kept = self.keep_snapshot(snapshot.request)
            if not kept.missing:
                return kept.digest
            bodies = snapshot.bodies(kept.missing)
            with ThreadPoolExecutor(min(UPLOADS_AT_A_TIME, len(bodies))) as pool:
                uploads = [pool.submit(self.put_blob, body.digest, body) for body in bodies]
                try:
                    for upload in uploads:
                        upload.result()
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise
        raise never_enough()

    def add_webhook(self, request: WebhookRequest, *, dry_run: bool = False) -> WebhookMade:
        """Have changes of state POSTed to a URL; the answer has the secret, once."""
        return self._send(requests.add_webhook(request, dry_run=dry_run))

    def list_webhooks(self) -> WebhookList:
        """Who is told of changes of state, and how that goes."""
        return self._send(requests.list_webhooks())

    def remove_webhook(self, webhook_id: str, *, dry_run: bool = False) -> None:
        """Tell it no more."""
        self._send(requests.remove_webhook(webhook_id, dry_run=dry_run))

    def test_webhook(self, webhook_id: str, *, dry_run: bool = False) -> WebhookTest:
        """Send it a message that means nothing, and hear what came of it."""
        return self._send(requests.try_webhook(webhook_id, dry_run=dry_run))

    def get_server(self) -> ServerView:
        """Who answers."""
        return self._send(server_requests.get_server())

    def get_policy(self) -> PolicyView:
        """What the scheduler follows."""
        return self._send(server_requests.get_policy())

    def list_pools(self) -> PoolList:
        """What teams are guaranteed, and hold."""
        return self._send(server_requests.list_pools())

    def put_pools(self, text: str, *, dry_run: bool = False) -> PoolsAnswer:
        """Other guarantees, as YAML with the key `pools`."""
        return self._send(server_requests.put_pools(text, dry_run=dry_run))

    def count_promises(self, days: int = 14) -> PromiseStats:
        """How many promised starts were kept, on the last so many days that had any."""
        return self._send(server_requests.count_promises(days))

    def shut_down(self, *, stop_jobs: bool = False) -> None:
        """End the server."""
        self._send(server_requests.shut_down(stop_jobs=stop_jobs))

    def sweep(self, *, dry_run: bool = False) -> GcReport:
        """Delete what retention lets go, or say what that would be."""
        return self._send(server_requests.sweep(dry_run=dry_run))

    def get_openapi(self) -> dict[str, Any]:
        """The API's own description."""
        return self._send(requests.get_openapi())
