"""A work folder as a list of files by content: what is sent with a job.

Read once, in a stable order. Symbolic links are kept as links when they stay inside the folder.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from quarterdeck.basics.errors import Invalid
from quarterdeck.basics.quantities import GIB, format_bytes
from quarterdeck.sdk.bodies import CHUNK_BYTES, changed
from quarterdeck.sdk.calls import FileBody
from quarterdeck.sdk.ignoring import Rules, rules_of
from quarterdeck.sdk.problems import NotAServer
from quarterdeck.wire.v1.snapshots import SnapshotFile, SnapshotRequest

UPLOADS_AT_A_TIME: Final = 4
ROUNDS_MAX: Final = 3
"""How often a server may ask for missing files before something must be wrong."""

READ_TRIES: Final = 3
LARGEST_SHOWN: Final = 3
IGNORE_HINT: Final = "leave it out with a .qdignore file"


@dataclass(frozen=True, slots=True)
class SizeLimits:
    """How much may travel with a job."""

    size_bytes: int = GIB
    files: int = 100_000


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A folder's manifest, sorted by path, and where its files are now. `beside` are those that
    lie elsewhere than below the root."""

    root: Path
    request: SnapshotRequest
    beside: Mapping[str, Path] = field(default_factory=dict)

    def bodies(self, missing: Sequence[str]) -> list[FileBody]:
        """The files with these contents, ready to be sent."""
        by_digest = {entry.digest: entry for entry in self.request.files if entry.digest}
        if not by_digest.keys() >= set(missing):
            raise never_enough()
        found = [(digest, by_digest[digest]) for digest in missing]
        return [
            FileBody(self._place(entry.path), entry.path, entry.size, digest)
            for digest, entry in found
        ]

    def _place(self, path: str) -> Path:
        return self.beside.get(path, self.root / path)


LIMITS: Final = SizeLimits()


def join(folder: Snapshot, beside: Snapshot) -> Snapshot:
    """One snapshot of a folder and of what goes beside its files. `Invalid` when both have a
    file or folder of the same name at their top."""
    tops = {_top(entry.path).rstrip("/") for entry in beside.request.files}
    for entry in folder.request.files:
        if _top(entry.path).rstrip("/") in tops:
            raise Invalid(
                f"the work folder has {_top(entry.path)}, which is a name of Quarterdeck's own",
                field="workdir",
                hint=f"rename it, or {IGNORE_HINT}",
            )
    files = sorted((*folder.request.files, *beside.request.files), key=lambda entry: entry.path)
    places = {entry.path: beside.root / entry.path for entry in beside.request.files}
    return Snapshot(folder.root, SnapshotRequest(files=files), places)


def take_snapshot(root: Path, limits: SizeLimits = LIMITS) -> Snapshot:
    """Walk the folder and take the digest of every file. `Invalid` says what cannot travel."""
    try:
        real = root.absolute().resolve()
        is_folder = real.is_dir()
    except (OSError, RuntimeError, ValueError):
        # A loop of links, a name that is too long, a NUL byte in it.
        is_folder = False
    if not is_folder:
        raise Invalid(
            f"the work folder {ascii(str(root))[:200]} is not a folder",
            field="workdir",
            hint="name a folder, or `none` for a job without one",
        )
    walk = _Walk(real, limits)
    walk.enter(real, "", rules_of(real))
    walk.check_limits()
    files = [_with_digest(real, entry) for entry in walk.entries]
    return Snapshot(real, SnapshotRequest(files=sorted(files, key=lambda entry: entry.path)))


def never_enough() -> NotAServer:
    """The error for a server that still lacks files after all were sent."""
    return NotAServer(
        f"the server still asks for files of the work folder after {ROUNDS_MAX} uploads",
        code="upload_incomplete",
        hint="look at the server's log and its disk",
    )


