"""Every cell of route × method × asker × thing, and what the permission table says of it.

The rows that routes go by are written down here a second time, by hand: a route that names another
one in the code differs from this list, and shows in the cells.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from quarterdeck.core.governance.permissions import (
    TABLE,
    Noun,
    Reach,
    Verb,
    is_for_all,
    is_of_teams,
)
from tests.security.acme import TEAMS, Asker, Reply, ask_app, invitation_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.security.acme import Acme

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
Verdict = Literal["allowed", "forbidden", "absent", "not served", "unknown"]
Row = tuple[Verb, Noun]
R, C, D = Verb.READ, Verb.CREATE, Verb.DELETE
N = Noun
JOB = "/v1/jobs/{job_id}"
OF_JOBS: dict[tuple[str, str], Row] = {
    ("GET", JOB): (R, N.JOB),
    ("GET", f"{JOB}/explanation"): (R, N.JOB),
    ("GET", f"{JOB}/verdicts"): (R, N.JOB),
    ("GET", f"{JOB}/promises"): (R, N.JOB),
    ("GET", f"{JOB}/tasks"): (R, N.JOB),
    ("GET", f"{JOB}/request"): (R, N.REQUEST),
    ("GET", f"{JOB}/logs"): (R, N.OUTPUT),
    ("GET", f"{JOB}/logs/stream"): (R, N.OUTPUT),
    ("GET", f"{JOB}/metrics"): (R, N.OUTPUT),
    ("GET", f"{JOB}/results"): (R, N.OUTPUT),
    ("GET", f"{JOB}/results/{{node_rank}}/{{path:path}}"): (R, N.OUTPUT),
    ("POST", f"{JOB}/cancel"): (Verb.CANCEL, N.JOB),
    ("POST", f"{JOB}/requeue"): (Verb.REQUEUE, N.JOB),
    ("POST", f"{JOB}/hold"): (Verb.HOLD, N.JOB),
    ("POST", f"{JOB}/release"): (Verb.HOLD, N.JOB),
    ("POST", f"{JOB}/notes"): (Verb.NOTE, N.JOB),
    ("POST", "/v1/jobs/reorder"): (Verb.REORDER, N.JOB),
}
OF_TEAMS: dict[tuple[str, str], Row] = {
    ("POST", "/v1/jobs"): (C, N.JOB),
    ("POST", "/v1/batches"): (C, N.JOB),
    ("POST", "/v1/plans"): (C, N.PLAN),
    ("GET", "/v1/teams/{team}"): (R, N.TEAM),
    ("POST", "/v1/teams/{team}/close"): (D, N.TEAM),
    ("PUT", "/v1/teams/{team}/limits"): (Verb.LIMIT, N.TEAM),
    ("GET", "/v1/teams/{team}/members"): (R, N.TEAM),
    ("PUT", "/v1/teams/{team}/members/{user}"): (Verb.STAFF, N.TEAM),
    ("DELETE", "/v1/teams/{team}/members/{user}"): (Verb.STAFF, N.TEAM),
    ("POST", "/v1/invitations"): (C, N.INVITATION),
    ("POST", "/v1/bookings"): (C, N.BOOKING),
    ("DELETE", "/v1/invitations/{invitation_id}"): (D, N.INVITATION),
}
OF_USERS: dict[tuple[str, str], Row] = {
    ("GET", "/v1/users/{user}"): (R, N.USER),
    ("PUT", "/v1/users/{user}/role"): (Verb.APPOINT, N.USER),
    ("PUT", "/v1/users/{user}/limits"): (Verb.LIMIT, N.USER),
    ("POST", "/v1/users/{user}/deactivate"): (D, N.SERVICE_ACCOUNT),
    ("POST", "/v1/users/{user}/activate"): (C, N.SERVICE_ACCOUNT),
    ("POST", "/v1/users"): (C, N.SERVICE_ACCOUNT),
    ("GET", "/v1/tokens"): (R, N.TOKEN),
    ("POST", "/v1/tokens"): (C, N.TOKEN),
    ("DELETE", "/v1/tokens/{token_id}"): (D, N.TOKEN),
}
WHOLE: dict[tuple[str, str], Row] = {
    ("GET", "/v1/jobs"): (R, N.JOB),
    ("GET", "/v1/events"): (R, N.JOB),
    ("GET", "/v1/progress"): (R, N.OUTPUT),
    ("GET", "/v1/queue"): (R, N.QUEUE),
    ("GET", "/v1/nodes"): (R, N.NODE),
    ("GET", "/v1/sites"): (R, N.NODE),
    ("GET", "/v1/nodes/{node}"): (R, N.NODE),
    ("POST", "/v1/nodes/{node}/cordon"): (Verb.CORDON, N.NODE),
    ("POST", "/v1/nodes/{node}/resume"): (Verb.CORDON, N.NODE),
    ("POST", "/v1/snapshots"): (C, N.SNAPSHOT),
    ("PUT", "/v1/blobs/{digest}"): (C, N.SNAPSHOT),
    ("GET", "/v1/webhooks"): (R, N.WEBHOOK),
    ("POST", "/v1/webhooks"): (C, N.WEBHOOK),
    ("DELETE", "/v1/webhooks/{webhook_id}"): (D, N.WEBHOOK),
    ("POST", "/v1/webhooks/{webhook_id}/test"): (Verb.TEST, N.WEBHOOK),
    ("GET", "/v1/audit"): (R, N.AUDIT),
    ("GET", "/v1/audit/export"): (R, N.AUDIT),
    ("GET", "/v1/audit/checkpoint"): (R, N.AUDIT),
    ("GET", "/v1/audit/proofs/inclusion"): (R, N.AUDIT),
    ("GET", "/v1/audit/proofs/consistency"): (R, N.AUDIT),
    ("GET", "/v1/server"): (R, N.SERVER),
    ("GET", "/v1/policy"): (R, N.SERVER),
    ("GET", "/v1/pools"): (R, N.TEAM),
    ("PUT", "/v1/pools"): (Verb.APPLY, N.ORGANIZATION),
    ("GET", "/v1/stats/promises"): (R, N.SERVER),
    ("POST", "/v1/server/shutdown"): (Verb.STOP, N.SERVER),
    ("POST", "/v1/gc"): (Verb.SWEEP, N.SERVER),
    ("GET", "/v1/whoami"): (R, N.ORGANIZATION),
    ("GET", "/v1/organization"): (R, N.ORGANIZATION),
    ("POST", "/v1/organization/transfer"): (Verb.TRANSFER, N.ORGANIZATION),
    ("GET", "/v1/people"): (Verb.APPLY, N.ORGANIZATION),
    ("POST", "/v1/people"): (Verb.APPLY, N.ORGANIZATION),
    ("GET", "/v1/teams"): (R, N.TEAM),
    ("POST", "/v1/teams"): (C, N.TEAM),
    ("GET", "/v1/users"): (R, N.USER),
    ("GET", "/v1/invitations"): (R, N.INVITATION),
    ("GET", "/v1/bookings"): (R, N.BOOKING),
    ("GET", "/v1/calendar.ics"): (R, N.BOOKING),
    ("GET", "/v1/bookings/{booking_id}"): (R, N.BOOKING),
    ("POST", "/v1/bookings/{booking_id}/cancel"): (Verb.CANCEL, N.BOOKING),
    ("POST", "/v1/bookings/{booking_id}/approve"): (Verb.APPROVE, N.BOOKING),
    ("POST", "/v1/bookings/{booking_id}/amend"): (C, N.BOOKING),
}
"""About no thing in particular: refused only to who may do it to nothing at all."""
ROUTES = OF_JOBS | OF_TEAMS | OF_USERS | WHOLE
OPEN = {
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("POST", "/v1/invitations/accept"),
    ("POST", "/v1/claim"),
}
BODIES: dict[tuple[str, str], Any] = {
    ("POST", f"{JOB}/notes"): {"text": "seen"},
    ("POST", "/v1/snapshots"): {"files": []},
    ("POST", "/v1/webhooks"): {"url": "https://hooks.example.org/"},
    ("POST", "/v1/server/shutdown"): {},
    ("POST", "/v1/organization/transfer"): {"to": "mate"},
    ("POST", "/v1/people"): {},
    ("PUT", "/v1/pools"): {"text": "pools: {}"},
    ("POST", "/v1/teams"): {"name": "green"},
    ("POST", "/v1/teams/{team}/close"): None,
    ("PUT", "/v1/teams/{team}/limits"): {},
    ("PUT", "/v1/teams/{team}/members/{user}"): {"role": "viewer"},
    ("PUT", "/v1/users/{user}/role"): {"role": None},
    ("PUT", "/v1/users/{user}/limits"): {},
    ("POST", "/v1/bookings/{booking_id}/amend"): {"start": "now", "nodes": 1},
}
FOR_A_TEAM: dict[tuple[str, str], Callable[[str], Any]] = {
    ("POST", "/v1/batches"): lambda team: {"jobs": [{"run": "true", "team": team}]},
    ("POST", "/v1/bookings"): lambda team: {
        "team": team, "count": 1, "start": "+1h", "span": "1h",
    },
    ("POST", "/v1/invitations"): lambda team: {"user": "guest-nine", "teams": {team: "member"}},
}  # fmt: skip
QUERIES = {
    ("GET", "/v1/audit/proofs/inclusion"): "seq=0",
    ("GET", "/v1/audit/proofs/consistency"): "from=0",
}
NOT_DRY = {("PUT", "/v1/blobs/{digest}"), ("POST", "/v1/server/shutdown"), ("POST", "/v1/plans")}


@dataclass(frozen=True)
class Thing:
    """What a request is about. `kind` says what a refusal that hides it looks like."""

    kind: str = ""
    label: str = ""
    id: str = ""
    team: str = ""
    owner: str = ""


@dataclass(frozen=True)
class Cell:
    """One request and what is to come of it."""

    asker: Asker
    method: str
    route: str
    thing: Thing
    path: str
    query: str = ""
    body: Any = None
    expected: Verdict = "allowed"

    def __str__(self) -> str:
        about = f" about {self.thing.kind} {self.thing.label}" if self.thing.kind else ""
        return f"{self.asker.label}: {self.method} {self.route}{about}"


@dataclass(frozen=True)
class Held:
    """How far an asker reaches in one row: read off the table, cell by cell."""

    everything: bool = False
    teams: frozenset[str] = frozenset()
    own_in: frozenset[str] = frozenset()
    own: bool = False
    job_id: str = ""
    site: str = ""

    def __bool__(self) -> bool:
        return self != Held()

    def covers(self, asker: Asker, thing: Thing) -> bool:
        """Whether it covers the thing."""
        if self.everything or thing.team in self.teams or (self.job_id and thing.id == self.job_id):
            return True
        return thing.owner == asker.name and (self.own or thing.team in self.own_in)


def held_by(asker: Asker, row: Row) -> Held:
    """What the table gives the asker in this row."""
    cells = TABLE[row]
    if not any(scope.allows(*row) for scope in asker.scopes):
        return Held()
    reaches = {cells[role] for role in asker.roles if role in cells}
    only = asker.only_teams
    in_teams = {
        team: cells[role]
        for team, role in asker.teams.items()
        if role in cells and (only is None or team in only)
    }
    everything = Reach.ORGANIZATION in reaches | set(in_teams.values())
    teams = {team for team, reach in in_teams.items() if reach is Reach.TEAM}
    if everything and only is not None and not is_for_all(*row):
        everything = False
        teams |= only if is_of_teams(*row) else set()
    return Held(
        everything,
        frozenset(teams),
        frozenset(team for team, reach in in_teams.items() if reach is Reach.OWN),
        Reach.OWN in reaches,
        asker.job_id if Reach.ATTEMPT in reaches else "",
        asker.site if Reach.SITE in reaches else "",
    )


def cells_of(acme: Acme, method: str, route: str) -> Iterator[Cell]:
    """All cells of one operation."""
    for asker in acme.askers:
        if (method, route) in OF_JOBS:
            things = _jobs(acme, asker)
        elif (method, route) in OF_TEAMS:
            things = [Thing("team", team, team, team) for team in (*TEAMS, "nowhere")]
        elif (method, route) in OF_USERS:
            things = _users(acme, asker, method, route)
        else:
            things = [Thing()]
        for thing in things:
            yield _cell(acme, asker, method, route, thing)


def _jobs(acme: Acme, asker: Asker) -> list[Thing]:
    """Own and others' jobs, in both teams; that of the runner; and one that there is not."""
    found = [
        Thing("job", f"of {owner} in {team}", acme.jobs[owner, team], team, owner)
        for owner in dict.fromkeys((asker.name, "mate", "stranger"))
        for team in TEAMS
        if (owner, team) in acme.jobs
    ]
    running = acme.jobs["runner", "red"]
    found.append(Thing("job", "that runs in red", running, "red", "mate"))
    return [*found, Thing("job", "that there is not", "j999999999")]


