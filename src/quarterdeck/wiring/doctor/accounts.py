"""As whom jobs run, and whether anything runs as root that need not."""

from __future__ import annotations

import json
import os
import pwd
from pathlib import Path
from typing import TYPE_CHECKING, Final

from quarterdeck.adapters.engines.local.accounts import check_launcher
from quarterdeck.basics.errors import Unavailable
from quarterdeck.wiring.doctor.findings import Finding, note, ok, problem

if TYPE_CHECKING:
    from collections.abc import Mapping

PAGE: Final = "docs/security/privilege.md"


def look_at_root(uid: int) -> Finding:
    """A server needs no right of root's, nor does anything of it. `uid`: its own, or ours."""
    if uid == 0:
        return note(
            "privilege",
            "as root, a server gives its jobs every right on this machine, and it needs none",
            f"start it as an account of its own, see {PAGE}",
        )
    return ok("privilege", f"nothing runs as root (uid {uid})")


def look_at_accounts(launcher: str | None, uid: int) -> Finding:
    """Whether each owner's jobs run as an account of their own."""
    if launcher is None:
        return note(
            "accounts",
            f"all jobs run as {_name(uid)}, the server's account: people who share this server "
            "can read each other's files and end each other's processes",
            f"`qd up --launcher SOCKET` runs each as its owner's account, see {PAGE}",
        )
    if not Path(launcher).is_socket():
        return problem("accounts", f"there is no launcher at {launcher}", f"see {PAGE}")
    if not os.access(launcher, os.W_OK):
        return note(
            "accounts",
            f"a launcher at {launcher}, which {_name(os.geteuid())} may not ask",
            "only the server's account may; run `qd doctor` as that",
        )
    try:
        check_launcher(Path(launcher))
    except Unavailable as error:
        return problem("accounts", error.message, error.hint)
    return ok("accounts", f"each job runs as the account of its owner, by {launcher}")


def find_server_uid(root: Path) -> int:
    """Whose the home's server is; without one, whose a server would be that is started now."""
    try:
        pid = int(json.loads((root / "server.json").read_text())["pid"])
        return Path(f"/proc/{pid}").stat().st_uid
    except (OSError, ValueError, KeyError, TypeError):
        return os.geteuid()


def find_launcher(root: Path, environment: Mapping[str, str]) -> str | None:
    """What the home's server uses; without one, what a server would be told."""
    try:
        told = json.loads((root / "server.json").read_text())
    except (OSError, ValueError):
        return environment.get("QD_LAUNCHER")
    return told.get("launcher") if isinstance(told, dict) else None


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
