"""A work folder is at the site before a launch needs it."""

from __future__ import annotations

import hashlib

import pytest

from quarterdeck.core.jobs.manifest import Manifest, ManifestFile
from quarterdeck.core.jobs.reasons import Reason
from tests.spec.agent.script import Site, an_order, ref

CONTENT = b"print('hello')"
DIGEST = hashlib.sha256(CONTENT).hexdigest()
FOLDER = Manifest(
    (ManifestFile("link", target="train.py"), ManifestFile("train.py", digest=DIGEST))
)


def a_site(*, has_manifest: bool = True, has_file: bool = True) -> Site:
    site = Site()
    if has_manifest:
        site.link.blobs[FOLDER.digest] = FOLDER.to_bytes()
    if has_file:
        site.link.blobs[DIGEST] = CONTENT
    site.quiet_turn()
    return site


def test_manifest_and_files_are_fetched_once_and_then_it_is_launched() -> None:
    site = a_site()
    site.turn(run=(an_order(1, snapshot=FOLDER.digest),))
    site.turn(run=(an_order(2, snapshot=FOLDER.digest),))
    assert site.link.fetched == [FOLDER.digest, DIGEST]
    assert site.engine.starts == [ref(1), ref(2)]
    with site.blobs.open(DIGEST) as stream:
        assert stream.read() == CONTENT


def test_a_site_that_has_the_files_fetches_nothing() -> None:
    site = a_site(has_manifest=False, has_file=False)
    site.blobs.put(FOLDER.digest, [FOLDER.to_bytes()])
    site.blobs.put(DIGEST, [CONTENT])
    site.turn(run=(an_order(1, snapshot=FOLDER.digest),))
    assert site.link.fetched == []
    assert site.engine.starts == [ref(1)]


@pytest.mark.parametrize("has_manifest", [True, False])
def test_a_folder_that_is_nowhere_fails_the_setup_and_nothing_else(has_manifest: bool) -> None:
    site = a_site(has_manifest=has_manifest, has_file=False)
    site.turn(run=(an_order(1, snapshot=FOLDER.digest), an_order(2)))
    site.quiet_turn()
    assert [one.reason for one in site.told()[ref(1)]] == [Reason.SETUP_FAILED]
    assert site.engine.starts == [ref(2)]


@pytest.mark.parametrize("content", [b"no manifest", b"[" * 100_000])
def test_bytes_that_are_no_manifest_fail_the_setup_and_nothing_else(content: bytes) -> None:
    site = a_site()
    digest = hashlib.sha256(content).hexdigest()
    site.link.blobs[digest] = content
    site.turn(run=(an_order(1, snapshot=digest), an_order(2)))
    site.quiet_turn()
    assert [one.reason for one in site.told()[ref(1)]] == [Reason.SETUP_FAILED]
    assert site.engine.starts == [ref(2)]


def test_bytes_that_changed_on_the_way_are_not_used() -> None:
    site = a_site()
    site.link.blobs[DIGEST] = b"something else"
    site.turn(run=(an_order(1, snapshot=FOLDER.digest),))
    assert site.engine.starts == []
