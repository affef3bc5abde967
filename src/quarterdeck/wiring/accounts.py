"""Jobs as accounts of their owners: what must be so before a server may start with it."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from quarterdeck.adapters.engines.local.accounts import check_launcher
from quarterdeck.basics.errors import Refused

if TYPE_CHECKING:
    from pathlib import Path

    from quarterdeck.wiring.home import Home
    from quarterdeck.wiring.settings import Settings

log = logging.getLogger(__name__)


def find_site_root(settings: Settings, home: Home) -> Path:
    """Where the jobs' folders lie. Refuses to leave older ones behind unseen."""
    if settings.jobs_folder is None:
        return home.site_root
    folder = settings.jobs_folder
    if home.site_root.is_dir() and any(home.site_root.iterdir()) and not folder.is_dir():
        raise Refused(
            f"jobs of this home lie in {home.site_root}, and {folder} is not there yet",
            field="jobs_folder",
            hint=f"when no job runs: mv {home.site_root} {folder}",
        )
    return folder


def prepare_accounts(settings: Settings) -> None:
    """Check that jobs can run as other accounts, if they are to. What the server makes from then on
    is nobody else's to read, unless the runner opens it to the job's account."""
    if os.geteuid() == 0:
        log.warning("this server runs as root, which it never needs; see `qd doctor`")
    if settings.launcher is None:
        return
    if os.geteuid() == 0:
        raise Refused(
            "a server that runs as root has no use for a launcher",
            field="launcher",
            hint="start it as an account of its own: docs/security/privilege.md",
        )
    check_launcher(settings.launcher)
    os.umask(0o077)
