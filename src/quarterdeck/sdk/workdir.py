"""Snapshot a work folder: walk it, name every file by its content, upload what is missing.

`.gitignore` files count where they lie, as in git; a `.qdignore` beside them adds to them, and may
bring back with `!` what they leave out. `.git` always stays behind.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pathspec import GitIgnoreSpec

from quarterdeck.basics.errors import Invalid
from quarterdeck.basics.quantities import GIB, format_bytes
from quarterdeck.wire.v1.snapshots import SnapshotFile, SnapshotRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quarterdeck.sdk.client import Client

BYTES_MAX: Final = GIB
FILES_MAX: Final = 100_000
LARGEST_SHOWN: Final = 5
ALWAYS_LEFT: Final = frozenset({".git"})
IGNORE_FILES: Final = (".gitignore", ".qdignore")
HINT: Final = "leave out what the job does not need with a .qdignore file, or use --workdir none"


@dataclass(slots=True)
class Snapshot:
    """A folder's manifest, and where its files are now."""

    root: Path
    request: SnapshotRequest
    paths: dict[str, Path] = field(repr=False, default_factory=dict)


def take_snapshot(root: Path, *, bytes_max: int = BYTES_MAX) -> Snapshot:
    """Read the whole folder. Raises `Invalid` for one that is too large, holds links that lead out,
    or changes meanwhile."""
    if not root.is_dir():
        raise Invalid(f"{root} is not a folder", field="workdir", hint="name one, or none")
    found = sorted(_walk(root), key=lambda entry: entry[0])
    _check_size(found, bytes_max)
    snapshot = Snapshot(root, SnapshotRequest(files=[]))
    for path, status in found:
        snapshot.request.files.append(_describe(root, path, status, snapshot.paths))
    return snapshot


def upload_snapshot(client: Client, snapshot: Snapshot) -> str:
    """Upload what the server does not have; the digest to put into the job."""
    kept = client.keep_snapshot(snapshot.request)
    while kept.missing:
        for digest in kept.missing:
            content = snapshot.paths[digest].read_bytes()
            if hashlib.sha256(content).hexdigest() != digest:
                raise _changed(snapshot.paths[digest])
            client.put_blob(digest, content)
        kept = client.keep_snapshot(snapshot.request)
    return kept.digest


def _walk(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Files and links that are not ignored, as paths relative to the root."""
    left: list[tuple[str, list[tuple[str, GitIgnoreSpec]]]] = [("", [])]
    while left:
        folder, rules = left.pop()
        rules = _with_rules_of(root, folder, rules)
        for entry in os.scandir(root / folder):
            path = f"{folder}/{entry.name}" if folder else entry.name
            is_folder = entry.is_dir(follow_symlinks=False)
            if entry.name in ALWAYS_LEFT or _is_ignored(path, is_folder, rules):
                continue
            if is_folder:
                left.append((path, rules))
            elif entry.is_file(follow_symlinks=False) or entry.is_symlink():
                yield path, entry.stat(follow_symlinks=False)


def _with_rules_of(
    root: Path, folder: str, rules: list[tuple[str, GitIgnoreSpec]]
) -> list[tuple[str, GitIgnoreSpec]]:
    lines: list[str] = []
    for name in IGNORE_FILES:
        path = root / folder / name
        if path.is_file():
            lines += path.read_text(errors="surrogateescape").splitlines()
    return [*rules, (folder, GitIgnoreSpec.from_lines(lines))] if lines else rules


def _is_ignored(path: str, is_folder: bool, rules: list[tuple[str, GitIgnoreSpec]]) -> bool:
    """The innermost file that says anything about the path decides."""
    for folder, spec in reversed(rules):
        inside = path[len(folder) + 1 :] if folder else path
        verdict = spec.check_file(inside + "/" if is_folder else inside).include
        if verdict is not None:
            return verdict
    return False


def _check_size(found: list[tuple[str, os.stat_result]], bytes_max: int) -> None:
    size = sum(status.st_size for _, status in found)
    if size <= bytes_max and len(found) <= FILES_MAX:
        return
    by_top: dict[str, int] = {}
    for path, status in found:
        top = path.partition("/")[0]
        by_top[top] = by_top.get(top, 0) + max(1, status.st_size)
    largest = sorted(by_top, key=lambda top: -by_top[top])[:LARGEST_SHOWN]
    shown = ", ".join(f"{top} ({format_bytes(by_top[top])})" for top in largest)
    raise Invalid(
        f"the work folder has {len(found)} files and {format_bytes(size)}; at most {FILES_MAX} and "
        f"{format_bytes(bytes_max)}. Largest: {shown}",
        field="workdir",
        hint=HINT,
    )


def _describe(
    root: Path, path: str, status: os.stat_result, paths: dict[str, Path]
) -> SnapshotFile:
    try:
        path.encode()
    except UnicodeEncodeError:
        raise Invalid(
            f"the file name {path!r} is not UTF-8", field="workdir", hint="rename it"
        ) from None
    full = root / path
    if stat.S_ISLNK(status.st_mode):
        return SnapshotFile(path=path, mode=0o777, target=_check_link(root, full))
    digest, size = _digest(full)
    paths[digest] = full
    return SnapshotFile(
        path=path, mode=stat.S_IMODE(status.st_mode) & 0o777, size=size, digest=digest
    )


def _check_link(root: Path, link: Path) -> str:
    target = str(link.readlink())
    inside = os.path.normpath(link.parent.relative_to(root) / target)
    if Path(target).is_absolute() or inside == ".." or inside.startswith("../"):
        raise Invalid(
            f"{link} links to {target!r}, which is not inside the work folder",
            field="workdir",
            hint="leave it out with a .qdignore file, or put its content into the folder",
        )
    return target


def _digest(path: Path) -> tuple[str, int]:
    try:
        with path.open("rb") as stream:
            before = os.fstat(stream.fileno())
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            after = os.fstat(stream.fileno())
    except OSError as error:
        raise Invalid(
            f"{path} cannot be read: {error.strerror}", field="workdir", hint=HINT
        ) from None
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise _changed(path)
    return digest, before.st_size


def _changed(path: Path) -> Invalid:
    return Invalid(
        f"{path} changed while it was read",
        field="workdir",
        hint="wait until nothing writes into the work folder, or leave the file out with .qdignore",
    )
