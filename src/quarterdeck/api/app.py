"""The web application: audit and guard outside, routes inside, one way out for every error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.middleware import Middleware

from quarterdeck.api import openapi, problems
from quarterdeck.api.audit import Audit
from quarterdeck.api.bodies import BodyLimits
from quarterdeck.api.feed import Feed
from quarterdeck.api.guard import Guard
from quarterdeck.api.problems import BugBarrier
from quarterdeck.api.routers import (
    audit,
    batches,
    events,
    gc,
    health,
    jobs,
    logs,
    metrics,
    nodes,
    plans,
    queue,
    results,
    server,
    snapshots,
    steps,
    webhooks,
)
from quarterdeck.api.threads import Threads
from quarterdeck.api.views import PretendNodes

if TYPE_CHECKING:
    from quarterdeck.api.context import ApiContext

DESCRIPTION = (
    "Say what should run; Quarterdeck decides where and when, runs it there, and shows how it goes."
)


_ROUTERS = (
    *(jobs, batches, steps, queue, plans, logs, metrics, results),
    *(events, nodes, snapshots, webhooks, audit, server, gc, health),
)


class _Api(FastAPI):
    """FastAPI, with the document that says what guard and error handlers do."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = openapi.describe(self)
        return self.openapi_schema


def create_app(context: ApiContext) -> FastAPI:
    """The API over a control plane. One app serves one event loop.

    Pages that show the document are off: they load scripts from other hosts. Slashes are not
    redirected: a redirect would be built from the Host header.
    """
    threads = Threads()
    app = _Api(
        title="Quarterdeck",
        version=context.version,
        description=DESCRIPTION,
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        middleware=[
            Middleware(BugBarrier),
            Middleware(Audit, log=context.audit, policy_version=context.policy_version),
            Middleware(BugBarrier),
            Middleware(Guard, identity=context.identity, allowed_hosts=context.allowed_hosts),
            Middleware(BodyLimits, blob_bytes_max=context.blob_bytes_max),
        ],
    )
    app.state.context = context
    app.state.threads = threads
    app.state.feed = Feed(context, threads)
    app.state.pretend = PretendNodes(context.plane.board)
    problems.install(app)
    for module in _ROUTERS:
        app.include_router(module.router)
    return app
