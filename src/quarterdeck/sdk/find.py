"""Find the server: from the environment, or from the files of its home."""

from __future__ import annotations

import ipaddress
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from quarterdeck.basics.errors import Invalid, NotAllowed
from quarterdeck.sdk.problems import NoServer

HINT: Final = "start one with `qd up --detach`, or say where it is with QD_HOME or QD_URL"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens, and the token that it wants."""

    url: str
    token: str


def find_server(
    url: str | None = None, token: str | None = None, home: Path | None = None
) -> Address:
    """What is given goes first, then `QD_URL` and `QD_TOKEN` (unless a home is given), then the
    home's `server.json` and `token`. `Unavailable` when there is no server to be found.

    The home's token is shown to nobody but the home's own server and this machine.
    """
    if home is None:
        url = url or os.environ.get("QD_URL")
        token = token or os.environ.get("QD_TOKEN")
    root = home or Path(os.environ.get("QD_HOME") or Path.home() / ".quarterdeck")
    if not url:
        return Address(_announced_url(root), token or _read_token(root))
    checked = _checked(url)
    if not token and not is_loopback(checked):
        raise NotAllowed(
            f"there is no token for {checked}",
            code="no_token",
            hint="set QD_TOKEN; the home's own token is not sent to other machines",
        )
    return Address(checked, token or _read_token(root))


def is_loopback(url: str) -> bool:
    """Whether the address is this machine's own."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


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
    return _checked(url)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _checked(url: str) -> str:
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


def _read_token(root: Path) -> str:
    try:
        return (root / "token").read_text().strip()
    except OSError as error:
        raise NotAllowed(
            f"the token {root / 'token'} cannot be read: {error.strerror}",
            code="no_token",
            hint="set QD_TOKEN, or QD_HOME to the server's home",
        ) from None
