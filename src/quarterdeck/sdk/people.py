"""People, teams and tokens over HTTP: `client.people.whoami()` and its siblings, waiting and not.

Each method is made of the function of `people_requests` that builds its request.
"""

from __future__ import annotations

from quarterdeck.sdk import people_requests as requests
from quarterdeck.sdk.methods import AsyncCalls, Calls, awaited, waiting


class PeopleCalls(Calls):
    """People, teams and tokens, for the client that waits."""

    whoami = waiting(requests.whoami)
    get_organization = waiting(requests.get_organization)
    transfer = waiting(requests.transfer)
    list_teams = waiting(requests.list_teams)
    get_team = waiting(requests.get_team)
    create_team = waiting(requests.create_team)
    close_team = waiting(requests.close_team)
    limit_team = waiting(requests.limit_team)
    list_members = waiting(requests.list_members)
    put_member = waiting(requests.put_member)
    remove_member = waiting(requests.remove_member)
    list_users = waiting(requests.list_users)
    get_user = waiting(requests.get_user)
    create_user = waiting(requests.create_user)
    appoint_user = waiting(requests.appoint_user)
    limit_user = waiting(requests.limit_user)
    deactivate_user = waiting(requests.deactivate_user)
    activate_user = waiting(requests.activate_user)
    list_invitations = waiting(requests.list_invitations)
    invite = waiting(requests.invite)
    withdraw_invitation = waiting(requests.withdraw_invitation)
    accept_invitation = waiting(requests.accept_invitation)
    claim_server = waiting(requests.claim_server)
    list_tokens = waiting(requests.list_tokens)
    create_token = waiting(requests.create_token)
    revoke_token = waiting(requests.revoke_token)
    export_people = waiting(requests.export_people)
    apply_people = waiting(requests.apply_people)


class AsyncPeopleCalls(AsyncCalls):
    """People, teams and tokens, for the client that awaits."""

    whoami = awaited(requests.whoami)
    get_organization = awaited(requests.get_organization)
    transfer = awaited(requests.transfer)
    list_teams = awaited(requests.list_teams)
    get_team = awaited(requests.get_team)
    create_team = awaited(requests.create_team)
    close_team = awaited(requests.close_team)
    limit_team = awaited(requests.limit_team)
    list_members = awaited(requests.list_members)
    put_member = awaited(requests.put_member)
    remove_member = awaited(requests.remove_member)
    list_users = awaited(requests.list_users)
    get_user = awaited(requests.get_user)
    create_user = awaited(requests.create_user)
    appoint_user = awaited(requests.appoint_user)
    limit_user = awaited(requests.limit_user)
    deactivate_user = awaited(requests.deactivate_user)
    activate_user = awaited(requests.activate_user)
    list_invitations = awaited(requests.list_invitations)
    invite = awaited(requests.invite)
    withdraw_invitation = awaited(requests.withdraw_invitation)
    accept_invitation = awaited(requests.accept_invitation)
    claim_server = awaited(requests.claim_server)
    list_tokens = awaited(requests.list_tokens)
    create_token = awaited(requests.create_token)
    revoke_token = awaited(requests.revoke_token)
    export_people = awaited(requests.export_people)
    apply_people = awaited(requests.apply_people)
