"""What a local site keeps of ended attempts, and how it is let go.

Whatever goes is renamed into `trash` first: at its place it is whole or not there at all, and what
a crash leaves in `trash` is deleted by the next listing. Of logs and results a word stays behind,
in the attempt's folder under `ended`. That folder must stay as long as the job: by it the engine
knows an attempt that was run before.
"""

from __future__ import annotations

import contextlib
import logging
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from quarterdeck.adapters.spool.orders import write_json
from quarterdeck.adapters.spool.plain import OF_ATTEMPT, list_folders, open_folder, remove_tree
from quarterdeck.adapters.spool.untrusted import Garbled, as_text, is_number, load_json
from quarterdeck.basics.errors import NotFound, Unavailable
from quarterdeck.basics.ids import JobId, is_job_id
from quarterdeck.basics.times import to_iso
from quarterdeck.core.retention.rules import Kind, Stored
from quarterdeck.ports.engine import AttemptRef

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from quarterdeck.adapters.spool.paths import SitePaths
    from quarterdeck.ports.keeping import Deletion

MARK: Final = "deleted.json"

log = logging.getLogger(__name__)


class SpoolStock:
    """A `SiteStock` on the site's folders."""

    def __init__(self, paths: SitePaths) -> None:
        self._paths = paths

    def list_stored(self) -> Iterator[Stored]:
        """By kind, in no order. Empties the trash first."""
        for entry in _scan(self._trash):
            _remove(self._trash / entry.name)
        for job in list_folders(self._paths.ended, 1):
            yield from self._list_ended(job)
        for kind, root in ((Kind.RESULTS, "results"), (Kind.CHECKPOINTS, "checkpoints")):
            for job in list_folders(self._paths.root / root, 1):
                if not is_job_id(job.name):
                    continue
                if kind is Kind.CHECKPOINTS:
                    yield Stored(kind, job.name, *_measure(job), job_id=job.name)
                    continue
                for attempt in list_folders(job, 2):
                    if is_number(attempt.name):
                        yield _of_attempt(kind, attempt, *_measure(attempt))

    def drop(self, stored: Stored, deletion: Deletion, is_unused: Callable[[], bool]) -> bool:
        """Leave word, rename aside, ask again, delete. The word is believed only where there is
        nothing, so it may come too soon, but never too late; unless the disk has no room for it,
        because then it is this that makes room."""
        places = self._places(stored)
        if places is None:
            return False
        is_told = stored.kind not in (Kind.LOGS, Kind.RESULTS) or self._leave_word(stored, deletion)
        aside = [(place, self._aside(place)) for place in places if place.exists()]
        moved = [(place, target) for place, target in aside if _move(place, target)]
        if len(moved) < len(aside) or not is_unused():
            for place, target in reversed(moved):
                if not place.exists():
                    target.rename(place)
            return False
        for _, target in moved:
            _remove(target)
        if stored.kind is Kind.LEFTOVERS:
            _remove_if_empty(self._paths.root / "results" / stored.job_id)
        if not is_told:
            self._leave_word(stored, deletion)
        return bool(moved)

    def drop_job(self, job_id: str) -> None:
        """Its ended attempts, results and checkpoints."""
        for root in ("ended", "results", "checkpoints"):
            place = self._paths.root / root / job_id
            target = self._aside(place)
            if place.exists() and _move(place, target):
                _remove(target)

    @property
    def _trash(self) -> Path:
        return self._paths.root / "trash"

    def _aside(self, place: Path) -> Path:
        """A name in the trash that nobody else gives: it is the place's own."""
        return self._trash / "-".join(place.relative_to(self._paths.root).parts)

    def _list_ended(self, job: Path) -> Iterator[Stored]:
        if not is_job_id(job.name):
            return
        has_more = False
        for attempt in list_folders(job, 2):
            if is_number(attempt.name) and _replicas(attempt):
                has_more = True
                yield _of_attempt(Kind.LOGS, attempt, *_measure(attempt))
        if not has_more:
            yield Stored(Kind.LEFTOVERS, job.name, *_measure(job), job_id=job.name)

    def _places(self, stored: Stored) -> list[Path] | None:
        """The folders that hold it; None while its attempt is not out of the engine's hands."""
        job_id = JobId(stored.job_id)
        if stored.kind is Kind.CHECKPOINTS:
            return [self._paths.root / "checkpoints" / job_id]
        if stored.kind is Kind.LEFTOVERS:
            return [self._paths.ended / job_id]
        ref = AttemptRef(job_id, stored.attempt)
        if self._paths.attempt(ref).exists():
            return None
        if stored.kind is Kind.RESULTS:
            return [self._paths.results(ref)]
        return _replicas(self._paths.ended_attempt(ref))

    def _leave_word(self, stored: Stored, deletion: Deletion) -> bool:
        folder = self._paths.ended_attempt(AttemptRef(JobId(stored.job_id), stored.attempt))
        word = {stored.kind.value: {"at_ns": deletion.at_ns, "rule": deletion.rule}}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / MARK, {**_read_words(folder), **word}, levels=OF_ATTEMPT)
        except (OSError, Unavailable) as error:
            log.warning("that %s of %s go is not noted: %s", stored.kind, stored.name, error)
            return False
        return True


