"""Where runners on other machines say that their spool has news: by a file of that name."""

from __future__ import annotations

import logging
import os
import re
from typing import TYPE_CHECKING, Final

from quarterdeck.adapters.spool.plain import open_folder
from quarterdeck.basics.ids import JobId
from quarterdeck.ports.engine import AttemptRef

if TYPE_CHECKING:
    from quarterdeck.adapters.spool.paths import SitePaths

_NAME: Final = re.compile(r"(?P<job>[A-Za-z0-9_-]{1,64})\.(?P<attempt>[0-9]{1,9})\.[0-9]{1,9}")
log = logging.getLogger(__name__)


class News:
    """The folder of a site's news. What is lost of them costs time only: spools are read anyway."""

    def __init__(self, paths: SitePaths) -> None:
        self._folder = paths.news
        self._folder.mkdir(parents=True, exist_ok=True)

    def take(self) -> list[AttemptRef]:
        """Of which attempts there are any. A file goes before its spool is read, so news that come
        meanwhile are told again."""
        found: dict[AttemptRef, None] = {}
        try:
            with open_folder(self._folder, levels=2) as folder:
                for name in os.listdir(folder):  # noqa: PTH208 - of what is open
                    match = _NAME.fullmatch(name)
                    try:
                        os.unlink(name, dir_fd=folder)
                    except OSError:
                        continue
                    if match is not None:
                        found[AttemptRef(JobId(match["job"]), int(match["attempt"]))] = None
        except OSError as error:
            log.warning("the site's news cannot be read: %s", error)
        return list(found)
