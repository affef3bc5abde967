"""An organization with everybody in it who may ask, two teams, and things of each."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from quarterdeck.api.limits import DoorLimits
from quarterdeck.control.cancel import cancel
from quarterdeck.control.submit import submit
from quarterdeck.control.tokens import Draft, create_token
from quarterdeck.control.users import create_user, invite
from quarterdeck.core.governance.people import User
from quarterdeck.core.governance.permissions import Scope
from quarterdeck.core.governance.principal import Principal
from quarterdeck.core.governance.roles import ORGANIZATION_ROLES, TEAM_ROLES, Kind, Role
from quarterdeck.testing.builders import a_job_spec
from tests.integration.api.house import TOKEN, make_house

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.integration.api.house import House

NO_RATE = DoorLimits(refusals_burst=1e8, requests_burst=1e8, requests_per_second=1e8)
TEAMS = ("red", "blue")


@dataclass(frozen=True)
class Asker:
    """Somebody with a token, and what the permission table has to know of them."""

    label: str
    name: str
    token: str
    roles: tuple[Role, ...] = (Role.PERSON,)
    teams: Mapping[str, Role] = field(default_factory=dict)
    scopes: tuple[Scope, ...] = (Scope.EVERYTHING,)
    only_teams: frozenset[str] | None = None
    job_id: str = ""
    site: str = ""


@dataclass(frozen=True)
class Reply:
    """One answer of the app."""

    status: int
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.body)
        return told


class Acme:
    """See the module. Streams end at once: the house is closing all the while."""

    def __init__(self) -> None:
        self.house: House = make_house(limits=NO_RATE)
        self.house.closing.set()
        self.roster = self.house.plane.roster
        owner = Principal("ada", "ada", roles=(Role.OWNER, Role.PERSON))
        self.by = owner
        client = _Maker(self)
        self.askers = client.askers()
        self.jobs = client.jobs
        self.things: dict[tuple[str, str], str] = {}

    def asker(self, label: str) -> Asker:
        """The one of that label."""
        return next(one for one in self.askers if one.label == label)

    def token_of(self, name: str) -> str:
        """A new token of anybody's."""
        assert self.roster is not None
        return create_token(self.roster, Draft(name, "more")).secret

    def ask(
        self,
        token: str,
        method: str,
        path: str,
        query: str = "",
        body: Any = None,
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> Reply:
        """One request, straight into the app."""
        content, app = self.encode(body), self.house.app
        return asyncio.run(ask_app(app, token, method, path, query, content, more=headers))

    def encode(self, body: Any) -> bytes:
        """A body; nothing for None."""
        return b"" if body is None else json.dumps(body).encode()


async def ask_app(
    app: Any,
    token: str,
    method: str,
    path: str,
    query: str,
    content: bytes,
    *,
    more: Sequence[tuple[bytes, bytes]] = (),
) -> Reply:
    """The same, for who has an event loop already."""
    headers = [(b"host", b"127.0.0.1:8000"), (b"content-type", b"application/json"), *more]
    if token:
        headers.append((b"authorization", f"Bearer {token}".encode()))
    if content:
        headers.append((b"content-length", str(len(content)).encode()))
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method,
        "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": query.encode(),
        "root_path": "", "headers": headers, "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000), "state": {},
    }  # fmt: skip
    pending = [{"type": "http.request", "body": content, "more_body": False}]
    told: dict[str, Any] = {"status": 0, "body": b""}
    is_over = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if pending:
            return pending.pop()
        await is_over.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            told["status"] = message["status"]
        else:
            told["body"] += message.get("body", b"")
            if not message.get("more_body"):
                is_over.set()

    await app(scope, receive, send)
    return Reply(told["status"], told["body"])


