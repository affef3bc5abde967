"""What a job shows the server: a file beside its log with a token for this attempt alone.

The token lives for minutes, so the file is written anew long before that: by the engine's own turns
and by a new server at once, whose address may be another one. The job's client reads the file for
every request. After the attempt the token is good for nothing, and the file is deleted.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Final

from quarterdeck.adapters.spool.orders import write_json
from quarterdeck.adapters.spool.plain import open_folder
from quarterdeck.basics.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from quarterdeck.ports.engine import AttemptRef

FILE: Final = "credentials.json"
"""The runner tells the job its path as `QD_CREDENTIALS`."""
RENEW_S: Final = 300.0
"""A third of a token's life: two turns may be missed."""

log = logging.getLogger(__name__)


class Credentials:
    """Keeps the file of every live replica fresh. `sign` makes a token for an attempt; `url` is
    where the server is to be asked from this machine."""

    def __init__(self, url: str, sign: Callable[[AttemptRef], str]) -> None:
        self._url = url
        self._sign = sign
        self._written_s: dict[AttemptRef, float] = {}

    def put(self, ref: AttemptRef, folders: Iterable[Path], *, is_fenced: bool = False) -> None:
        """Write them for an attempt. On a full disk the old ones stay until the next turn.

        `is_fenced`: only the account of the job's owner can pass the folder, and is to read it.
        """
        content = {"url": self._url, "token": self._sign(ref)}
        try:
            for folder in folders:
                write_json(folder / FILE, content, mode=0o644 if is_fenced else 0o600)
        except Unavailable as error:
            log.warning("attempt %s/%d gets no credentials yet: %s", *ref, error)
            return
        self._written_s[ref] = monotonic()

    def is_due(self, ref: AttemptRef) -> bool:
        """Whether they are old, or were written by another server."""
        written_s = self._written_s.get(ref)
        return written_s is None or monotonic() - written_s >= RENEW_S

    def drop(self, ref: AttemptRef, folders: Iterable[Path]) -> None:
        """Delete them."""
        self._written_s.pop(ref, None)
        for folder in folders:
            with suppress(OSError), open_folder(folder) as here:
                os.unlink(FILE, dir_fd=here)
