"""Find the server: from the environment, or from the files of its home."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from quarterdeck.basics.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens, and the token that it wants."""

    url: str
    token: str


def find_server(
    url: str | None = None, token: str | None = None, home: Path | None = None
) -> Address:
    """What is given goes first, then `QD_URL` and `QD_TOKEN` (unless a home is given), then the
    home's `server.json` and `token`. `Unavailable` when there is no server to be found."""
    if home is None:
        url = url or os.environ.get("QD_URL")
        token = token or os.environ.get("QD_TOKEN")
    root = home or Path(os.environ.get("QD_HOME") or Path.home() / ".quarterdeck")
    return Address(url or _read_url(root), token or _read_token(root))


def _read_url(root: Path) -> str:
    try:
        return str(json.loads((root / "server.json").read_text())["url"])
    except (OSError, ValueError, KeyError):
        raise Unavailable(
            f"no server is running on the home {root}",
            code="no_server",
            hint="start one with `qd up --detach`, or say where it is with QD_HOME or QD_URL",
        ) from None


def _read_token(root: Path) -> str:
    try:
        return (root / "token").read_text().strip()
    except OSError as error:
        raise Unavailable(
            f"the token {root / 'token'} cannot be read: {error.strerror}",
            code="no_token",
            hint="set QD_TOKEN, or QD_HOME to the server's home",
        ) from None
