"""Jobs of each owner as an account of its own, by a launcher that holds the privilege.

The engine and its runners stay what they are: without a right, and the only ones that write to the
spool. They only ask for ranks; see runner/accounts.py and docs/security/privilege.md.
"""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any, Final

from quarterdeck.basics.errors import Unavailable

if TYPE_CHECKING:
    from pathlib import Path

    from quarterdeck.adapters.spool.paths import SitePaths
    from quarterdeck.ports.engine import LaunchOrder

ASK_S_MAX: Final = 10.0
ANSWER_BYTES_MAX: Final = 4096
NOBODY: Final = "*"
"""No name of a person: what is asked for it is refused, by a launcher that works."""


def make_account(launcher: Path | None, order: LaunchOrder, paths: SitePaths) -> dict[str, Any]:
    """What the runner must know to have the ranks started; nothing without a launcher."""
    if launcher is None:
        return {}
    given = {"launcher": str(launcher), "owner": order.owner, "root": str(paths.root)}
    return {"account": given}


def open_site(paths: SitePaths, inside: Path) -> None:
    """Let other accounts pass through the site's folders, and import what is there for jobs. What
    belongs to a job is opened to its account alone, by the runner."""
    paths.ended.chmod(0o700)
    for folder in (paths.attempts, paths.root / "results", paths.root / "checkpoints"):
        folder.mkdir(exist_ok=True)
        for job in folder.iterdir():
            if job.stat(follow_symlinks=False).st_mode & 0o007:  # from before there were accounts
                job.chmod(0o700)
        folder.chmod(0o711)
    for folder in (paths.root, paths.run):
        folder.chmod(0o711)
    for place in (inside, *inside.rglob("*")):
        place.chmod(0o755 if place.is_dir() else 0o644)


def ask_launcher(launcher: Path, owner: str) -> dict[str, Any]:
    """What it says of an owner: `account` and `uid`, or `refused`. `Unavailable` without it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.settimeout(ASK_S_MAX)
        try:
            connection.connect(str(launcher))
            connection.send(json.dumps({"do": "look", "owner": owner}).encode())
            answer = json.loads(connection.recv(ANSWER_BYTES_MAX) or b"{}")
        except (OSError, ValueError) as error:
            raise Unavailable(
                f"the launcher at {launcher} does not answer: {error}",
                hint="systemctl status quarterdeck-launcher.socket; docs/security/privilege.md",
            ) from error
    return dict(answer)


def check_launcher(launcher: Path) -> None:
    """Raise `Unavailable` unless it is there and lets this account ask."""
    refused = str(ask_launcher(launcher, NOBODY).get("refused", ""))
    if not refused.startswith("nobody has said"):
        raise Unavailable(
            f"the launcher at {launcher} does not serve this account: {refused or 'no answer'}",
            hint="see docs/security/privilege.md",
        )
