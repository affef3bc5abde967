"""Logs and results of a local site, read from where its runners wrote them."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from quarterdeck.adapters.spool.logs import find_since, find_tail, search
from quarterdeck.adapters.spool.plain import list_folders, open_plain
from quarterdeck.adapters.spool.replica import Spool
from quarterdeck.adapters.spool.stock import check_not_deleted
from quarterdeck.adapters.spool.untrusted import is_number
from quarterdeck.basics.errors import NotFound
from quarterdeck.core.retention.rules import Kind
from quarterdeck.ports.engine import AttemptRef
from quarterdeck.ports.site import LogChunk, LogMatches, ResultFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quarterdeck.adapters.spool.paths import SitePaths
    from quarterdeck.basics.ids import JobId


class SpoolFiles:
    """A `SiteFiles` on the site's folders."""

    def __init__(self, paths: SitePaths) -> None:
        self._paths = paths

    def read_log(
        self, job_id: JobId, attempt: int, node_rank: int, offset: int, limit: int
    ) -> LogChunk:
        """Bytes of the log. Whether it is final is asked before the read, so that nothing that is
        written between the two can be missed."""
        ref = AttemptRef(job_id, attempt)
        log, is_final = self._open_log(ref, node_rank)
        if log is None:
            check_not_deleted(self._paths, ref, Kind.LOGS)
            return LogChunk(offset, b"", is_final)
        with log:
            log.seek(offset)
            data = log.read(limit)
            size = os.fstat(log.fileno()).st_size
        return LogChunk(offset, data, is_final and offset + len(data) >= size)

    def find_log_start(
        self,
        job_id: JobId,
        attempt: int,
        node_rank: int,
        *,
        tail: int | None = None,
        since_ns: int | None = None,
    ) -> int:
        """By the index beside the log, and by counting lines from its end."""
        ref = AttemptRef(job_id, attempt)
        while True:
            folder, _ = self._find(ref, node_rank)
            starts = [0]
            if since_ns is not None:
                starts.append(find_since(folder, since_ns))
            if tail is not None:
                starts.append(find_tail(folder, tail))
            if self._find(ref, node_rank)[0] == folder:
                return max(starts)

    def search_log(
        self,
        job_id: JobId,
        attempt: int,
        node_rank: int,
        offset: int,
        text: bytes,
        *,
        is_over: bool,
    ) -> LogMatches:
        """Block by block, forwards."""
        ref = AttemptRef(job_id, attempt)
        log, is_final = self._open_log(ref, node_rank)
        if log is None:
            check_not_deleted(self._paths, ref, Kind.LOGS)
            return LogMatches(b"", offset, is_final)
        with log:
            found = search(log, offset, text, is_over=is_over or is_final)
            size = os.fstat(log.fileno()).st_size
        return LogMatches(found.lines, found.next_offset, is_final and found.next_offset >= size)

    def _open_log(self, ref: AttemptRef, node_rank: int) -> tuple[BinaryIO | None, bool]:
        """The replica's log, None if it has none, and whether it is final.

        When an attempt has ended its folder is moved, perhaps just between the look and the
        opening: then it is looked for again. It is moved once.
        """
        folder, is_final = self._find(ref, node_rank)
        while True:
            try:
                return open_plain(folder / "log"), is_final
            except FileNotFoundError:
                before = folder
                folder, is_final = self._find(ref, node_rank)
                if folder == before:
                    return None, is_final

    def _find(self, ref: AttemptRef, node_rank: int) -> tuple[Path, bool]:
        """The replica's folder, and whether its log is final."""
        ended = self._paths.ended_attempt(ref) / str(node_rank)
        if ended.exists():
            return ended, True
        folder = self._paths.replica(ref, node_rank)
        return folder, _has_exited(folder, node_rank)

    def list_results(self, job_id: JobId, attempt: int) -> list[ResultFile]:
        """Regular files under each replica's results folder."""
        found = []
        ref = AttemptRef(job_id, attempt)
        root = self._paths.results(ref)
        if not root.exists():
            check_not_deleted(self._paths, ref, Kind.RESULTS)
        for replica in list_folders(root, 3):
            if not is_number(replica.name):
                continue
            for path, size_bytes in _walk(replica):
                inside = path.relative_to(replica).as_posix()
                found.append(ResultFile(inside, int(replica.name), size_bytes))
        return sorted(found, key=lambda file: (file.path, file.node_rank))

    def open_result(self, job_id: JobId, attempt: int, node_rank: int, path: str) -> BinaryIO:
        """One file, if it really lies in the replica's results folder."""
        ref = AttemptRef(job_id, attempt)
        # The last folder is the job's own, which it may have put a link in the place of.
        root = self._paths.results(ref).resolve() / str(node_rank)
        with contextlib.suppress(OSError, ValueError):
            return _open_beneath(root, path)
        if not root.exists():
            check_not_deleted(self._paths, ref, Kind.RESULTS)
        raise NotFound(
            f"job {job_id} left no {path!r} (attempt {attempt}, replica {node_rank})",
            field="path",
            hint=f"`qd results {job_id}` lists what there is",
        )


def _walk(root: Path) -> Iterator[tuple[Path, int]]:
    """Regular files and their sizes, as far down as paths can be named."""
    pending = [root]
    while pending:
        with contextlib.suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    pending.append(Path(entry.path))
                elif stat.S_ISREG(status.st_mode):
                    yield Path(entry.path), status.st_size


def _open_beneath(root: Path, path: str) -> BinaryIO:
    """The file, open. Where it lies is asked of what is open: a job that still runs may put
    something else in its place between a look at the name and the opening."""
    wanted = (root / path).resolve(strict=True)
    # Without NONBLOCK the opening of a pipe would wait for somebody who writes into it.
    handle = os.open(wanted, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        lies_at = Path(f"/proc/self/fd/{handle}").readlink()
        if stat.S_ISREG(os.fstat(handle).st_mode) and lies_at.is_relative_to(root):
            return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise
    os.close(handle)
    raise FileNotFoundError(path)


def _has_exited(folder: Path, node_rank: int) -> bool:
    spool = Spool(folder, node_rank)
    spool.read()
    return spool.sighting.state.is_gone
