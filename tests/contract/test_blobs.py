"""Every place for blobs passes the same suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from quarterdeck.adapters.blobs.filesystem import FilesystemBlobs
from quarterdeck.adapters.blobs.memory import MemoryBlobs
from quarterdeck.testing.conformance.blobs import BlobsConformance, digest_of


class TestMemoryBlobs(BlobsConformance):
    @pytest.fixture
    def blobs(self) -> MemoryBlobs:
        return MemoryBlobs()


class TestFilesystemBlobs(BlobsConformance):
    @pytest.fixture
    def blobs(self, tmp_path: Path) -> FilesystemBlobs:
        return FilesystemBlobs(tmp_path / "blobs")

    def test_a_crash_leaves_nothing_behind_after_the_next_start(self, tmp_path: Path) -> None:
        first = FilesystemBlobs(tmp_path / "blobs")
        (first.root / "incoming" / "half").write_bytes(b"half")
        again = FilesystemBlobs(tmp_path / "blobs")
        again.put(digest_of(b"whole"), [b"whole"])
        files = [path for path in first.root.rglob("*") if path.is_file()]
        assert [path.name for path in files] == [digest_of(b"whole")]
