"""Who may ask at all: Host, Origin, Sec-Fetch-Site and token, before anything looks at the path.

A page in the user's browser can send requests to loopback, also under a host name of its own that
resolves to 127.0.0.1 (DNS rebinding). So the host must be one of ours, an origin must be too, and
every request but two probes needs the token, on loopback as well. All of this is one plain ASGI
middleware outside the router: a path or method that does not exist is guarded like any other.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final

from quarterdeck.api.problems import answer_error
from quarterdeck.basics.errors import NotAllowed, QuarterdeckError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from quarterdeck.core.governance.principal import Principal
    from quarterdeck.ports.identity import Identity

PROBES: Final = frozenset({("GET", "/healthz"), ("GET", "/readyz")})
CODE_DOORS: Final = frozenset({("POST", "/v1/invitations/accept"), ("POST", "/v1/claim")})
"""Through these people come who have no token yet: the code that they bring is as good as one."""
OPEN_TO_ALL: Final = PROBES | CODE_DOORS
_AUTHORITY: Final = re.compile(
    r"(?P<host>\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(?::[0-9]{1,5})?", re.ASCII
)
_SCHEMES: Final = ("http://", "https://")
_READ: Final = (b"host", b"origin", b"sec-fetch-site", b"authorization")
_OWN_SITES: Final = frozenset({"same-origin", "none"})
_BEARER: Final = "bearer "


class Guard:
    """Lets a request through with its actor in the scope's state, or answers with a problem."""

    def __init__(self, app: ASGIApp, identity: Identity, allowed_hosts: frozenset[str]) -> None:
        self._app = app
        self._identity = identity
        self._allowed_hosts = frozenset(host.lower() for host in allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check, then pass on. There are no web sockets here, so none is let in."""
        if scope["type"] == "http":
            try:
                self._check(scope)
            except QuarterdeckError as error:
                await answer_error(error)(scope, receive, send)
                return
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        hosts, origins, sites, credentials = _read_headers(scope)
        self._check_host(hosts)
        self._check_origin(origins)
        self._check_site(sites)
        if (scope["method"], scope["path"]) in OPEN_TO_ALL:
            return
        scope.setdefault("state", {})["actor"] = self._get_actor(
            credentials, (scope.get("client") or ("",))[0]
        )

    def _check_host(self, hosts: list[str]) -> None:
        if len(hosts) == 1 and self._is_ours(hosts[0]):
            return
        said = repr(hosts[0]) if len(hosts) == 1 else f"{len(hosts)} Host headers"
        raise NotAllowed(
            f"this server is not known as {said}",
            code="bad_host",
            field="Host",
            hint="use 127.0.0.1, localhost or a host name that the server was started with",
        )

    def _check_origin(self, origins: list[str]) -> None:
        for origin in origins:
            scheme = next((one for one in _SCHEMES if origin.lower().startswith(one)), None)
            if scheme is None or not self._is_ours(origin[len(scheme) :]):
                raise NotAllowed(
                    f"requests from pages of {origin!r} are refused",
                    code="bad_origin",
                    field="Origin",
                    hint="open the server under its own address",
                )

    def _check_site(self, sites: list[str]) -> None:
        """A browser says so by itself, and no page can change it. Another port of this machine is
        `same-site`: as foreign as any."""
        for site in sites:
            if site.strip().lower() not in _OWN_SITES:
                raise NotAllowed(
                    f"requests that a browser calls {site[:80]!a} are refused",
                    code="cross_site",
                    field="Sec-Fetch-Site",
                    hint="open the server under its own address",
                )

    def _is_ours(self, authority: str) -> bool:
        match = _AUTHORITY.fullmatch(authority.lower())
        if match is None:
            return False
        host = match["host"].strip("[]")
        if host == "localhost" or host in self._allowed_hosts:
            return True
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False

    def _get_actor(self, credentials: list[str], source: str) -> Principal:
        if len(credentials) != 1 or not credentials[0].lower().startswith(_BEARER):
            raise NotAllowed(
                "the request carries no token",
                code="no_token",
                field="Authorization",
                hint="`qd login` keeps one for you; on the server's own machine `qd` takes the one "
                "of its home",
            )
        token = credentials[0][len(_BEARER) :].strip()
        actor = self._identity.find_principal(token, source) if token.isascii() else None
        if actor is None:
            raise NotAllowed(
                "the token is not known here, is too old, or was revoked",
                code="unknown_token",
                field="Authorization",
                hint="`qd login` with a new one; on the server's own machine the file `token` of "
                "its home",
            )
        return actor


def _read_headers(scope: Scope) -> tuple[list[str], ...]:
    """Every value of the headers that are looked at, in the order of `_READ`."""
    found: dict[bytes, list[str]] = {name: [] for name in _READ}
    for name, value in scope["headers"]:
        if name in found:
            found[name].append(value.decode("latin-1"))
    return tuple(found.values())
