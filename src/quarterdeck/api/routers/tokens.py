"""Tokens: credentials of people and service accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from quarterdeck.api import people_views as views
from quarterdeck.api.access import Access, may, not_allowed
from quarterdeck.api.routers.depends import DryRun, answer
from quarterdeck.api.routers.teams import After, Limit
from quarterdeck.control.tokens import Draft, create_token, revoke_token, unknown_token_id
from quarterdeck.core.governance.people import unknown_team, unknown_user
from quarterdeck.core.governance.permissions import Noun, Scope, Verb
from quarterdeck.core.governance.roles import Kind
from quarterdeck.wire.v1.people import NewTokenView, TokenList, TokenRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from quarterdeck.core.governance.people import Token

router = APIRouter(prefix="/v1/tokens", tags=["people"])

TokenReader = Annotated[Access, may(Verb.READ, Noun.TOKEN)]
TokenMaker = Annotated[Access, may(Verb.CREATE, Noun.TOKEN)]
TokenRevoker = Annotated[Access, may(Verb.DELETE, Noun.TOKEN)]


@router.get("", operation_id="list_tokens", summary="List tokens", response_model=TokenList)
def list_tokens(
    access: TokenReader,
    user: Annotated[
        str | None, Query(description="Whose; the caller's when left out.", max_length=64)
    ] = None,
    limit: Limit = 100,
    after: After = None,
) -> Response:
    """Tokens without their secrets, oldest first."""
    owner = access.name if user is None else user
    if not _covers(access, Verb.READ, owner):
        raise unknown_user(owner)
    roster = access.context.roster
    roster.people.get_user(owner)
    tokens = [token for token in roster.list_tokens() if token.owner == owner]
    page, next_after = views.page_after(tokens, _place, _place_of(roster.find_token, after), limit)
    shown = [views.token_view(token, roster) for token in page]
    return answer(TokenList(tokens=shown, next_after=page[-1].id if next_after else None))


@router.post(
    "",
    operation_id="create_token",
    summary="Make a token",
    status_code=201,
    response_model=NewTokenView,
    responses={200: {"model": NewTokenView, "description": "What a dry run would have made."}},
)
def make_token(body: TokenRequest, access: TokenMaker, dry_run: DryRun = False) -> Response:
    """A new token of the caller, or of a service account of a team that the caller leads. It can
    do nothing that its owner may not, nor what the caller's own token is not good for. The secret
    is shown this once."""
    owner = access.name if body.user is None else body.user
    roster = access.context.roster
    user = roster.people.users.get(owner)
    if user is None or not (owner == access.name or access.sees_user(user)):
        raise unknown_user(owner)
    if owner != access.name and not _covers(access, Verb.CREATE, owner):
        raise not_allowed(Verb.CREATE, Noun.TOKEN, f"of {owner}")
    expires_s = None if body.expires is None else views.to_span_s(body.expires, "expires")
    scopes = tuple(Scope(one) for one in dict.fromkeys(body.scopes))
    draft = Draft(
        owner,
        body.name,
        scopes,
        None if body.teams is None else tuple(sorted(set(body.teams))),
        expires_s,
    )
    _check_narrower(access, draft)
    made = create_token(roster, draft, is_dry_run=dry_run)
    view = views.new_token_view(made, roster, is_dry_run=dry_run)
    return answer(view, 200 if dry_run else 201)


@router.delete(
    "/{token_id}",
    operation_id="revoke_token",
    summary="Revoke a token",
    status_code=204,
    response_class=Response,
)
def revoke(
    token_id: Annotated[str, Path(description="The token's id.")],
    access: TokenRevoker,
    dry_run: DryRun = False,
) -> Response:
    """The token is good for nothing any more, and streams that it opened end."""
    roster = access.context.roster
    token = roster.find_token(token_id)
    if token is None or not _covers(access, Verb.DELETE, token.owner):
        raise unknown_token_id(token_id)
    revoke_token(roster, token_id, access.principal, is_dry_run=dry_run)
    return Response(status_code=204)


def _covers(access: Access, verb: Verb, owner: str) -> bool:
    """Whether the caller may do this to tokens of that owner."""
    user = access.context.roster.people.users.get(owner)
    if user is None:
        return False
    if user.kind is Kind.SERVICE:
        return access.reach(verb, Noun.SERVICE_TOKEN).covers_team(user.teams[0][0])
    reach = access.reach(verb, Noun.TOKEN)
    return reach.is_all or (reach.is_own and owner == access.name)


def _check_narrower(access: Access, draft: Draft) -> None:
    """A token makes none that is good for more than itself, nor names teams that its owner could
    not know of."""
    mine = access.principal
    sight = access.reach(Verb.READ, Noun.TEAM)
    for team in draft.only_teams or ():
        if not sight.covers_team(team):
            raise unknown_team(team)
    wider = set(draft.scopes) - set(mine.scopes)
    if Scope.EVERYTHING not in mine.scopes and wider:
        raise not_allowed(Verb.CREATE, Noun.TOKEN, "that is good for more than yours")
    only = mine.only_teams
    if only is not None and (draft.only_teams is None or not set(draft.only_teams) <= set(only)):
        raise not_allowed(Verb.CREATE, Noun.TOKEN, "that is good for more teams than yours")


def _place(token: Token) -> str:
    """A key in the order of making."""
    return f"{token.created_at_ns:020} {token.id}"


def _place_of(find: Callable[[str], Token | None], after: str | None) -> str | None:
    token = find(after) if after is not None else None
    return None if token is None else _place(token)
