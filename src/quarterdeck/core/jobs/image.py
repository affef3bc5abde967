"""References of container images, as they may be written.

An image of a registry is named as in the OCI distribution specification, with the registry always
written out: what a short name means differs from node to node, and a limit on images could not be
held against it. An image in a file is named by its whole path, for the same reasons without `..`
and the like: an archive (`oci-archive:`, `docker-archive:`, see containers-transports(5)), or a
squashfs file, which has no prefix, as with enroot.
"""

from __future__ import annotations

import re
from typing import Final

from quarterdeck.basics.errors import Invalid

IMAGE_CHARS_MAX: Final = 512
_REGISTRY: Final = r"(?:localhost|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|[A-Za-z0-9-]+(?=:))"
_PART: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_TAG: Final = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_NAMED: Final = rf"{_REGISTRY}(?::[0-9]{{1,5}})?(?:/{_PART})+(?::{_TAG})?"
_IN_FILE: Final = r"(?:(?:oci|docker)-archive:)?(?:/(?!\.\.?(?:/|@|$))[A-Za-z0-9._+=,%~-]+)+"
IMAGE: Final = re.compile(rf"(?:{_NAMED}|{_IN_FILE})(?:@sha256:[0-9a-f]{{64}})?", re.ASCII)


def check_image(image: str) -> None:
    """Refuse what is no whole reference of an image."""
    if len(image) <= IMAGE_CHARS_MAX and IMAGE.fullmatch(image) is not None:
        return
    told = ascii(image) if len(image) <= IMAGE_CHARS_MAX else f"{len(image)} characters"
    raise Invalid(
        f"image is {told}",
        field="image",
        hint="write the registry, the name and a tag or a digest, for example "
        "docker.io/library/python:3.12 or localhost/ours@sha256:…, or the whole path of a file: "
        "oci-archive:/shared/ours.tar, docker-archive:/shared/ours.tar or /shared/ours.sqsh",
    )
