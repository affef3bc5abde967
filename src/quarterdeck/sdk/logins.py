"""What `qd login` keeps: a token for each server, in one file that only its owner can read.

It is `quarterdeck/logins.json` under `XDG_CONFIG_HOME` (`~/.config`), written whole and at once.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from quarterdeck.basics.errors import NotAllowed, Refused

VERSION: Final = 1
_OTHERS: Final = 0o077


@dataclass(frozen=True, slots=True)
class Login:
    """Who one is to a server, and by what."""

    token: str = field(repr=False)
    name: str = ""


@dataclass(slots=True)
class Logins:
    """By address; `last` is the server of the last login."""

    servers: dict[str, Login] = field(default_factory=dict)
    last: str | None = None


def logins_path() -> Path:
    """Where the file is."""
    given = os.environ.get("XDG_CONFIG_HOME", "")
    # The standard has relative ones ignored.
    root = Path(given) if given.startswith("/") else Path.home() / ".config"
    return root / "quarterdeck" / "logins.json"


def read_logins() -> Logins:
    """What is kept; nothing where there is no file. `NotAllowed` when others may read it."""
    path = logins_path()
    try:
        with path.open(encoding="utf-8") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            told = json.load(stream)
        servers = {
            str(url): Login(str(one["token"]), str(one["name"]))
            for url, one in told["servers"].items()
        }
        last = told["last"]
    except FileNotFoundError:
        return Logins()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        told = getattr(error, "strerror", None) or "it is not a login file"
        raise NotAllowed(
            f"{path} cannot be read: {told}",
            code="unreadable_logins",
            hint="remove it, and log in again",
        ) from None
    if mode & _OTHERS:
        raise NotAllowed(
            f"{path} may be read by others (mode {mode & 0o777:o})",
            code="open_logins",
            hint=f"chmod 600 {path}; if somebody may have read it, `qd token revoke` what is in it",
        )
    return Logins(servers, last if last in servers else None)


def write_logins(logins: Logins) -> Path:
    """Keep them; without any the file goes."""
    path = logins_path()
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    told = {
        "version": VERSION,
        "last": logins.last,
        "servers": {
            url: {"token": one.token, "name": one.name} for url, one in logins.servers.items()
        },
    }
    try:
        if not logins.servers:
            path.unlink(missing_ok=True)
            return path
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh.unlink(missing_ok=True)
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(told, stream, indent=1)
        fresh.replace(path)
    except OSError as error:
        raise Refused(
            f"{path} cannot be written: {error.strerror}",
            code="unwritable_logins",
            hint="set XDG_CONFIG_HOME to a folder of yours",
        ) from None
    return path


def find_login(logins: Logins, named: str) -> list[str]:
    """Addresses of logins with this host, or host and port."""
    wanted = named.lower()
    return [
        url
        for url in logins.servers
        if wanted in (urlsplit(url).netloc.lower(), (urlsplit(url).hostname or "").lower())
    ]