def _users(acme: Acme, asker: Asker, method: str, route: str) -> list[Thing]:
    people = [
        Thing("user", "mate", "mate", "red", "mate"),
        Thing("user", "stranger", "stranger", "blue", "stranger"),
        Thing("service", "robot", "robot", "red"),
        Thing("service", "blue-robot", "blue-robot", "blue"),
    ]
    if (method, route) == ("POST", "/v1/users"):
        return [Thing("user", "new"), *people[2:]]
    if "tokens" in route and asker.label not in ("runner", "agent", "home"):
        team = next(iter(asker.teams), "")
        people.append(Thing("user", "oneself", asker.name, team, asker.name))
    return [*people, Thing("user", "that there is not", "nobody")]


def _cell(acme: Acme, asker: Asker, method: str, route: str, thing: Thing) -> Cell:
    key = (method, route)
    query = QUERIES.get(key, "")
    if method not in ("GET", "HEAD") and key not in NOT_DRY:
        query = "dry_run=true"
    body = BODIES.get(key)
    path = route.replace("{job_id}", thing.id).replace("{team}", thing.team or "nowhere")
    path = path.replace("{node_rank}", "0").replace("{path:path}", "x")
    path = path.replace("{digest}", "0" * 64).replace("{webhook_id}", "w000000001")
    path = path.replace("{booking_id}", "b000000001")
    path = path.replace("{user}", "mate" if key in OF_TEAMS else thing.id)
    if key in (("POST", "/v1/jobs"), ("POST", "/v1/plans")):
        body = {"run": "true", "team": thing.team or "nowhere"}
    elif key == ("POST", "/v1/jobs/reorder"):
        body = {"jobs": [thing.id, thing.id]}
    elif key in FOR_A_TEAM:
        body = FOR_A_TEAM[key](thing.team)
    elif "{invitation_id}" in route:
        known = acme.things.get(("invitation", thing.team), "i999999999")
        path = route.replace("{invitation_id}", known)
    elif key == ("GET", "/v1/tokens"):
        query = f"user={thing.id}"
    elif key == ("POST", "/v1/tokens"):
        body = {"user": thing.id, "scopes": [scope.value for scope in asker.scopes]}
        if asker.only_teams is not None:
            body["teams"] = sorted(asker.only_teams)
    elif "{token_id}" in route:
        path = route.replace("{token_id}", acme.things.get(("token", thing.id), "t999999999"))
    elif key == ("POST", "/v1/users"):
        body = {"name": "newcomer"}
        if thing.kind == "service":
            body |= {"kind": "service", "team": thing.team}
    expected = expect(asker, key, thing)
    return Cell(asker, method, route, thing, path, query, body, expected)