class _Walk:
    """Collects what is there, without reading contents."""

    def __init__(self, root: Path, limits: SizeLimits) -> None:
        self._root = root
        self._limits = limits
        self.entries: list[SnapshotFile] = []

    def enter(self, folder: Path, prefix: str, rules: Rules) -> None:
        """One folder, by names in order; folders inside it follow, without recursion."""
        pending = [(folder, prefix, rules)]
        while pending:
            folder, prefix, rules = pending.pop()
            inside = []
            for found in _list(folder):
                is_folder = found.is_dir(follow_symlinks=False)
                if rules.leaves_out(found.name, is_folder=is_folder):
                    continue
                path = prefix + found.name
                if is_folder:
                    deeper = Path(found.path)
                    inside.append((deeper, path + "/", rules.enter(deeper, found.name)))
                else:
                    self._add(found, path)
            pending += reversed(inside)

    def check_limits(self) -> None:
        """Refuse a folder that is too large, and say what makes it so."""
        size_bytes = sum(entry.size for entry in self.entries)
        limits = self._limits
        if len(self.entries) > limits.files:
            raise self._too_large(f"more than {limits.files} files", _most_files(self.entries))
        if size_bytes > limits.size_bytes:
            what = f"{format_bytes(size_bytes)}, more than {format_bytes(limits.size_bytes)}"
            raise self._too_large(what, _largest(self.entries))

    def _add(self, found: os.DirEntry[str], path: str) -> None:
        try:
            path.encode()
        except UnicodeEncodeError:
            raise Invalid(
                f"the name of {path!a} is not UTF-8",
                field="workdir",
                hint=f"rename it, or {IGNORE_HINT}",
            ) from None
        try:
            status = found.stat(follow_symlinks=False)
        except OSError as error:
            raise changed(path) from error
        if stat.S_ISLNK(status.st_mode):
            self.entries.append(SnapshotFile(path=path, target=_link_target(self._root, path)))
        elif stat.S_ISREG(status.st_mode):
            mode = stat.S_IMODE(status.st_mode) & 0o777
            self.entries.append(SnapshotFile(path=path, mode=mode, size=status.st_size))
        else:
            raise Invalid(
                f"{path} is neither a file nor a folder nor a link (a socket, pipe or device)",
                field="workdir",
                hint=IGNORE_HINT,
            )
        if len(self.entries) > self._limits.files:
            self.check_limits()

    def _too_large(self, what: str, largest: str) -> Invalid:
        return Invalid(
            f"the work folder {self._root} has {what}; the largest: {largest}",
            code="workdir_too_large",
            field="workdir",
            hint="leave out what the job does not need with a .qdignore file, "
            "or send no folder with `--workdir none`",
        )


def _list(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise Invalid(
            f"{folder} cannot be read: {error.strerror}", field="workdir", hint=IGNORE_HINT
        ) from error


def _link_target(root: Path, path: str) -> str:
    """The link's target, relative. Both what it says and where it leads must be inside."""
    place = root / path
    try:
        target = str(place.readlink())
    except OSError as error:
        raise changed(path) from error
    relative = target
    if target.startswith("/"):
        relative = os.path.relpath(target, place.parent)
    leads_to = posixpath.normpath(posixpath.join(posixpath.dirname(path), relative))
    real = os.path.realpath(place)
    if _is_outside(leads_to) or _is_outside(os.path.relpath(real, root)):
        raise Invalid(
            f"{path} is a link to {target}, which is outside of the work folder",
            field="workdir",
            hint=f"put the content there instead of the link, or {IGNORE_HINT}",
        )
    return relative


def _is_outside(relative: str) -> bool:
    return relative == ".." or relative.startswith(("../", "/"))


def _with_digest(root: Path, entry: SnapshotFile) -> SnapshotFile:
    """The entry with the digest of its bytes; a file that is being written is read again."""
    if entry.target is not None:
        return entry
    for _ in range(READ_TRIES):
        done = _read_once(root / entry.path, entry.path)
        if done is not None:
            return done
    raise changed(entry.path)


def _read_once(place: Path, path: str) -> SnapshotFile | None:
    """None when the file changed while it was read."""
    digest = hashlib.sha256()
    try:
        # O_NOFOLLOW: a link that took the file's place meanwhile may lead anywhere.
        handle = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(handle, "rb", buffering=0) as file:
            before = os.fstat(file.fileno())
            if not stat.S_ISREG(before.st_mode):
                return None
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
                if file.tell() > before.st_size:
                    return None
            after = os.fstat(file.fileno())
    except PermissionError as error:
        raise Invalid(
            f"{path} cannot be read: {error.strerror}", field="workdir", hint=IGNORE_HINT
        ) from error
    except OSError as error:
        raise changed(path) from error
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        return None
    mode = stat.S_IMODE(after.st_mode) & 0o777
    return SnapshotFile(path=path, mode=mode, size=after.st_size, digest=digest.hexdigest())


def _largest(entries: list[SnapshotFile]) -> str:
    sizes: dict[str, int] = {}
    for entry in entries:
        top = _top(entry.path)
        sizes[top] = sizes.get(top, 0) + entry.size
    return ", ".join(f"{name} ({format_bytes(sizes[name])})" for name in _first(sizes))


def _most_files(entries: list[SnapshotFile]) -> str:
    counts: dict[str, int] = {}
    for entry in entries:
        counts[_top(entry.path)] = counts.get(_top(entry.path), 0) + 1
    return ", ".join(f"{name} ({counts[name]} files)" for name in _first(counts))


def _top(path: str) -> str:
    name, slash, _ = path.partition("/")
    return name + slash


def _first(amounts: dict[str, int]) -> list[str]:
    return sorted(amounts, key=lambda name: (-amounts[name], name))[:LARGEST_SHOWN]
