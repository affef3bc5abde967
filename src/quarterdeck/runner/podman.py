"""Podman, as a program that is asked: what images there are, fetch one, end containers.

What a container is to have in its environment is told by arguments and a file. An image in an
archive is known by its id, which is the digest of its configuration, and so of all that is in it:
what an archive says of names is left out, so that it moves no tag on the node.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from typing import Any, Iterable

from .archives import is_archive, load_command, read_id
from .programs import PATH, ask, last_line
from .refusals import NotEnclosed

INITS = (
    "/usr/libexec/podman/catatonit",
    "/usr/lib/podman/catatonit",
    "/usr/bin/catatonit",
    "/usr/libexec/catatonit/catatonit",
)
CONTAINERS, ARCHIVE = "containers", "image.tar"
"""Files in a replica's folder: the names of its containers, for whoever clears up, and the copy of
the archive that its image is loaded from."""


def find_podman() -> str | None:
    """The program."""
    return shutil.which("podman", path=PATH)


def find_init() -> str | None:
    """The small program that is a container's first process, where there is one."""
    return next((path for path in INITS if os.access(path, os.X_OK)), None)


def find_runtime(podman: str) -> str:
    """The OCI runtime that podman uses here."""
    done = ask(podman, "info", "--format", "{{.Host.OCIRuntime.Name}}")
    if done.returncode:
        told = last_line(done.stderr.decode("utf-8", "replace"))
        raise NotEnclosed("podman does not work on this node: %s" % told)
    return done.stdout.decode("utf-8", "replace").strip()


def find_image(
    podman: str, reference: str, fetched: str = ""
) -> tuple[str, str, dict[str, str]] | None:
    """The image that is here under this reference, or that was fetched for it under this id: its
    reference by content, its id, and its variables."""
    plain, _, digest = reference.partition("@")
    if is_archive(reference):
        image_id = fetched or read_id(reference)
        if digest and image_id not in ("", digest.partition(":")[2]):
            told = "the image in %s is another one now: sha256:%s" % (plain, image_id)
            raise NotEnclosed(told + "; put back the one that is asked for, or ask for this one")
        found = _inspect(podman, image_id) if image_id else None
        if found is None:
            return None
        pinned = "%s@sha256:%s" % (plain, found["Id"])
    else:
        pinned = without_tag(reference)
        found = _inspect(podman, pinned)
        if found is None:
            return None
        if not digest:
            if not str(found.get("Digest", "")).startswith("sha256:"):
                raise NotEnclosed(
                    "the image %s has no digest on this node: push it to a registry, or import it "
                    "with podman again" % reference
                )
            pinned = "%s@%s" % (_name(pinned), found["Digest"])
    pairs = [pair.partition("=") for pair in (found.get("Config") or {}).get("Env") or []]
    return pinned, str(found["Id"]), {name: text for name, _, text in pairs}


def pull_command(podman: str, reference: str, copy: str) -> list[str]:
    """What fetches the image. Of an archive there is a copy at this path meanwhile."""
    if is_archive(reference):
        return load_command(podman, reference.partition("@")[0], copy)
    if reference.startswith("localhost/"):
        raise NotEnclosed(
            "this node has no image %s: build or load it there with podman, or push it to a "
            "registry" % reference
        )
    return [podman, "pull", "--quiet", without_tag(reference)]


def note_container(folder: str, name: str) -> None:
    """Write the name down, before there is such a container."""
    with open(os.path.join(folder, CONTAINERS), "a") as stream:
        stream.write(name + "\n")


def clear_noted(folder: str) -> None:
    """End and remove all containers of a replica: whatever state they are in, and twice is once."""
    with contextlib.suppress(OSError):
        os.unlink(os.path.join(folder, ARCHIVE))
    try:
        with open(os.path.join(folder, CONTAINERS)) as stream:
            names = stream.read().split()
    except OSError:
        return
    podman = find_podman()
    if podman is not None:
        with contextlib.suppress(NotEnclosed):
            remove(podman, names)


def remove(podman: str, names: Iterable[str]) -> None:
    """As `clear_noted`, by name."""
    ask(podman, "rm", "--force", "--ignore", "--time", "0", "--volumes", *names)


def without_tag(reference: str) -> str:
    """Podman takes a tag or a digest, and a digest says more."""
    name, at, digest = reference.partition("@")
    return _name(name) + at + digest if at else reference


def _name(reference: str) -> str:
    registry, slash, rest = reference.rpartition("/")
    return registry + slash + rest.partition(":")[0]


def _inspect(podman: str, name: str) -> dict[str, Any] | None:
    done = ask(podman, "image", "inspect", name)
    if done.returncode:
        told = done.stderr.decode("utf-8", "replace")
        if "no such" in told.lower() or "not known" in told or "not found" in told.lower():
            return None
        raise NotEnclosed("podman does not work on this node: %s" % last_line(told))
    found: dict[str, Any] = json.loads(done.stdout)[0]
    return found
