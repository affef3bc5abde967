"""Find the server: from the environment, from what `qd login` has kept, or from a home's files."""

from __future__ import annotations

import ipaddress
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from quarterdeck.basics.errors import Invalid, NotAllowed
from quarterdeck.sdk.logins import find_login, read_logins
from quarterdeck.sdk.problems import NoServer

HINT: Final = (
    "start one with `qd up --detach`, come in to one with `qd login`, or say where it is with "
    "QD_HOME or QD_URL"
)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens, and the token that it wants. `source` says where that is from."""

    url: str
    token: str = field(repr=False)
    source: str = field(default="", compare=False)


def find_server(
    url: str | None = None,
    token: str | None = None,
    home: Path | None = None,
    *,
    needs_token: bool = True,
) -> Address:
    """What is given goes first, then the environment (unless a home is given): `QD_SERVER` (or
    `qd --server`) and `QD_URL` name a server, `QD_TOKEN` is a token for it, `QD_HOME` a home. Where
    none of them does, it is the server that runs the job in which this is asked (by the file
    `QD_CREDENTIALS`), that of the last `qd login`, then the usual home's own.
    `Unavailable` when there is no server to be found.

    A token is only shown to the server that it is for: a login's to that login's server, the
    home's to the home's own server and this machine.
    """
    if home is None:
        token = token or os.environ.get("QD_TOKEN")
        url = url or _named() or os.environ.get("QD_URL")
        if not url and not os.environ.get("QD_HOME"):
            if beside_job := os.environ.get("QD_CREDENTIALS"):
                return _read_credentials(Path(beside_job), token)
            url = read_logins().last
    root = home or Path(os.environ.get("QD_HOME") or Path.home() / ".quarterdeck")
    if not url:
        announced = _announced_url(root)
        return Address(announced, token or _read_token(root), "home" if not token else "QD_TOKEN")
    checked = check_url(url)
    if token or not needs_token:
        return Address(checked, token or "", "QD_TOKEN")
    login = read_logins().servers.get(checked) if home is None else None
    if login is not None:
        return Address(checked, login.token, "login")
    if not is_loopback(checked):
        raise NotAllowed(
            f"there is no token for {checked}",
            code="no_token",
            hint=f"`qd login {checked}`, or set QD_TOKEN; the home's own token is not sent to "
            "other machines",
        )
    return Address(checked, _read_token(root), "home")


def is_loopback(url: str) -> bool:
    """Whether the address is this machine's own."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_url(url: str) -> str:
    """The address without a slash at its end; `Invalid` when it is none."""
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.username
        is_good = is_good and (parts.port is None or parts.port > 0)
    except ValueError:
        is_good = False
    if not is_good:
        raise Invalid(
            f"{url!r} is not the address of a server",
            field="QD_URL",
            hint="write for example http://127.0.0.1:8080",
        )
    return url.rstrip("/")


def _named() -> str | None:
    """The server that `qd --server` or `QD_SERVER` names: an address, or a login's host."""
    named = os.environ.get("QD_SERVER")
    if not named or "://" in named:
        return named or None
    found = find_login(read_logins(), named)
    if len(found) == 1:
        return found[0]
    if found:
        told = f"{named!r} is {len(found)} logins: {', '.join(found)}"
        raise Invalid(told, field="server", hint="name one by its whole address")
    raise Invalid(
        f"there is no login to {named!r}",
        field="server",
        hint=f"write its address, for example https://{named}, or `qd login https://{named}` first",
    )


def _announced_url(root: Path) -> str:
    try:
        told = json.loads((root / "server.json").read_text())
        url, pid = str(told["url"]), int(told["pid"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        raise NoServer(
            f"no server is running on the home {root}", is_announced=False, hint=HINT
        ) from None
    if not _is_alive(pid):
        # Whoever listens on its port by now is somebody else, and must not be shown the token.
        raise NoServer(
            f"the server of the home {root} (pid {pid}) is gone",
            is_announced=True,
            hint="`qd up --detach` starts it again; its jobs go on meanwhile",
        )
    return check_url(url)


def _read_credentials(path: Path, token: str | None) -> Address:
    """What lies beside a running job. It is written anew every few minutes, so it is not kept."""
    try:
        told = json.loads(path.read_text())
        url, own = str(told["url"]), str(told["token"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise NoServer(
            f"the credentials {path} of this job cannot be read",
            is_announced=False,
            hint="they are deleted when the job's attempt is over",
        ) from None
    return Address(check_url(url), token or own, "QD_TOKEN" if token else "QD_CREDENTIALS")


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _read_token(root: Path) -> str:
    try:
        return (root / "token").read_text().strip()
    except OSError as error:
        raise NotAllowed(
            f"the token {root / 'token'} cannot be read: {error.strerror}",
            code="no_token",
            hint="`qd login`, or set QD_TOKEN, or QD_HOME to the server's home",
        ) from None
