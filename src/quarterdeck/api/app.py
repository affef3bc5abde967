"""The web application: audit and guard outside, routes inside, one way out for every error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.middleware import Middleware

from quarterdeck.api import openapi, problems
from quarterdeck.api.access import check_all_guarded
from quarterdeck.api.audit import Audit
from quarterdeck.api.bodies import Bodies
from quarterdeck.api.deadline import Deadline
from quarterdeck.api.feed import Feed
from quarterdeck.api.form import Form, SafeHeaders
from quarterdeck.api.guard import Guard
from quarterdeck.api.problems import BugBarrier
from quarterdeck.api.rates import RefusalRate, TokenRate
from quarterdeck.api.routers import (
    audit,
    batches,
    bookings,
    events,
    gc,
    health,
    invitations,
    jobs,
    logs,
    metrics,
    nodes,
    organization,
    plans,
    policy,
    pools,
    queue,
    reorder,
    results,
    server,
    sites,
    snapshots,
    stats,
    steps,
    teams,
    tokens,
    users,
    webhooks,
)
from quarterdeck.api.views import PretendNodes
from quarterdeck.core.governance.permissions import POLICY_VERSION

if TYPE_CHECKING:
    from quarterdeck.api.context import ApiContext

DESCRIPTION = (
    "Say what should run; Quarterdeck decides where and when, runs it there, and shows how it goes."
)


_ROUTERS = (
    *(jobs, batches, steps, queue, reorder, plans, logs, metrics, results),
    *(events, nodes, sites, bookings, snapshots, webhooks, audit, server, policy, pools, stats),
    *(gc, health),
    *(organization, teams, users, invitations, tokens),
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
    app = _Api(
        title="Quarterdeck",
        version=context.version,
        description=DESCRIPTION,
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        middleware=[
            Middleware(SafeHeaders),
            Middleware(Audit, log=context.audit, policy_version=POLICY_VERSION),
            Middleware(BugBarrier),
            Middleware(Form),
            Middleware(RefusalRate, limits=context.limits),
            Middleware(Guard, identity=context.identity, allowed_hosts=context.allowed_hosts),
            Middleware(TokenRate, limits=context.limits),
            Middleware(Bodies, blob_bytes_max=context.blob_bytes_max, limits=context.limits),
            Middleware(Deadline, limits=context.limits),
        ],
    )
    app.state.context = context
    app.state.threads = context.threads
    app.state.feed = Feed(context, context.threads)
    app.state.pretend = PretendNodes(context.plane.board)
    problems.install(app)
    for module in _ROUTERS:
        app.include_router(module.router)
    check_all_guarded(app)
    return app
