"""Who may what, how quickly: permissions, tokens, thousands of people, and a limit in a rush."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, perf_counter_ns
from typing import TYPE_CHECKING, Any

import httpx2

from benchmarks.figures import Figure, as_ms, as_us, percentile
from benchmarks.server import read_server, running_server
from quarterdeck.adapters.identity.signed import SignedTokens
from quarterdeck.adapters.identity.token import HomeToken
from quarterdeck.adapters.stores.memory_directory import MemoryDirectory
from quarterdeck.adapters.stores.sql.store import open_store
from quarterdeck.api.guard import Guard
from quarterdeck.control.roster import Roster, principal_of
from quarterdeck.control.sign_in import SignIn, digest_of
from quarterdeck.core.governance.people import Team, User
from quarterdeck.core.governance.permissions import TABLE
from quarterdeck.core.governance.principal import extent_of
from quarterdeck.core.governance.roles import TEAM_ROLES
from quarterdeck.testing.people import a_large_organization, a_token
from quarterdeck.wiring.clock import SteadyClock
from quarterdeck.wiring.system import RandomSecrets

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

USERS, TEAMS = 2600, 50
TOKENS = 100_000
RUSH, RUSH_LIMIT, RUSH_CONNECTIONS = 1000, 100, 500
CHECKS = 100_000
TOKEN_LOOKS = 20_000
LEAD, LEAD_SECRET = "lead", "qd_secret-of-the-lead"
FOUND = "Person 17"


@dataclass(frozen=True, slots=True)
class Doors:
    """Each a p99 in seconds: a token that is known, one that is not, both through the guard."""

    known_s: float
    unknown_s: float
    guard_s: float


def figures() -> list[Figure]:
    """Permissions, tokens, lists of people, and the rush at a limit."""
    permission_s, doors = measure_permission(), measure_tokens(TOKENS)
    with tempfile.TemporaryDirectory(prefix="qd-bench-") as folder:
        lists = measure_lists(Path(folder))
    with tempfile.TemporaryDirectory(prefix="qd-bench-") as folder:
        rush = measure_rush(Path(folder), RUSH, RUSH_LIMIT, RUSH_CONNECTIONS)
    slowest = max(lists, key=lambda name: lists[name])
    is_exact = rush == {"accepted": RUSH_LIMIT, "limit_reached": RUSH - RUSH_LIMIT}
    return [
        Figure(
            "one permission, of somebody in 50 teams, p99",
            as_us(permission_s),
            "≤ 20 µs",
            holds=permission_s <= 20e-6,
        ),
        *(
            Figure(f"a token of {TOKENS}, {which}, p99", as_us(took), "≤ 1 ms", holds=took <= 0.001)
            for which, took in (
                ("known", doors.known_s),
                ("unknown", doors.unknown_s),
                ("through the whole guard", doors.guard_s),
            )
        ),
        Figure(
            f"{USERS} people in {TEAMS} teams over HTTP, p99 of the slowest ({slowest})",
            as_ms(lists[slowest]),
            "< 200 ms",
            holds=lists[slowest] < 0.200,
        ),
        Figure(
            f"{RUSH} submits at once, at a limit of {RUSH_LIMIT}",
            f"{rush['accepted']} accepted",
            f"{RUSH_LIMIT}",
            holds=is_exact,
        ),
    ]


def measure_permission() -> float:
    """The p99, in seconds, of one decision: how far somebody in 50 teams reaches for a row, and
    whether one job is within that."""
    teams = tuple((f"team-{n:03}", TEAM_ROLES[n % 3]) for n in range(TEAMS))
    asker = principal_of(User("somebody", teams=teams), None)
    rows, took = sorted(TABLE), []
    for number in range(CHECKS):
        row = rows[number % len(rows)]
        team = f"team-{number % 97:03}"
        began = perf_counter_ns()
        extent_of(asker, *row).covers(team, "somebody", "j000000001")
        took.append(perf_counter_ns() - began)
    return percentile(took, 0.99) / 1e9


def measure_tokens(count: int) -> Doors:
    """Finding out whose token it is, of so many."""
    directory = MemoryDirectory()
    clock = SteadyClock(0)
    entries = tuple(a_large_organization(USERS, TEAMS))
    tokens = tuple(
        a_token(n, f"user-{n % (USERS - 1):05}", secret_digest=digest_of(f"qd_{n}"))
        for n in range(count)
    )
    directory.change(0, put=entries, tokens=tokens)
    roster = Roster(directory, clock, RandomSecrets())
    signed = SignedTokens(b"k" * 32, "home", clock, lambda _job, _attempt: True)
    sign_in = SignIn(roster, [HomeToken("token-of-the-home", "ada"), signed])
    secrets = [f"qd_{n * 7919 % count}" for n in range(TOKEN_LOOKS)]

    def look(secret: str) -> None:
        assert sign_in.find_principal(secret, "127.0.0.1") is not None

    def look_in_vain(secret: str) -> None:
        assert sign_in.find_principal(f"{secret}x", "127.0.0.1") is None

    guard = Guard(_nothing, sign_in, frozenset())
    return Doors(_p99(look, secrets), _p99(look_in_vain, secrets), _p99(_through(guard), secrets))


async def _nothing(scope: Scope, _receive: Receive, _send: Send) -> None:
    assert scope["state"]["actor"]


def _through(guard: Guard) -> Callable[[str], None]:
    def ask(secret: str) -> None:
        headers = [(b"host", b"127.0.0.1:8000"), (b"authorization", f"Bearer {secret}".encode())]
        scope = {"type": "http", "method": "GET", "path": "/v1/jobs", "headers": headers}
        served = guard({**scope, "client": ("127.0.0.1", 4711)}, _nothing, _nothing)  # type: ignore[arg-type]
        try:
            served.send(None)
        except StopIteration:
            return
        raise AssertionError("the guard waited")

    return ask


def _p99(ask: Callable[[str], None], secrets: list[str]) -> float:
    took = []
    for secret in secrets:
        began = perf_counter_ns()
        ask(secret)
        took.append(perf_counter_ns() - began)
    return percentile(took, 0.99) / 1e9


def measure_lists(home: Path) -> dict[str, float]:
    """The p99, in seconds, of lists, searches and pages of people over HTTP, asked by an owner and
    by somebody who leads three teams and sees only those."""
    _fill(home)
    with running_server("--pretend", "dgx-a100:1", home=home):
        found = {}
        for who, token in (("owner", (home / "token").read_text().strip()), ("lead", LEAD_SECRET)):
            headers = {"Authorization": f"Bearer {token}"}
            with httpx2.Client(base_url=read_server(home)["url"], headers=headers) as client:
                found[f"list, {who}"] = _ask_often(client, "/v1/users", {"limit": 100})
                found[f"search, {who}"] = _ask_often(client, "/v1/users", {"search": FOUND})
                found[f"page, {who}"] = _page_often(client)
                found[f"teams, {who}"] = _ask_often(client, "/v1/teams", {})
    return found


def _fill(home: Path) -> None:
    store = open_store(home / "quarterdeck.db")
    entries = list(a_large_organization(USERS, TEAMS))
    led = tuple((f"team-{n:03}", TEAM_ROLES[0]) for n in range(3))
    lead = User(LEAD, teams=led)
    token = a_token(1, LEAD, secret_digest=digest_of(LEAD_SECRET))
    store.directory.change(0, put=[*entries, lead], tokens=[token])
    assert len([one for one in entries if isinstance(one, Team)]) == TEAMS
    store.close()


def _ask_often(client: httpx2.Client, path: str, query: dict[str, Any]) -> float:
    took = []
    for _ in range(150):
        began = perf_counter()
        answer = client.get(path, params=query)
        took.append(perf_counter() - began)
        assert answer.status_code == 200, answer.text
    return percentile(took, 0.99)


def _page_often(client: httpx2.Client) -> float:
    took, names = [], []
    for _ in range(5):
        query: dict[str, Any] = {"limit": 100}
        while True:
            began = perf_counter()
            page = client.get("/v1/users", params=query).json()
            took.append(perf_counter() - began)
            names += [user["name"] for user in page["users"]]
            if page["next_after"] is None:
                break
            query["after"] = page["next_after"]
    assert len(names) == 5 * len(set(names))
    return percentile(took, 0.99)


def measure_rush(home: Path, submits: int, limit: int, connections: int) -> Counter[str]:
    """How many of so many submits at once a limit of queued jobs lets in: the answers' codes."""
    with running_server("--pretend", "dgx-a100:1", home=home):
        return asyncio.run(_rush(home, submits, limit, connections))


async def _rush(home: Path, submits: int, limit: int, connections: int) -> Counter[str]:
    headers = {"Authorization": f"Bearer {(home / 'token').read_text().strip()}"}
    async with httpx2.AsyncClient(
        base_url=read_server(home)["url"],
        headers=headers,
        limits=httpx2.Limits(max_connections=connections),
        timeout=120,
    ) as client:
        # Nothing may start meanwhile, which would make room.
        quota = {"queued_jobs": {"value": limit}, "running_jobs": {"value": 0}}
        (await client.put("/v1/teams/default/limits", json=quota)).raise_for_status()
        body = {"run": ["true"]}
        posts = (client.post("/v1/jobs", json=body) for _ in range(submits))
        answers = await asyncio.gather(*posts)
        kept = (await client.get("/v1/teams/default")).json()["queued_jobs"]
    codes = Counter("accepted" if one.status_code == 201 else one.json()["code"] for one in answers)
    assert kept == codes["accepted"], (kept, codes)
    return codes