def check_not_deleted(paths: SitePaths, ref: AttemptRef, kind: Kind) -> None:
    """Raise `NotFound` with code `deleted_by_retention` if that is why there is nothing."""
    word = _read_words(paths.ended_attempt(ref)).get(kind.value)
    if word is None:
        return
    day = _day_of(word)
    what = "log of attempt {} was" if kind is Kind.LOGS else "results of attempt {} were"
    raise NotFound(
        f"job {ref.job_id}: the {what.format(ref.attempt)} deleted on {day} by retention "
        f"({as_text(word['rule'])})",
        code="deleted_by_retention",
        hint=f"`qd up --keep {kind.value}=SPAN,SIZE` keeps them longer",
    )


def _read_words(folder: Path) -> dict[str, Any]:
    """What was left of each kind; what is no such word is none."""
    try:
        found = load_json(folder / MARK, levels=OF_ATTEMPT) or {}
    except (OSError, Garbled):
        return {}
    return {kind: word for kind, word in found.items() if _is_word(word)}


def _is_word(word: object) -> bool:
    return isinstance(word, dict) and _day_of(word) is not None and "rule" in word


def _day_of(word: dict[str, Any]) -> str | None:
    try:
        return to_iso(int(word["at_ns"]))[:10]
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return None


def _of_attempt(kind: Kind, folder: Path, size_bytes: int, touched_ns: int) -> Stored:
    job_id, attempt = folder.parent.name, int(folder.name)
    return Stored(kind, f"{job_id}/{attempt}", size_bytes, touched_ns, job_id, attempt)


def _replicas(attempt: Path) -> list[Path]:
    return [folder for folder in list_folders(attempt, OF_ATTEMPT) if is_number(folder.name)]


def _measure(root: Path) -> tuple[int, int]:
    """What the folder takes on the disk, and when anything in it was last written."""
    size_bytes = newest_ns = 0
    pending = [root]
    while pending:
        folder = pending.pop()
        for entry in _scan(folder):
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:  # It is gone, or deeper than a path can be long.
                continue
            size_bytes += status.st_blocks * 512
            if stat.S_ISDIR(status.st_mode):
                pending.append(folder / entry.name)
            else:
                newest_ns = max(newest_ns, status.st_mtime_ns)
    if not newest_ns:
        try:
            newest_ns = root.stat().st_mtime_ns
        except FileNotFoundError:
            newest_ns = 0
    return size_bytes, newest_ns


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:  # It is gone, is no folder, or is deeper than a path can be long.
        return []


def _move(place: Path, target: Path) -> bool:
    try:
        target.parent.mkdir(exist_ok=True)
        place.rename(target)
    except OSError as error:
        log.warning("%s cannot be moved aside to be deleted: %s", place.name, error)
        return False
    return True


def _remove(path: Path) -> None:
    """Delete what lies in the trash, unless that is a link to elsewhere."""
    with contextlib.suppress(OSError), open_folder(path.parent, levels=1) as trash:
        remove_tree(path.name, trash)


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return
