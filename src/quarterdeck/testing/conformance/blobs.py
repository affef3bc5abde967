"""What every `Blobs` promises. Subclass it and give it a `blobs` fixture."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from quarterdeck.basics.errors import Invalid, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quarterdeck.ports.blobs import Blobs


def digest_of(content: bytes) -> str:
    """The name of these bytes."""
    return hashlib.sha256(content).hexdigest()


class BlobsConformance:
    """The suite."""

    def test_what_was_put_is_read_back_whole(self, blobs: Blobs) -> None:
        content = b"some" * 1000
        blobs.put(digest_of(content), [content[:7], b"", content[7:]])
        with blobs.open(digest_of(content)) as stream:
            assert stream.read() == content

    def test_no_bytes_at_all_are_bytes_too(self, blobs: Blobs) -> None:
        blobs.put(digest_of(b""), [])
        with blobs.open(digest_of(b"")) as stream:
            assert stream.read() == b""

    def test_missing_keeps_the_order_and_names_each_once(self, blobs: Blobs) -> None:
        here, one, two = (digest_of(name) for name in (b"here", b"one", b"two"))
        blobs.put(here, [b"here"])
        assert blobs.missing([two, here, one, two]) == [two, one]

    def test_bytes_that_are_not_the_digests_are_refused_and_not_kept(self, blobs: Blobs) -> None:
        with pytest.raises(Invalid, match=digest_of(b"other")):
            blobs.put(digest_of(b"wanted"), [b"other"])
        assert blobs.missing([digest_of(b"wanted")]) == [digest_of(b"wanted")]

    def test_putting_twice_is_putting_once(self, blobs: Blobs) -> None:
        for _ in range(2):
            blobs.put(digest_of(b"same"), [b"same"])
        with blobs.open(digest_of(b"same")) as stream:
            assert stream.read() == b"same"

    def test_what_is_not_there_is_not_found(self, blobs: Blobs) -> None:
        with pytest.raises(NotFound):
            blobs.open(digest_of(b"nowhere"))

    def test_a_source_that_breaks_off_leaves_nothing(self, blobs: Blobs) -> None:
        def broken() -> Iterator[bytes]:
            yield b"half"
            raise ConnectionError("gone")

        with pytest.raises(ConnectionError):
            blobs.put(digest_of(b"half and half"), broken())
        assert blobs.missing([digest_of(b"half and half")])

    def test_what_was_just_put_or_asked_for_is_not_unused(self, blobs: Blobs) -> None:
        blobs.put(digest_of(b"a"), [b"a"])
        assert list(blobs.list_unused(60.0)) == []
        assert not blobs.drop_unused(digest_of(b"a"), 60.0)
        assert blobs.missing([digest_of(b"a")]) == []

    def test_what_is_unused_is_listed_and_dropped_once(self, blobs: Blobs) -> None:
        content = b"a" * 5000
        blobs.put(digest_of(content), [content])
        (unused,) = blobs.list_unused(-1.0)
        assert unused.digest == digest_of(content)
        assert unused.size_bytes >= 5000
        assert blobs.drop_unused(unused.digest, -1.0)
        assert not blobs.drop_unused(unused.digest, -1.0)
        assert blobs.missing([unused.digest]) == [unused.digest]
        with pytest.raises(NotFound):
            blobs.open(unused.digest)
        blobs.put(digest_of(content), [content])
        assert blobs.missing([unused.digest]) == []
