"""A work folder by content: nothing in it can land outside."""

from __future__ import annotations

import json
from typing import Any

import pytest

from quarterdeck.basics.errors import Invalid
from quarterdeck.core.jobs import manifest as manifest_module
from quarterdeck.core.jobs.manifest import (
    PATH_BYTES_MAX,
    Manifest,
    ManifestFile,
    parse_manifest,
)

DIGEST = "ab" * 32
FOLDER = Manifest(
    (
        ManifestFile("data/latest", target="../train.py"),
        ManifestFile("data/x\udc80.bin", 0o600, 12, DIGEST),
        ManifestFile("train.py", 0o755, 3, DIGEST),
    )
)


@pytest.mark.parametrize(
    "path",
    ["", "/etc/passwd", "a//b", "a/", "./a", "a/./b", "..", "a/../b", "a\0b", "x" * 4097, "\ud800"],
)
def test_a_path_that_is_not_plain_and_relative_is_refused(path: str) -> None:
    with pytest.raises(Invalid) as refusal:
        ManifestFile(path, digest=DIGEST)
    assert refusal.value.field == "files"
    assert refusal.value.hint


def test_a_path_may_be_as_long_as_the_system_allows() -> None:
    assert ManifestFile("x" * PATH_BYTES_MAX, digest=DIGEST).mode == 0o644


@pytest.mark.parametrize("target", ["", "/etc/passwd", "..", "../../x", "a/../../../x", "a\0"])
def test_a_link_out_of_the_folder_is_refused(target: str) -> None:
    with pytest.raises(Invalid, match="not inside the work folder"):
        ManifestFile("link", target=target)


@pytest.mark.parametrize("target", ["..", "../x", "../../x", "./../b/../x", "../a/../../c"])
def test_a_link_may_climb_as_far_as_it_lies_deep(target: str) -> None:
    assert ManifestFile("a/b/link", target=target).target == target


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, "neither"),
        ({"digest": DIGEST, "target": "x"}, "both"),
        ({"digest": "AB" * 32}, "not SHA-256"),
        ({"digest": DIGEST + "\n"}, "not SHA-256"),
        ({"digest": DIGEST, "mode": 0o4755}, "permission bits"),
        ({"digest": DIGEST, "mode": -1}, "permission bits"),
        ({"digest": DIGEST, "size_bytes": -1}, "size"),
    ],
)
def test_an_entry_is_a_file_or_a_link_with_sane_bits(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(Invalid, match=why):
        ManifestFile("a", **changes)


@pytest.mark.parametrize("paths", [("b", "a"), ("a", "a")])
def test_paths_are_sorted_and_unique(paths: tuple[str, ...]) -> None:
    with pytest.raises(Invalid, match="not sorted"):
        Manifest(tuple(ManifestFile(path, digest=DIGEST) for path in paths))


@pytest.mark.parametrize("paths", [("a", "a/b"), ("a", "a/b/c")])
def test_nothing_lies_under_a_file_or_a_link(paths: tuple[str, ...]) -> None:
    first, second = paths
    with pytest.raises(Invalid, match="lies under"):
        Manifest((ManifestFile(first, target="x"), ManifestFile(second, digest=DIGEST)))


def test_too_many_files_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest_module, "FILES_MAX", 2)
    with pytest.raises(Invalid, match=r"3 files; at most 2") as refusal:
        Manifest(FOLDER.files)
    assert ".qdignore" in refusal.value.hint


def test_equal_folders_have_equal_digests() -> None:
    again = Manifest(tuple(FOLDER.files))
    assert again.digest == FOLDER.digest
    other = Manifest((*FOLDER.files[:2], ManifestFile("train.py", 0o644, 3, DIGEST)))
    assert other.digest != FOLDER.digest


def test_what_was_written_reads_back() -> None:
    assert parse_manifest(FOLDER.to_bytes()) == FOLDER


def entry(**changes: Any) -> bytes:
    plain = {"path": "a", "mode": 420, "size": 1, "digest": DIGEST} | changes
    return json.dumps({"files": [plain]}).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"files": 1}',
        b'{"files": "ab"}',
        b'{"files": [1]}',
        b'{"files": [{}]}',
        b"\xff\xfe",
        b"[" * 100_000,
        entry(path=1),
        entry(path=None),
        entry(path=["a"]),
        entry(mode="420"),
        entry(mode=1.5),
        entry(mode=999.5),
        entry(mode=None),
        entry(size=float("nan")),
        entry(size=1.0),
        entry(size="1"),
        entry(digest=7),
        entry(digest=None, target=7),
        entry(path="../a"),
        entry(path="\ud800"),
    ],
)
def test_anything_else_is_refused_and_nothing_else_is_raised(content: bytes) -> None:
    with pytest.raises(Invalid) as refusal:
        parse_manifest(content)
    assert refusal.value.hint
