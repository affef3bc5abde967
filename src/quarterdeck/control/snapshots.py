"""Keep a work folder: its files by content first, then the manifest that names them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quarterdeck.control.plane import ControlPlane
    from quarterdeck.core.jobs.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Kept:
    """The manifest's digest; it is kept once nothing is missing any more."""

    digest: str
    missing: tuple[str, ...]


def keep_snapshot(plane: ControlPlane, manifest: Manifest) -> Kept:
    """Keep the manifest if all its files are here; otherwise say which are not."""
    digests = [entry.digest for entry in manifest.files if entry.digest is not None]
    missing = plane.blobs.missing(digests)
    if not missing:
        plane.blobs.put(manifest.digest, [manifest.to_bytes()])
    return Kept(manifest.digest, tuple(missing))
