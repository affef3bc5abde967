"""Webhooks: who is told of changes of state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from quarterdeck.api.access import Access, may
from quarterdeck.api.routers.depends import Context, DryRun, answer
from quarterdeck.basics.errors import Invalid
from quarterdeck.basics.times import to_iso
from quarterdeck.core.governance.permissions import Noun, Verb
from quarterdeck.core.jobs.states import JobState
from quarterdeck.ports.hooks import Progress
from quarterdeck.wire.v1.webhooks import (
    WebhookList,
    WebhookMade,
    WebhookRequest,
    WebhookTest,
    WebhookView,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterdeck.ports.hooks import Hook

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])
WebhookId = Annotated[str, Path(description="The webhook's id.")]


@router.post(
    "",
    operation_id="add_webhook",
    summary="Add a webhook",
    status_code=201,
    response_model=WebhookMade,
    responses={200: {"model": WebhookMade, "description": "What a dry run would have added."}},
)
def add_webhook(
    body: WebhookRequest,
    context: Context,
    access: Annotated[Access, may(Verb.CREATE, Noun.WEBHOOK)],
    dry_run: DryRun = False,
) -> Response:
    """Have changes of jobs' states POSTed to a URL from now on. The secret is shown here only."""
    states = _parse_states(body.states)
    hook = context.webhooks.add(body.url, states, body.secret, access.name, is_dry_run=dry_run)
    view = WebhookMade(
        **_view(hook, Progress(0), 0).model_dump(), secret="" if dry_run else hook.secret
    )
    return answer(view, 200 if dry_run else 201)


@router.get("", operation_id="list_webhooks", summary="List webhooks", response_model=WebhookList)
def list_webhooks(
    context: Context, _access: Annotated[Access, may(Verb.READ, Noun.WEBHOOK)]
) -> Response:
    """All webhooks, and how telling each of them goes."""
    head = context.webhooks.head()
    couriers = context.webhooks.couriers()
    views = [_view(one.hook, one.progress, head) for one in couriers]
    return answer(WebhookList(webhooks=views))


@router.delete(
    "/{webhook_id}",
    operation_id="remove_webhook",
    summary="Remove a webhook",
    status_code=204,
    response_class=Response,
    response_description="It is told no more; a message that is on its way may still arrive.",
)
def remove_webhook(
    webhook_id: WebhookId,
    context: Context,
    _access: Annotated[Access, may(Verb.DELETE, Noun.WEBHOOK)],
    dry_run: DryRun = False,
) -> Response:
    """Tell it no more."""
    context.webhooks.remove(webhook_id, is_dry_run=dry_run)
    return Response(status_code=204)


@router.post(
    "/{webhook_id}/test",
    operation_id="test_webhook",
    summary="Test a webhook",
    response_model=WebhookTest,
)
def try_webhook(
    webhook_id: WebhookId,
    context: Context,
    _access: Annotated[Access, may(Verb.TEST, Noun.WEBHOOK)],
    dry_run: DryRun = False,
) -> Response:
    """Send a message of the type `webhook.test` now, once, and say what came of it."""
    outcome = context.webhooks.test(webhook_id, is_dry_run=dry_run)
    if outcome is None:
        return answer(WebhookTest(delivered=False, status=None, message="nothing was sent"))
    return answer(
        WebhookTest(delivered=outcome.is_delivered, status=outcome.status, message=outcome.message)
    )


def _parse_states(names: Sequence[str]) -> tuple[JobState, ...]:
    known = {state.value: state for state in JobState}
    for name in names:
        if name not in known:
            raise Invalid(
                f"{name[:80]!a} is no state of a job",
                field="states",
                hint=f"states are {', '.join(known)}",
            )
    return tuple(known[name] for name in names)


def _view(hook: Hook, progress: Progress, head: int) -> WebhookView:
    is_failing = progress.failing_since_ns is not None
    is_off = progress.off_since_ns is not None
    return WebhookView(
        id=hook.id,
        url=hook.url,
        states=[state.value for state in hook.states],
        owner=hook.owner,
        created_at=to_iso(hook.created_at_ns),
        condition="off" if is_off else "failing" if is_failing else "good",
        last_success_at=_iso(progress.last_success_at_ns),
        last_failure_at=_iso(progress.last_failure_at_ns),
        last_failure=progress.last_failure,
        failing_since=_iso(progress.failing_since_ns),
        failures=progress.failures,
        backlog=max(0, head - progress.cursor),
    )


def _iso(at_ns: int | None) -> str | None:
    return None if at_ns is None else to_iso(at_ns)
