"""A work folder by content: the list of its files, each named by the digest of its bytes.

The manifest's own bytes are canonical (sorted, no spaces), so equal folders have equal digests and
are kept once. It is itself a blob; a job's spec holds its digest.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any, Final

from quarterdeck.basics.errors import Invalid

FILES_MAX: Final = 100_000
PATH_BYTES_MAX: Final = 4096
_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """A file (`digest`) or a symbolic link (`target`) at a path relative to the folder."""

    path: str
    mode: int = 0o644
    size_bytes: int = 0
    digest: str | None = None
    target: str | None = None

    def __post_init__(self) -> None:
        """Refuse whatever could land outside the folder."""
        _check_path(self.path)
        if (self.digest is None) == (self.target is None):
            raise _wrong(self.path, "has both content and a link target, or neither")
        if self.digest is not None and _DIGEST.fullmatch(self.digest) is None:
            raise _wrong(self.path, f"has the digest {self.digest!r}, which is not SHA-256")
        if self.target is not None:
            _check_target(self.path, self.target)
        if not 0 <= self.mode <= 0o777:
            raise _wrong(self.path, f"has mode {self.mode:o}; only permission bits are kept")
        if self.size_bytes < 0:
            raise _wrong(self.path, f"has size {self.size_bytes}")


@dataclass(frozen=True, slots=True)
class Manifest:
    """Files by path, sorted."""

    files: tuple[ManifestFile, ...]

    def __post_init__(self) -> None:
        """Refuse doubles, and files where another entry needs a folder."""
        if len(self.files) > FILES_MAX:
            raise Invalid(
                f"the work folder has {len(self.files)} files; at most {FILES_MAX}",
                field="files",
                hint="leave out what the job does not need with a .qdignore file",
            )
        paths = [entry.path for entry in self.files]
        if paths != sorted(set(paths)):
            raise Invalid(
                "the files are not sorted by path, or one is there twice",
                field="files",
                hint="list each path once, sorted",
            )
        taken = set(paths)
        for path in paths:
            folder = path.rpartition("/")[0]
            while folder:
                if folder in taken:
                    raise _wrong(path, f"lies under {folder!r}, which is a file or a link")
                folder = folder.rpartition("/")[0]

    def to_bytes(self) -> bytes:
        """The canonical form."""
        files = [_plain(entry) for entry in self.files]
        return json.dumps({"files": files}, separators=(",", ":"), sort_keys=True).encode()

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical form."""
        return hashlib.sha256(self.to_bytes()).hexdigest()


def parse_manifest(content: bytes) -> Manifest:
    """The manifest that `to_bytes` wrote. `Invalid` for anything else."""
    try:
        plain = json.loads(content)["files"]
        files = tuple(_parse_entry(entry) for entry in plain)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Invalid(
            f"this is not a work folder's manifest: {error}",
            field="snapshot",
            hint="use the digest that POST /v1/snapshots returned",
        ) from error
    return Manifest(files)


def _parse_entry(entry: dict[str, Any]) -> ManifestFile:
    """A link has no mode or size of its own, so what is said of them is not kept."""
    mode, size = _whole(entry.get("mode", 0o644)), _whole(entry.get("size", 0))
    if entry.get("target") is not None:
        return ManifestFile(entry["path"], digest=entry.get("digest"), target=entry["target"])
    return ManifestFile(entry["path"], mode, size, entry.get("digest"))


def _plain(entry: ManifestFile) -> dict[str, str | int]:
    if entry.target is not None:
        return {"path": entry.path, "target": entry.target}
    assert entry.digest is not None
    return {
        "path": entry.path,
        "mode": entry.mode,
        "size": entry.size_bytes,
        "digest": entry.digest,
    }


def _whole(number: object) -> int:
    if type(number) is not int:
        raise TypeError(f"{number!r} is not a whole number")
    return number


def _check_path(path: str) -> None:
    parts = path.split("/")
    if not path or "\0" in path or any(part in ("", ".", "..") for part in parts):
        raise _wrong(path, "is not a plain relative path")
    if _count_bytes(path, path) > PATH_BYTES_MAX:
        raise _wrong(path[:80] + "…", f"is longer than {PATH_BYTES_MAX} bytes")


def _check_target(path: str, target: str) -> None:
    depth = path.count("/")
    if not target or target.startswith("/") or "\0" in target:
        raise _wrong(path, f"links to {target!r}, which is not inside the work folder")
    _count_bytes(path, target)
    for part in target.split("/"):
        if part == "..":
            depth -= 1
        elif part not in ("", "."):
            depth += 1
        if depth < 0:
            raise _wrong(path, f"links to {target!r}, which is not inside the work folder")


def _count_bytes(path: str, text: str) -> int:
    try:
        return len(text.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:
        raise _wrong(path, f"names {text!r}, which no file system can hold") from None


def _wrong(path: str, what: str) -> Invalid:
    return Invalid(
        f"the work folder's file {path!r} {what}",
        field="files",
        hint="leave it out with a .qdignore file, or put its content into the folder",
    )
