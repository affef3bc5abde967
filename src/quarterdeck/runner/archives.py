"""Images in tar files, as `podman save` and `docker save` write them, for podman.

Podman gives an image the names that its archive says. A tag of the node would be moved by that for
everybody, so podman is given a copy in which no names are. It lies in the replica's folder.

Sources: the OCI image layout (opencontainers/image-spec, image-layout.md), the docker archive
(moby, image/spec/v1.2.md), containers-transports(5).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import posixpath
import shutil
import stat
import subprocess
import sys
import tarfile
from typing import IO, Any, Iterator

from .programs import own_command
from .refusals import NotEnclosed

OCI, DOCKER = "oci-archive:", "docker-archive:"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
MEMBERS_MAX, JSON_BYTES_MAX = 100_000, 4 * 2**20
_NAMES = ("org.opencontainers.image.ref.name", "io.containerd.image.name")


def is_archive(reference: str) -> bool:
    """Whether the image is in such a file."""
    return reference.startswith((OCI, DOCKER))


def read_id(reference: str) -> str:
    """The id that podman gives the image, without reading all of it; empty where only podman
    knows. `NotEnclosed` for what is no archive of one image."""
    kind, path = _split(reference)
    try:
        with _open(path) as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
            members = {_clean(one): one for one in _members(tar)}
            if kind == DOCKER:
                found = json.loads(_read(tar, members.get("manifest.json")))
                _check_one(reference, found)
                name = str(found[0]["Config"])
            else:
                found = json.loads(_read(tar, members.get("index.json")))["manifests"]
                _check_one(reference, found)
                if found[0].get("mediaType", MANIFEST) != MANIFEST:
                    return ""
                manifest = json.loads(_read(tar, members.get(_blob(found[0]["digest"]))))
                name = _blob(manifest["config"]["digest"])
            # What it says its id is would lead to other images of the node.
            return hashlib.sha256(_read(tar, members.get(name))).hexdigest()
    except (OSError, tarfile.TarError, ValueError, LookupError, TypeError) as error:
        raise _unreadable(reference, error) from None


def load_command(podman: str, reference: str, copy: str) -> list[str]:
    """What has podman load the image, and says its id. The copy is put at this path."""
    return own_command("load", "--image", reference, "--podman", podman, "--copy", copy)


def load(podman: str, reference: str, copy: str) -> int:
    """Have podman load the image under no name; podman's code."""
    kind, path = _split(reference)
    try:
        handle = os.open(copy, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with open(handle, "r+b") as stream:
            with _open(path) as source:
                shutil.copyfileobj(source, stream, 2**20)
            _leave_out_names(kind, stream)
        return subprocess.run([podman, "pull", "--quiet", kind + copy], check=False).returncode
    except (OSError, tarfile.TarError, ValueError, LookupError, TypeError) as error:
        print(_unreadable(reference, error), file=sys.stderr)
        return 1
    finally:
        with contextlib.suppress(OSError):
            os.unlink(copy)


def _split(reference: str) -> tuple[str, str]:
    kind, _, rest = reference.partition(":")
    return kind + ":", rest.partition("@")[0]


def _open(path: str) -> IO[bytes]:
    """Whatever else than a file it is could keep us waiting."""
    stream = open(path, "rb", opener=_open_at_once)  # noqa: SIM115 - the caller closes it
    if stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        return stream
    stream.close()
    raise ValueError("it is no file")


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def _members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for number, member in enumerate(tar):
        if number >= MEMBERS_MAX:
            raise ValueError("it has more than %d members" % MEMBERS_MAX)
        yield member


def _clean(member: tarfile.TarInfo) -> str:
    return posixpath.normpath("/" + member.name).lstrip("/")


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo | None) -> bytes:
    stream = tar.extractfile(member) if member is not None and member.isreg() else None
    if member is None or stream is None:
        raise ValueError("it is none")
    if member.size > JSON_BYTES_MAX:
        raise ValueError("%s is too large" % member.name)
    return stream.read()


def _check_one(reference: str, found: Any) -> None:  # noqa: ANN401 - JSON
    if len(found) != 1:
        told = "there are %d images in %s: save the one alone" % (len(found), reference)
        raise NotEnclosed(told)


def _blob(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _leave_out_names(kind: str, copy: IO[bytes]) -> None:
    """In place: what is shorter is filled up with blanks, which JSON has no eyes for."""
    copy.seek(0)
    with tarfile.open(fileobj=copy, mode="r:") as tar:
        members = list(_members(tar))
        index = "index.json" if kind == OCI else "manifest.json"
        if kind == OCI and any(member.issym() or member.islnk() for member in members):
            raise ValueError("there are links in it")
        named = [one for one in members if _clean(one) in (index, "repositories")]
        said = [(one, _without_names(_clean(one), json.loads(_read(tar, one)))) for one in named]
    for member, content in said:
        text = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
        if len(text) > member.size:
            raise ValueError("%s is no plain JSON" % member.name)
        copy.seek(member.offset_data)
        copy.write(text.ljust(member.size))
    copy.flush()


def _without_names(name: str, content: Any) -> Any:  # noqa: ANN401 - JSON
    if name == "repositories":
        return {}
    for one in content["manifests"] if name == "index.json" else content:
        one.pop("RepoTags", None)
        for key in _NAMES:
            (one.get("annotations") or {}).pop(key, None)
    return content


def _unreadable(reference: str, error: Exception) -> NotEnclosed:
    is_missing = isinstance(error, OSError) and error.strerror
    told = error.strerror if isinstance(error, OSError) and is_missing else str(error)
    return NotEnclosed(
        "the image %s cannot be read on this node: %s. The file is to be what `podman save "
        "--format oci-archive` or `docker save` writes, not compressed, where the nodes see it"
        % (reference, told)
    )