def expect(asker: Asker, key: tuple[str, str], thing: Thing) -> Verdict:
    """What is to come of it, by the table alone."""
    row = ROUTES[key]
    held = held_by(asker, row)
    if not held:
        return "forbidden"
    if key in WHOLE:
        return "allowed"
    if key in OF_JOBS:
        return _seen_then(held_by(asker, (R, N.JOB)), held, asker, thing)
    if key in OF_TEAMS:
        if "{invitation_id}" in key[1]:
            return "allowed" if held.covers(asker, thing) and _is_there(thing) else "absent"
        return _seen_then(held_by(asker, (R, N.TEAM)), held, asker, thing)
    return _expect_of_users(asker, key, thing, held)


def _expect_of_users(asker: Asker, key: tuple[str, str], thing: Thing, held: Held) -> Verdict:
    verb, _ = ROUTES[key]
    sight = held_by(asker, (R, N.USER))
    sees = _is_there(thing) and sight.covers(asker, thing)
    is_service = thing.kind == "service"
    if "/tokens" in key[1]:
        noun = N.SERVICE_TOKEN if is_service else N.TOKEN
        may = _is_there(thing) and held_by(asker, (verb, noun)).covers(asker, thing)
        if key[0] == "POST" and not may:
            return "forbidden" if sees or thing.id == asker.name else "absent"
        return "allowed" if may else "absent"
    if key == ("POST", "/v1/users"):
        if not is_service:
            return "allowed" if held_by(asker, (C, N.USER)).everything else "forbidden"
        return _seen_then(held_by(asker, (R, N.TEAM)), held, asker, thing)
    if not sees:
        return "absent"
    if ROUTES[key][1] is N.SERVICE_ACCOUNT:
        if not is_service:
            return "allowed" if held_by(asker, (verb, N.USER)).everything else "forbidden"
        return _seen_then(held_by(asker, (R, N.TEAM)), held, asker, thing)
    return "allowed" if verb is R or held.everything else "forbidden"


