"""Bring a work folder's files to the site before a launch needs them."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Final

from quarterdeck.core.jobs.manifest import parse_manifest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quarterdeck.ports.blobs import Blobs
    from quarterdeck.ports.site import ControlLink

CHUNK_BYTES: Final = 1 << 20


def fetch_snapshot(digest: str | None, blobs: Blobs, link: ControlLink) -> None:
    """Fetch the manifest and whichever of its files the site does not have.

    For a site that shares the control plane's blobs nothing is ever missing.
    """
    if digest is None:
        return
    _fetch([digest], blobs, link)
    with blobs.open(digest) as stream:
        manifest = parse_manifest(stream.read())
    _fetch([entry.digest for entry in manifest.files if entry.digest is not None], blobs, link)


def _fetch(digests: list[str], blobs: Blobs, link: ControlLink) -> None:
    for digest in blobs.missing(digests):
        with link.open_blob(digest) as stream:
            blobs.put(digest, _chunks(stream))


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK_BYTES):
        yield chunk
