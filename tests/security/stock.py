"""Things on a real server for requests by chance to be about, of which each test has its own.

Chance never names a team or a token that there is: without these it would see no answer but
refusals, of every route that is about one thing.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from schemathesis.transport.serialization import Binary

if TYPE_CHECKING:
    from tests.security.wire import Address

IN_TEAMS = ("lead", "member", "viewer")
"""Roles that somebody has in a team."""
OF_WAITING = ("/cancel", "/hold", "/release")
"""What is done to a job that has not ended."""
NUMBERS = itertools.count(1)


def things_for(server: Address, path: str, who: str, token: str, job_id: str) -> dict[str, str]:
    """What the place holders of a path may be: things that are there, new but for the job."""
    number = next(NUMBERS)
    things = {"job_id": job_id, "node_rank": "0", "path": "sub/out.txt"}
    if path.endswith(OF_WAITING):
        waits = {"run": "true", "hold": True}
        # Somebody's own where they may have one: many may do this to no other.
        own = _said(server, "/v1/jobs", "POST", waits, token or None)
        made = json.loads(own.body) if own.status == 201 else _made(server, "/v1/jobs", waits)
        things["job_id"] = made["id"]
    if "{team}" in path:
        things["team"] = f"team-{number}"
        _made(server, "/v1/teams", {"name": things["team"]})
        if who in IN_TEAMS:
            member = f"/v1/teams/{things['team']}/members/a-{who}"
            assert _said(server, member, "PUT", {"role": who}).status == 200
    if "{node}" in path:
        listed = server.ask("/v1/nodes")
        things["node"] = json.loads(listed.body)["nodes"][0]["name"]
    if "{user}" in path:
        things["user"] = f"user-{number}"
        team = things.get("team", "default")
        _made(server, "/v1/users", {"name": things["user"], "teams": {team: "viewer"}})
    if "{token_id}" in path and token:
        made = _said(server, "/v1/tokens", "POST", {"name": "spare"}, token)
        if made.status == 201:
            things["token_id"] = json.loads(made.body)["id"]
    if "{invitation_id}" in path:
        invited = {"user": f"guest-{number}", "teams": {"default": "viewer"}}
        things["invitation_id"] = _made(server, "/v1/invitations", invited)["id"]
    if "{booking_id}" in path:
        booked: dict[str, Any] = a_booking(number)
        if path.endswith("/amend"):
            booked = {**booked, "kind": "lease", "start": "2100-01-01", "span": "365d"}
        things["booking_id"] = _made(server, "/v1/bookings", booked)["id"]
    return things


def make_sensible(case: Any, things: dict[str, str]) -> None:
    """A case of chance, about things that are there, and with names that the server takes."""
    given, body = case.path_parameters or {}, case.body
    given.update({key: things[key] for key in given if key in things})
    if "digest" in given and isinstance(body, Binary):
        given["digest"] = hashlib.sha256(body.data).hexdigest()
    if case.path.startswith("/v1/nodes/"):
        # Said of a node that other tests use, too.
        case.query = {"dry_run": "true"} if case.method == "POST" else {}
    if not isinstance(body, dict):
        return
    if case.path.startswith("/v1/nodes/") and "gpus" in body:
        body.update(gpus=[])
    number = next(NUMBERS)
    if case.path in ("/v1/teams", "/v1/users") and "name" in body:
        # Roles, kinds and limits of chance hardly ever go together.
        body.clear()
        body["name"] = f"chance-{number}"
    _make_body_sensible(case.path, body, number)


def _make_body_sensible(path: str, body: dict[str, Any], number: int) -> None:
    """What words of chance hardly ever are: jobs, invitations, pools and bookings."""
    if path == "/v1/batches" and "jobs" in body:
        body["jobs"] = [{"run": "true"}, {"run": ["true"], "name": f"chance-{number}"}]
    if path == "/v1/invitations" and "user" in body:
        body.update(user=f"chance-{number}", teams={"default": "viewer"}, role=None, expires="7d")
    if path == "/v1/pools" and "text" in body:
        body["text"] = "pools: {}"
    if path == "/v1/plans" and "run" in body:
        # Of words of chance hardly one is a span, a site or an array.
        kept: dict[str, Any] = {
            key: body[key] for key in ("priority", "preemptible", "hold") if key in body
        }
        body.clear()
        body.update(kept, run="true")
    if path == "/v1/bookings" and "start" in body:
        body.clear()
        body.update(a_booking(number))
    if path.endswith("/amend") and "start" in body:
        body.update(start="2100-02-01", nodes=1)


def a_booking(number: int) -> dict[str, Any]:
    """Of half an hour years from now, another one for each number: nobody waits for it."""
    start = datetime(2031, 1, 1, tzinfo=UTC) + timedelta(hours=number)
    when = {"start": start.strftime("%Y-%m-%d %H:%M"), "span": "30m"}
    return {"team": "default", "count": 1, **when}


def _made(server: Address, target: str, body: dict[str, Any]) -> Any:
    reply = _said(server, target, "POST", body)
    assert reply.status == 201, reply.body
    return json.loads(reply.body)


def _said(
    server: Address, target: str, method: str, body: dict[str, Any], token: str | None = None
) -> Any:
    return server.ask(target, method, token=token, body=json.dumps(body).encode())