class _Maker:
    def __init__(self, acme: Acme) -> None:
        self._acme = acme
        self._house = acme.house
        self._roster = acme.roster
        self.jobs: dict[tuple[str, str], str] = {}

    def askers(self) -> list[Asker]:
        from quarterdeck.control.teams import create_team
        from quarterdeck.core.governance.limits import Quota

        assert self._roster is not None
        for team in TEAMS:
            create_team(self._roster, team, "", Quota())
        found = [Asker("home", "ada", TOKEN, (Role.OWNER, Role.PERSON))]
        found += [self._person(role.value, role=role) for role in ORGANIZATION_ROLES]
        found += [self._person(role.value, teams=(("red", role),)) for role in TEAM_ROLES]
        found.append(self._person("two-teams", teams=(("blue", Role.VIEWER), ("red", Role.LEAD))))
        found.append(self._service("robot", "red"))
        found.append(self._person("outsider"))
        member = found[6]
        assert member.label == "member"
        found += [
            self._narrowed("member for jobs", member, (Scope.JOBS,)),
            self._narrowed("member for reading", member, (Scope.READ,)),
            self._narrowed("owner for red", found[1], (Scope.EVERYTHING,), frozenset({"red"})),
        ]
        self._make("mate", teams=(("red", Role.MEMBER),))
        self._make("stranger", teams=(("blue", Role.MEMBER),))
        self._service("blue-robot", "blue")
        for name in ("mate", "stranger"):
            self._token(name)
        for name in sorted({one.name for one in found} | {"mate", "stranger"}):
            for team in TEAMS:
                self.jobs[name, team] = self._ended_job(name, team)
        return [*found, *self._signed()]

    def _make(self, name: str, **held: Any) -> User:
        assert self._roster is not None
        user = User(name, created_at_ns=1, **held)
        return create_user(self._roster, user, self._acme.by)

    def _person(self, name: str, role: Role | None = None, teams: Any = ()) -> Asker:
        self._make(name, role=role, teams=teams)
        roles = (Role.PERSON,) if role is None else (role, Role.PERSON)
        return Asker(name, name, self._token(name), roles, dict(teams))

    def _service(self, name: str, team: str) -> Asker:
        self._make(name, kind=Kind.SERVICE, teams=((team, Role.SERVICE),))
        return Asker(name, name, self._token(name), (), {team: Role.SERVICE})

    def _narrowed(
        self,
        label: str,
        whole: Asker,
        scopes: tuple[Scope, ...],
        only: frozenset[str] | None = None,
    ) -> Asker:
        token = self._token(whole.name, scopes, only)
        return Asker(label, whole.name, token, whole.roles, whole.teams, scopes, only)

    def _token(
        self, name: str, scopes: Any = (Scope.EVERYTHING,), only: frozenset[str] | None = None
    ) -> str:
        assert self._roster is not None
        teams = None if only is None else tuple(sorted(only))
        return create_token(self._roster, Draft(name, "matrix", scopes, teams, 9e6)).secret

    def _ended_job(self, name: str, team: str) -> str:
        plane = self._house.plane
        job = submit(plane, a_job_spec(team=team), name, is_held=True).job
        return cancel(plane, job.id, name).id

    def _signed(self) -> list[Asker]:
        plane, signed = self._house.plane, self._house.signed
        job = submit(plane, a_job_spec(team="red"), "mate").job
        self._house.run(job.id)
        self.jobs["runner", "red"] = job.id
        runner = signed.sign_for_attempt(job.id, 1, "127.0.0.1")
        agent = signed.sign_for_site("local", "127.0.0.1")
        return [
            Asker("runner", f"runner:{job.id}/1", runner, (Role.RUNNER,), job_id=job.id),
            Asker("agent", "agent:local", agent, (Role.AGENT,), site="local"),
        ]


def invitation_for(acme: Acme, team: str) -> str:
    """The id of an open invitation to a team."""
    assert acme.roster is not None
    user = User(f"guest-{team}", teams=((team, Role.MEMBER),))
    made, _ = invite(acme.roster, user, 86_400.0, acme.by)
    return made.id
