"""What a route is given: the context, the feed and the actor. None of it costs a thread."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Path, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from quarterdeck.api.context import ApiContext
from quarterdeck.api.feed import Feed
from quarterdeck.api.threads import Threads


async def _context_of(request: Request) -> ApiContext:
    return cast("ApiContext", request.app.state.context)


async def _feed_of(request: Request) -> Feed:
    return cast("Feed", request.app.state.feed)


async def _threads_of(request: Request) -> Threads:
    return cast("Threads", request.app.state.threads)


Context = Annotated[ApiContext, Depends(_context_of)]
TheFeed = Annotated[Feed, Depends(_feed_of)]
TheThreads = Annotated[Threads, Depends(_threads_of)]

JobIdText = Annotated[str, Path(description="The job's id.")]
AttemptNumber = Annotated[
    int | None, Query(ge=1, le=2**31 - 1, description="Which attempt; the latest when left out.")
]
TaskIndex = Annotated[
    int | None, Query(ge=0, le=10**9, description="Which task of an array, by its index.")
]
NodeRank = Annotated[int, Query(ge=0, le=2**31 - 1, description="Which replica, from 0.")]
DryRun = Annotated[bool, Query(description="Check everything, change nothing.")]


def answer(view: BaseModel, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """The body as JSON, written once: a view is right by its making, so nobody checks it again."""
    return Response(view.model_dump_json(), status, headers, media_type="application/json")
