"""A work folder is kept when all its files are here."""

from __future__ import annotations

import hashlib

from quarterdeck.control.snapshots import keep_snapshot
from quarterdeck.core.jobs.manifest import Manifest, ManifestFile
from tests.spec.control.desk import Desk


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


FOLDER = Manifest(
    (
        ManifestFile("a", digest=digest_of(b"a")),
        ManifestFile("b", digest=digest_of(b"b")),
        ManifestFile("c", target="a"),
    )
)


def test_missing_files_are_named_and_the_folder_is_not_kept() -> None:
    desk = Desk()
    desk.blobs.put(digest_of(b"a"), [b"a"])
    kept = keep_snapshot(desk.plane, FOLDER)
    assert kept.missing == (digest_of(b"b"),)
    assert desk.blobs.missing([FOLDER.digest])


def test_a_whole_folder_is_kept_under_its_digest() -> None:
    desk = Desk()
    for content in (b"a", b"b"):
        desk.blobs.put(digest_of(content), [content])
    for _ in range(2):
        kept = keep_snapshot(desk.plane, FOLDER)
        assert (kept.digest, kept.missing) == (FOLDER.digest, ())
    with desk.blobs.open(FOLDER.digest) as stream:
        assert stream.read() == FOLDER.to_bytes()


def test_an_empty_folder_is_a_folder() -> None:
    assert keep_snapshot(Desk().plane, Manifest(())).missing == ()
