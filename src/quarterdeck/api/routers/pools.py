"""What teams are guaranteed, and what they hold of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from starlette.responses import Response

from quarterdeck.api.access import Access, may
from quarterdeck.api.routers.depends import DryRun, answer
from quarterdeck.control.pools import PoolStanding, list_pools
from quarterdeck.core.governance.permissions import Noun, Verb
from quarterdeck.core.scheduling.pools import Member
from quarterdeck.wire.v1.pools import (
    PoolList,
    PoolsAnswer,
    PoolsRequest,
    PoolUserView,
    PoolView,
)

router = APIRouter(prefix="/v1/pools", tags=["pools"])


@router.get("", operation_id="list_pools", summary="List pools", response_model=PoolList)
def show_pools(access: Annotated[Access, may(Verb.READ, Noun.TEAM)]) -> Response:
    """What the teams that the caller may see are guaranteed, hold, and borrow now."""
    plane = access.context.plane
    found = list_pools(plane)
    seen = [one for one in found.standings if access.extent.covers_team(one.pool.team)]
    return answer(
        PoolList(
            organization=access.context.roster.people.organization.name,
            pools=[_view(one) for one in seen],
            gpus=found.gpus,
            gpus_free=found.gpus_free,
            cells_without_node=found.shortfall,
            policy_version=plane.rules.now.version,
        )
    )


@router.put("", operation_id="put_pools", summary="Change pools", response_model=PoolsAnswer)
def put_pools(
    body: PoolsRequest,
    access: Annotated[Access, may(Verb.APPLY, Noun.ORGANIZATION)],
    dry_run: DryRun = False,
) -> Response:
    """Other guarantees in place of those in force. They are written to the policy file of the
    server's home; the rest of it stays as it is."""
    given = access.context.put_pools(body.text, dry_run)
    teams = [pool.team for pool in given.policy.pools if pool.guarantee]
    return answer(PoolsAnswer(name=given.name, version=given.version, teams=teams))


def _view(one: PoolStanding) -> PoolView:
    total = one.total
    people = {member.user: member for member in one.pool.people}
    return PoolView(
        team=one.pool.team,
        guarantee=[str(cells) for cells in one.pool.guarantee],
        limit=[str(cap) for cap in one.pool.limit],
        weight=one.pool.weight,
        cells=sum(cells.count for cells in one.pool.guarantee),
        cells_free=one.cells_free + total.cells_free,
        gpus_covered=total.covered,
        gpus_borrowed=total.borrowed,
        jobs_waiting=total.waiting,
        gpu_hours=round(total.hours, 3),
        gpu_hours_max=one.budget_h,
        users=[
            PoolUserView(
                user=user,
                guarantee=[str(cells) for cells in people.get(user, Member(user)).guarantee],
                limit=[str(cap) for cap in people.get(user, Member(user)).limit],
                weight=people.get(user, Member(user)).weight,
                cells_free=share.cells_free,
                gpus_covered=share.covered,
                gpus_borrowed=share.borrowed,
                jobs_waiting=share.waiting,
                gpu_hours=round(share.hours, 3),
            )
            for user, share in one.users.items()
        ],
    )
