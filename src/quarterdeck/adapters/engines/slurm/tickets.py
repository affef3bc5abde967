"""What an engine must find again of an attempt's batch job: two files in the attempt's folder."""

from __future__ import annotations

import fcntl
import os
from collections import defaultdict
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Final

from quarterdeck.adapters.engines.slurm.batch import OUTPUT
from quarterdeck.adapters.engines.slurm.requests import BatchRequest, list_options
from quarterdeck.adapters.spool.locks import is_held
from quarterdeck.adapters.spool.orders import site_disk, write_json
from quarterdeck.adapters.spool.plain import OF_ATTEMPT, make_plain, open_plain
from quarterdeck.adapters.spool.untrusted import Garbled, as_text, as_whole, load_json
from quarterdeck.basics.errors import Conflict, Invalid

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

TICKET: Final = "slurm.json"
NODES: Final = "nodes.json"
"""Which replicas lie on which node, for the runner."""
SUBMITTING: Final = "submitting"
"""Locked while an sbatch lives for it, also by one whose server has died."""
JOB_MAX: Final = 2**32 - 1
_FIELDS: Final = frozenset(field.name for field in fields(BatchRequest))


@dataclass(slots=True)
class Ticket:
    """The batch job as it was asked for. `is_asked`: Slurm may have it; `job` is its id there once
    that is known."""

    folder: Path
    request: BatchRequest
    job: int | None = None
    is_asked: bool = False

    def save(self) -> None:
        """Write it whole. `Unavailable` when the disk does not take it."""
        content = {"request": asdict(self.request), "job": self.job, "is_asked": self.is_asked}
        write_json(self.folder / TICKET, content, levels=OF_ATTEMPT)

    def save_nodes(self, nodes: Sequence[str]) -> None:
        """Write which replicas lie where; replica `i` on `nodes[i]`."""
        ranks: defaultdict[str, list[int]] = defaultdict(list)
        for rank, node in enumerate(nodes):
            ranks[node].append(rank)
        write_json(self.folder / NODES, ranks, levels=OF_ATTEMPT)

    @contextmanager
    def submitting(self) -> Iterator[int]:
        """A locked file, which sbatch is to hold open as we do."""
        with site_disk():
            stream = make_plain(self.folder / SUBMITTING, OF_ATTEMPT)
        with stream:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield stream.fileno()

    def is_being_submitted(self) -> bool:
        """Whether an sbatch of a server that has died may still submit it."""
        if self.job is not None or not self.is_asked:
            return False
        try:
            return is_held(self.folder / SUBMITTING, OF_ATTEMPT)
        except OSError:  # Somebody at the site has shut it.
            return False

    def read_output(self) -> str:
        """The last line that the batch script itself has said; it says nothing if all is well."""
        try:
            with open_plain(self.folder / OUTPUT, OF_ATTEMPT) as stream:
                stream.seek(max(0, stream.seek(0, os.SEEK_END) - 2000))
                content = stream.read()
        except OSError:
            return ""
        return as_text(content.decode(errors="replace").strip().rpartition("\n")[2])


def load_ticket(folder: Path, comment: str) -> Ticket | None:
    """The one with this comment, as `save` wrote it; None where there is none. `Garbled` for what
    has been changed: what we hand in and cancel is what we wrote."""
    content = load_json(folder / TICKET, levels=OF_ATTEMPT)
    if content is None:
        return None
    garbled = Garbled(f"its {TICKET} is not what was written")
    told, job, is_asked = content.get("request"), content.get("job"), content.get("is_asked")
    if not isinstance(told, dict) or told.keys() != _FIELDS or told["comment"] != comment:
        raise garbled
    if not isinstance(is_asked, bool) or (job is not None and as_whole(job, JOB_MAX) is None):
        raise garbled
    try:
        warning = tuple(told["warning"]) if told["warning"] else None
        request = BatchRequest(**{**told, "nodes": tuple(told["nodes"]), "warning": warning})
        list_options(request)
    except (AttributeError, Invalid, TypeError, ValueError):
        raise garbled from None
    return Ticket(folder, request, job, is_asked)


def of_other_engine(folder: Path, engine: str) -> Conflict:
    """What is said of a live attempt that `engine` has launched, and not the one that finds it."""
    return Conflict(
        f"engine was changed while jobs run: {folder.parent.name}/{folder.name} was launched with "
        f"{engine}",
        code="engine_changed",
        field="engine",
        hint=f"say engine: {engine} again in the site's file until its jobs have ended",
    )