def _seen_then(sight: Held, held: Held, asker: Asker, thing: Thing) -> Verdict:
    if not _is_there(thing) or not sight.covers(asker, thing):
        return "absent"
    return "allowed" if held.covers(asker, thing) else "forbidden"


def _is_there(thing: Thing) -> bool:
    return thing.label not in ("that there is not", "nowhere")


_ABSENT = {
    "job": ("not_found",),
    "team": ("unknown_team", "unknown_invitation"),
    "user": ("unknown_user", "no_such_token", "unknown_team"),
    "service": ("unknown_user", "no_such_token", "unknown_team"),
}


def judge(reply: Reply, thing: Thing) -> Verdict:
    """What an answer says about permission, whatever else it says."""
    if reply.status in (401, 405):
        return "unknown" if reply.status == 401 else "not served"
    if reply.status == 403 and reply.problem["code"] == "not_allowed":
        return "forbidden"
    if reply.status == 404 and reply.problem["code"] in _ABSENT.get(thing.kind, ()):
        is_the_thing = thing.kind != "job" or reply.problem["detail"].startswith("there is no job")
        return "absent" if is_the_thing else "allowed"
    return "allowed"


def differences(acme: Acme, cells: Iterator[Cell]) -> list[str]:
    """The cells that answer otherwise than the table says, a line each."""

    async def ask_all() -> list[str]:
        found = []
        for cell in cells:
            content = acme.encode(cell.body)
            reply = await ask_app(
                acme.house.app, cell.asker.token, cell.method, cell.path, cell.query, content
            )
            verdict = judge(reply, cell.thing)
            # 503 is what the house says that has no sweeper.
            if verdict != cell.expected or reply.status in (500, 501, 502):
                found.append(f"{cell}: {verdict} ({reply.status}), not {cell.expected}")
        return found

    return asyncio.run(ask_all())


def unserved(acme: Acme, route: str) -> Iterator[Cell]:
    """The methods that a path does not serve, for everybody."""
    filled = re.sub(r"\{[^}]*\}", "x", route)
    for method in METHODS:
        if any(_matches(one, filled) for verb, one in {*ROUTES, *OPEN} if verb == method):
            continue
        for asker in acme.askers:
            yield Cell(asker, method, route, Thing(), filled, expected="not served")


def _matches(route: str, path: str) -> bool:
    pattern = re.sub(r"\{[^}]*:path\}", ".+", route)
    return re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]+", pattern), path) is not None


def add_things(acme: Acme) -> None:
    """Invitations and tokens by which requests are about somebody."""
    assert acme.roster is not None
    for team in TEAMS:
        acme.things["invitation", team] = invitation_for(acme, team)
    for token in acme.roster.list_tokens():
        acme.things.setdefault(("token", token.owner), token.id)
