"""Sentences about whose files a job may have, written down by hand: work folders are kept once for
everybody, so only what a request says of them keeps them apart."""

from __future__ import annotations

import asyncio
import hashlib
import json

import pytest

from quarterdeck.core.jobs.manifest import Manifest, ManifestFile
from tests.security.acme import ask_app
from tests.security.cast import RUN, Cast, refused


@pytest.fixture(scope="module")
def cast() -> Cast:
    return Cast()


def keep(cast: Cast, who: str, content: bytes) -> tuple[str, bytes]:
    """Upload a work folder of one file; answers its digest and its manifest's bytes."""
    one = ManifestFile("plan.txt", 0o644, len(content), hashlib.sha256(content).hexdigest())
    manifest = Manifest((one,))
    upload(cast, who, content)
    assert cast.says(who, "POST", "/v1/snapshots", json.loads(manifest.to_bytes())).status == 201
    return manifest.digest, manifest.to_bytes()


def upload(cast: Cast, who: str, content: bytes) -> None:
    path = f"/v1/blobs/{hashlib.sha256(content).hexdigest()}"
    sent = ask_app(cast.acme.house.app, cast.tokens[who], "PUT", path, "", content)
    assert asyncio.run(sent).status == 204


def same_as_none(cast: Cast, who: str, folder: str) -> bool:
    """Whatever takes a job says of the work folder what it says of one that there is not."""
    for path, wrap in (("/v1/jobs", False), ("/v1/plans", False), ("/v1/batches", True)):
        for query in ("", "dry_run=true") if path != "/v1/plans" else ("",):
            told = []
            for digest in (folder, "0" * 64):
                body = RUN | {"team": "red", "snapshot": digest}
                reply = cast.says(who, "POST", path, {"jobs": [body]} if wrap else body, query)
                assert reply.status == 422, reply
                told.append(reply.body.decode().replace(digest, "X"))
            assert told[0] == told[1]
    return True


def test_a_job_cannot_have_the_work_folder_of_a_team_that_its_owner_does_not_see(
    cast: Cast,
) -> None:
    folder, _ = keep(cast, "stranger", b"what blue is up to")
    assert same_as_none(cast, "member", folder)
    assert cast.says("stranger", "POST", "/v1/jobs", RUN | {"snapshot": folder}).status == 201
    assert cast.says("admin", "POST", "/v1/plans", RUN | {"snapshot": folder}).status == 200


def test_nobody_gets_a_file_into_a_job_by_a_manifest_that_they_wrote_themselves(
    cast: Cast,
) -> None:
    folder, manifest = keep(cast, "stranger", b"what blue is paid")
    upload(cast, "member", manifest)
    assert same_as_none(cast, "member", folder)


def test_a_colleague_who_reads_a_jobs_request_may_run_it_again_and_a_viewer_not(
    cast: Cast,
) -> None:
    folder, _ = keep(cast, "mate", b"what red is up to")
    made = cast.says("mate", "POST", "/v1/jobs", RUN | {"team": "red", "snapshot": folder})
    path = f"/v1/jobs/{json.loads(made.body)['id']}"
    cast.reads("member", path)
    assert same_as_none(cast, "member", folder)
    request = cast.reads("member", f"{path}/request")
    assert cast.says("member", "POST", "/v1/jobs", request).status == 201
    assert refused(cast.says("viewer", "GET", f"{path}/request"))


def test_an_operator_who_is_in_a_team_gets_no_files_of_another() -> None:
    """They see every job there is, but not what is in it."""
    cast = Cast()
    folder, _ = keep(cast, "stranger", b"what blue found out")
    member = {"role": "member"}
    assert cast.says("admin", "PUT", "/v1/teams/red/members/operator", member).status == 200
    assert same_as_none(cast, "operator", folder)
    digest = hashlib.sha256(b"what blue found out").hexdigest()
    one = {"path": "a", "mode": 420, "size": 19, "digest": digest}
    told = cast.says("operator", "POST", "/v1/snapshots", {"files": [one]})
    assert json.loads(told.body)["missing"] == [digest]
