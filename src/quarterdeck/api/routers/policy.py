"""What the scheduler follows."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from starlette.responses import Response

from quarterdeck.api.access import Access, may
from quarterdeck.api.routers.depends import Context, answer
from quarterdeck.basics.times import to_iso
from quarterdeck.core.governance.permissions import Noun, Verb
from quarterdeck.wire.v1.server import PolicyView

router = APIRouter(prefix="/v1/policy", tags=["server"])


@router.get("", operation_id="show_policy", summary="Show the policy", response_model=PolicyView)
async def show_policy(
    context: Context, access: Annotated[Access, may(Verb.READ, Noun.SERVER)]
) -> Response:
    """The policy in force. What is wrong with its file is told to those who look after the
    server."""
    rules = context.plane.rules
    now = rules.now
    policy = now.policy
    is_told = access.reach(Verb.CORDON, Noun.NODE).is_all
    return answer(
        PolicyView(
            name=now.name,
            version=now.version,
            since=to_iso(now.since_ns),
            order=policy.order.value,
            patience_s=policy.patience_s,
            backfill=policy.backfill.value,
            nearness_patience_s=policy.nearness_patience_s,
            pod_patience_s=policy.pod_patience_s,
            release_after_s=policy.release_after_s,
            reclaim_after_s=policy.reclaim_after_s,
            half_life_s=policy.half_life_s,
            min_runtime_s=policy.min_runtime_s,
            moves=policy.moves_max,
            moves_percent=policy.moves_percent,
            refused=rules.refused if is_told else "",
        )
    )
