"""Which references of images are taken, and what becomes of a tag."""

from __future__ import annotations

import pytest

from quarterdeck.basics.errors import Invalid
from quarterdeck.core.jobs.events import Sighting
from quarterdeck.core.jobs.states import JobState, ReplicaState
from quarterdeck.testing.builders import START_NS, a_job_spec
from tests.spec.control.desk import Desk, a_desk

DIGEST = "@sha256:" + "0123456789abcdef" * 4
IMAGE, PINNED = "ghcr.io/ours/torch:2", "ghcr.io/ours/torch" + DIGEST
PULLING = Sighting(0, ReplicaState.PULLING, message=f"pulling {IMAGE}")


@pytest.mark.parametrize(
    "image",
    [
        "docker.io/library/python:3.12",
        "localhost/ours",
        "localhost:5000/ours",
        "registry:5000/a/b-c__d.e:T-1.0",
        "nvcr.io/nvidia/pytorch" + DIGEST,
        "nvcr.io/nvidia/pytorch:24.01-py3" + DIGEST,
        "oci-archive:/shared/images/ours.tar",
        "docker-archive:/shared/ours-1.0.tar" + DIGEST,
        "/shared/..images/.ours/torch+24.01.sqsh",
        "/shared/torch.sqsh" + DIGEST,
    ],
)
def test_a_whole_reference_is_taken(image: str) -> None:
    assert a_job_spec(image=image).image == image


@pytest.mark.parametrize(
    "image",
    [
        "",
        "python",
        "python:3.12",
        "library/python",
        "docker.io",
        "docker.io/",
        "docker.io/Python",
        "docker.io/a//b",
        "docker.io/../b",
        "docker.io/a b",
        "docker.io/a:",
        "docker.io/a\n",
        "docker.io/a:x/../../y",
        "--privileged/a",
        "docker.io/a@sha256:" + "0" * 63,
        "docker.io/a@sha256:" + "A" * 64,
        "docker.io/a@md5:" + "0" * 32,
        "https://docker.io/a",
        "oci-archive:x.tar",
        "oci-archive:/tmp/x.tar:ours",
        "oci-archive:/a/../x.tar",
        "oci-archive:/a/..",
        "docker-archive:/a/./x.tar",
        "docker-archive://a/x.tar",
        "docker-archive:/a/..@sha256:" + "0" * 64,
        "dir:/tmp/x",
        "/",
        "/shared/",
        "/shared/a b.sqsh",
        "/shared/a:/b.sqsh",
        "/shared/..",
        "./x.sqsh",
        "docker.io/" + "a" * 600,
    ],
)
def test_what_is_short_or_no_reference_is_refused(image: str) -> None:
    with pytest.raises(Invalid) as refused:
        a_job_spec(image=image)
    assert refused.value.field == "image"
    assert "registry" in refused.value.hint


def test_pulling_is_seen_once_and_lies_before_the_start() -> None:
    desk = a_desk()
    job = desk.submit(a_job_spec(image=IMAGE))
    desk.scheduler.turn()
    job = desk.see(job, PULLING)
    (replica,) = job.attempts[0].replicas
    assert (job.state, replica.state) == (JobState.STARTING, ReplicaState.PULLING)
    assert replica.message == f"pulling {IMAGE}"
    revision = job.revision
    assert desk.see(job, PULLING).revision == revision
    started = Sighting(0, ReplicaState.STARTED, START_NS, image=PINNED, pull_s=4.5)
    job = desk.see(job, started)
    (replica,) = job.attempts[0].replicas
    assert (job.state, replica.image, replica.pull_s) == (JobState.RUNNING, PINNED, 4.5)
    assert replica.message == ""


def test_what_a_tag_meant_first_it_means_to_the_job_for_ever() -> None:
    desk = a_desk()
    job = desk.submit(a_job_spec(image=IMAGE))
    desk.scheduler.turn()
    assert [order.spec.image for order in desk.desired().run] == [IMAGE]
    job = desk.see(job, Sighting(0, ReplicaState.STARTED, START_NS, image=PINNED))
    assert (job.spec.image, job.image) == (IMAGE, PINNED)
    assert [order.spec.image for order in desk.desired().run] == [PINNED]
    other = "ghcr.io/ours/torch@sha256:" + "f" * 64
    job = desk.see(job, Sighting(0, ReplicaState.LOST, image=other))
    assert job.image == PINNED


def test_an_old_log_without_images_is_read() -> None:
    from quarterdeck.adapters.stores.sql.codec import decode_job, encode

    desk: Desk = a_desk()
    job = desk.run()
    text = encode(job).replace(',"image":null', "").replace(',"is_isolated":false', "")
    text = text.replace(',"image":"","pull_s":null', "")
    assert "image" not in text
    assert decode_job(text).attempts == job.attempts
