"""People, teams and tokens over HTTP: `client.people.whoami()` and its siblings, waiting and not.

Each method is made of the function of `people_requests` that builds its request, so both clients
have the same ones, with the same parameters.
"""

from __future__ import annotations

from functools import update_wrapper
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Protocol, TypeVar

from quarterdeck.sdk import people_requests as requests

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from quarterdeck.sdk.calls import Call

P = ParamSpec("P")
T = TypeVar("T")


class _Send(Protocol):
    def __call__(self, call: Call[T]) -> T: ...


class _SendAsync(Protocol):
    def __call__(self, call: Call[T]) -> Awaitable[T]: ...


def _waiting(build: Callable[P, Call[T]]) -> Callable[Concatenate[PeopleCalls, P], T]:
    """A method that sends what `build` makes, and waits for the answer."""

    def method(self: PeopleCalls, /, *args: P.args, **options: P.kwargs) -> T:
        return self.send(build(*args, **options))

    update_wrapper(method, build)
    return method


def _awaited(
    build: Callable[P, Call[T]],
) -> Callable[Concatenate[AsyncPeopleCalls, P], Awaitable[T]]:
    """A method that sends what `build` makes; its answer is to be awaited."""

    def method(self: AsyncPeopleCalls, /, *args: P.args, **options: P.kwargs) -> Awaitable[T]:
        return self.send(build(*args, **options))

    update_wrapper(method, build)
    return method


class PeopleCalls:
    """People, teams and tokens, for the client that waits."""

    def __init__(self, send: _Send) -> None:
        self.send = send

    whoami = _waiting(requests.whoami)
    get_organization = _waiting(requests.get_organization)
    transfer = _waiting(requests.transfer)
    list_teams = _waiting(requests.list_teams)
    get_team = _waiting(requests.get_team)
    create_team = _waiting(requests.create_team)
    close_team = _waiting(requests.close_team)
    limit_team = _waiting(requests.limit_team)
    list_members = _waiting(requests.list_members)
    put_member = _waiting(requests.put_member)
    remove_member = _waiting(requests.remove_member)
    list_users = _waiting(requests.list_users)
    get_user = _waiting(requests.get_user)
    create_user = _waiting(requests.create_user)
    appoint_user = _waiting(requests.appoint_user)
    limit_user = _waiting(requests.limit_user)
    deactivate_user = _waiting(requests.deactivate_user)
    activate_user = _waiting(requests.activate_user)
    list_invitations = _waiting(requests.list_invitations)
    invite = _waiting(requests.invite)
    withdraw_invitation = _waiting(requests.withdraw_invitation)
    accept_invitation = _waiting(requests.accept_invitation)
    claim_server = _waiting(requests.claim_server)
    list_tokens = _waiting(requests.list_tokens)
    create_token = _waiting(requests.create_token)
    revoke_token = _waiting(requests.revoke_token)
    export_people = _waiting(requests.export_people)
    apply_people = _waiting(requests.apply_people)


class AsyncPeopleCalls:
    """People, teams and tokens, for the client that awaits."""

    def __init__(self, send: _SendAsync) -> None:
        self.send = send

    whoami = _awaited(requests.whoami)
    get_organization = _awaited(requests.get_organization)
    transfer = _awaited(requests.transfer)
    list_teams = _awaited(requests.list_teams)
    get_team = _awaited(requests.get_team)
    create_team = _awaited(requests.create_team)
    close_team = _awaited(requests.close_team)
    limit_team = _awaited(requests.limit_team)
    list_members = _awaited(requests.list_members)
    put_member = _awaited(requests.put_member)
    remove_member = _awaited(requests.remove_member)
    list_users = _awaited(requests.list_users)
    get_user = _awaited(requests.get_user)
    create_user = _awaited(requests.create_user)
    appoint_user = _awaited(requests.appoint_user)
    limit_user = _awaited(requests.limit_user)
    deactivate_user = _awaited(requests.deactivate_user)
    activate_user = _awaited(requests.activate_user)
    list_invitations = _awaited(requests.list_invitations)
    invite = _awaited(requests.invite)
    withdraw_invitation = _awaited(requests.withdraw_invitation)
    accept_invitation = _awaited(requests.accept_invitation)
    claim_server = _awaited(requests.claim_server)
    list_tokens = _awaited(requests.list_tokens)
    create_token = _awaited(requests.create_token)
    revoke_token = _awaited(requests.revoke_token)
    export_people = _awaited(requests.export_people)
    apply_people = _awaited(requests.apply_people)
