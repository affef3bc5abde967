"""`--container-image` as pyxis' users write it, as the image of a job.

pyxis hands it to enroot: `[USER@][REGISTRY#]IMAGE[:TAG]`, where a first part with a dot or a colon
is a registry also without `#` (enroot 4), or the path of a squashfs file. See pyxis' README and
enroot's doc/cmd/import.md.
"""

from __future__ import annotations

import re
from typing import Final

from quarterdeck.sdk.sbatch.directives import Given, wrong
from quarterdeck.sdk.sbatch.values import text_of

HUB: Final = "docker.io"
_SCHEME: Final = "docker://"
_OTHER: Final = re.compile(r"[a-z][a-z0-9+-]*://", re.ASCII)
_USER: Final = re.compile(r"(?P<user>[^/@#]+)@(?!sha256:)(?P<rest>.+)", re.ASCII)


def image(given: Given) -> tuple[str, list[str]]:
    """The image, and what is to be said about it. Whether there is such a name the server says."""
    text = text_of(given)
    if text.startswith("/"):
        return text, []
    if text.startswith("."):
        raise wrong(given, "the path is not whole", "write it from / on, as it is on the nodes")
    text = text.removeprefix(_SCHEME)
    if _OTHER.match(text):
        hint = "push it to a registry, or save it to a file: oci-archive:/shared/ours.tar"
        raise wrong(given, "images of a daemon are not taken", hint)
    told = []
    if found := _USER.fullmatch(text):
        text = found["rest"]
        told.append(f"the login {found['user']} does not travel: nodes have their own")
    registry, sign, name = text.partition("#")
    if sign:
        return _of_registry(registry, name), told
    registry, slash, name = text.partition("/")
    is_registry = slash and ("." in registry or ":" in registry or registry == "localhost")
    return _of_registry(*((registry, name) if is_registry else (HUB, text))), told


def _of_registry(registry: str, name: str) -> str:
    """The hub has short names for what is its own."""
    is_short = registry == HUB and "/" not in name
    return f"{registry}/library/{name}" if is_short else f"{registry}/{name}"
