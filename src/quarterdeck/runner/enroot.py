"""Enroot, as a program that is asked: unpack an image once, by its content, and start it.

    /shared/ours.sqsh, or a registry's image --import--> .sqsh --create--> a folder --tame--> start

Unpacked images lie where enroot has its containers, one for each content, and are shared by all
jobs, which cannot write them. Enroot does what an image says while it is set up: it mounts what
`/etc/fstab` names, reads `/etc/environment`, runs `/etc/rc`, and opens `/.lock`, also where these
are links that lead out of the image. So all of these are taken out or made plain files before it
is started for the first time.

Sources: enroot's doc/image-format.md, doc/configuration.md, src/runtime.sh, src/docker.sh (4.1.2).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from typing import Iterator

from .programs import PATH, ask, last_line, outside, own_command
from .refusals import NotEnclosed

PREFIX = "qd-"
HUB, HUB_HOST = "docker.io", "registry-1.docker.io"
VERSION_MIN = (4, 0)
"""The first that knows digests of registries."""
TEXT_BYTES_MAX = 2**20
CHUNK_BYTES = 2**20
SETTINGS = ("ENROOT_VERSION", "ENROOT_DATA_PATH", "ENROOT_SYSCONF_PATH")
_TELL = "trap 'printf \"%%s\\n\" %s' EXIT" % " ".join('"$%s"' % name for name in SETTINGS)
_REMOVED = ("fstab", "rc", "rc.local", "mtab")


def find_enroot() -> str | None:
    """The program."""
    return shutil.which("enroot", path=PATH)


def is_file(reference: str) -> bool:
    """Whether the image is a squashfs file."""
    return reference.startswith("/")


def read_settings(enroot: str) -> dict[str, str]:
    """What enroot's configuration comes to for this account. It is read by a shell, as shell."""
    with tempfile.TemporaryDirectory(prefix="qd-") as folder:
        script = os.path.join(folder, "tell")
        with open(script, "w") as stream:
            stream.write(_TELL + "\n")
        done = ask(enroot, "version", environment={**outside(), "BASH_ENV": script})
    lines = done.stdout.decode("utf-8", "replace").splitlines()[-len(SETTINGS) :]
    if done.returncode or len(lines) < len(SETTINGS) or not all(lines):
        told = last_line(done.stderr.decode("utf-8", "replace"))
        raise NotEnclosed("enroot does not work on this node: %s" % told)
    return dict(zip(SETTINGS, lines))


def make_uri(reference: str) -> str:
    """A registry's image as enroot calls it: a digest says more than a tag."""
    name, at, digest = reference.partition("@")
    registry, _, rest = name.partition("/")
    image, _, tag = rest.partition(":")
    host = HUB_HOST if registry == HUB else registry
    return "docker://%s#%s%s" % (host, image, at + digest if at else ":" + (tag or "latest"))


def pin(reference: str, digest: str) -> str:
    """The reference by content."""
    name = reference.partition("@")[0]
    if not is_file(name):
        registry, slash, rest = name.rpartition("/")
        name = registry + slash + rest.partition(":")[0]
    return "%s@sha256:%s" % (name, digest)


def name_container(pinned: str) -> str:
    """What the unpacked image is called: with its repository, which a team may be held to, but
    for a file, which has been read."""
    name, _, digest = pinned.partition("@")
    text = digest if is_file(name) else pinned
    return PREFIX + hashlib.sha256(text.encode()).hexdigest()[:40]


def find_unpacked(data: str, reference: str) -> tuple[str, str] | None:
    """The image that is here already: its reference by content, and what its container is called.
    What a tag means now only its registry knows."""
    name, _, digest = reference.partition("@")
    if is_file(name):
        known = _read_known(data, name)
        if known and digest:
            check_same(reference, known)
        digest = "sha256:" + known if known else ""
    if not digest:
        return None
    pinned = pin(reference, digest.partition(":")[2])
    container = name_container(pinned)
    return (pinned, container) if os.path.isdir(os.path.join(data, container)) else None


def check_same(reference: str, digest: str) -> None:
    """`NotEnclosed` where a file holds another image than its job had before."""
    name, _, wanted = reference.partition("@")
    if wanted not in ("", "sha256:" + digest):
        raise NotEnclosed(
            "the image in %s is another one now: sha256:%s; put back the one that is asked for, or "
            "ask for this one" % (name, digest)
        )


def unpack_command(enroot: str, reference: str) -> list[str]:
    """What unpacks the image, and says its reference by content."""
    return own_command("unpack", "--image", reference, "--enroot", enroot)


def unpack(enroot: str, reference: str) -> int:
    """Unpack the image unless it is here; say its reference by content on standard output."""
    try:
        settings = read_settings(enroot)
        data = settings["ENROOT_DATA_PATH"]
        path = reference.partition("@")[0]
        if is_file(reference):
            digest = _read_digest(data, path)
            check_same(reference, digest)
        else:
            _check_version(settings["ENROOT_VERSION"])
            digest = reference.partition("@sha256:")[2] or _ask_digest(enroot, reference)
        pinned = pin(reference, digest)
        _unpack(enroot, data, pinned)
    except (NotEnclosed, OSError, subprocess.CalledProcessError) as error:
        if not isinstance(error, subprocess.CalledProcessError):
            print(error, file=sys.stderr)  # otherwise the program has said it
        return 1
    print(pinned)
    return 0


def tame(root: str) -> None:
    """Take out of an unpacked image what enroot would do because it is there."""
    top = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        for name in (".lock", ".enroot"):
            _remove(top, name)
        os.close(os.open(".lock", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=top))
        if not stat.S_ISDIR(_mode(top, "etc")):
            _remove(top, "etc")
            os.mkdir("etc", 0o755, dir_fd=top)
        etc = os.open("etc", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=top)
        try:
            for name in _REMOVED:
                _remove(etc, name)
            _read_text(etc, "environment")
            user = "user:x:%d:%d::/:/bin/sh" % (os.geteuid(), os.getegid())
            for name, line in (("passwd", user), ("group", "user:x:%d:" % os.getegid())):
                _add_entry(etc, name, line)
        finally:
            os.close(etc)
    finally:
        os.close(top)


def _check_version(text: str) -> None:
    numbers = tuple(int(part) for part in text.split(".")[:2] if part.isdigit())
    if numbers < VERSION_MIN:
        raise NotEnclosed(
            "enroot %s does not know digests of a registry's images: it is to be %d.%d at least, "
            "or give the image as a .sqsh file" % (text, *VERSION_MIN)
        )


def _ask_digest(enroot: str, reference: str) -> str:
    done = ask(enroot, "digest", make_uri(reference))
    digest = last_line(done.stdout.decode("utf-8", "replace")).partition("sha256:")[2]
    if done.returncode or len(digest) != hashlib.sha256().digest_size * 2:
        raise NotEnclosed(last_line(done.stderr.decode("utf-8", "replace")))
    return digest


def _read_digest(data: str, path: str) -> str:
    """Of a file's content; reading it all is spared while its status is the same."""
    known = _read_known(data, path)
    if known:
        return known
    found = hashlib.sha256()
    with open(path, "rb") as stream:
        status = os.fstat(stream.fileno())
        for chunk in iter(lambda: stream.read(CHUNK_BYTES), b""):
            found.update(chunk)
    os.makedirs(os.path.join(data, ".qd"), exist_ok=True)
    place = _place_of_known(data, path, status)
    with open(place + ".new", "w") as writer:
        writer.write(found.hexdigest())
    os.replace(place + ".new", place)
    return found.hexdigest()


def _read_known(data: str, path: str) -> str:
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise NotEnclosed("the image %s is no file: name a .sqsh file" % path)
    except OSError as error:
        told = "the image %s cannot be read on this node: %s" % (path, error.strerror)
        raise NotEnclosed(told + ". It is to be a .sqsh file where the nodes see it") from None
    with contextlib.suppress(OSError), open(_place_of_known(data, path, status)) as stream:
        return stream.read().strip()
    return ""


def _place_of_known(data: str, path: str, status: os.stat_result) -> str:
    parts = (path, status.st_dev, status.st_ino, status.st_size)
    text = repr((*parts, status.st_mtime_ns, status.st_ctime_ns))
    return os.path.join(data, ".qd", hashlib.sha256(text.encode()).hexdigest()[:40])


def _unpack(enroot: str, data: str, pinned: str) -> None:
    container = name_container(pinned)
    place = os.path.join(data, container)
    with _locked(data, container):
        if os.path.isdir(place):
            return
        new, fetched = container + ".new", place + ".sqsh"
        name = pinned.partition("@")[0]
        try:
            if not is_file(name):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(fetched)
                _do(enroot, "import", "--output", fetched, make_uri(pinned))
            _do(enroot, "create", "--force", "--name", new, name if is_file(name) else fetched)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(fetched)
        if is_file(name) and _read_known(data, name) != pinned.partition("@sha256:")[2]:
            raise NotEnclosed("%s was changed while it was read: try again" % name)
        tame(os.path.join(data, new))
        os.rename(os.path.join(data, new), place)


def _do(*command: str) -> None:
    """What it says is said on standard error, which is kept."""
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr, cwd="/")


@contextlib.contextmanager
def _locked(data: str, container: str) -> Iterator[None]:
    """One at a time; another one waits, and finds it done."""
    folder = os.path.join(data, ".qd")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, container + ".lock"), "w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _mode(folder: int, name: str) -> int:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return 0


def _remove(folder: int, name: str) -> None:
    """Whatever it is, and never what it leads to."""
    mode = _mode(folder, name)
    if stat.S_ISDIR(mode):
        shutil.rmtree("/proc/self/fd/%d/%s" % (folder, name))
    elif mode:
        os.unlink(name, dir_fd=folder)


def _read_text(folder: int, name: str) -> str:
    """What stands in a plain file; what is none, or has no end, is removed."""
    mode = _mode(folder, name)
    if stat.S_ISREG(mode):
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        with open(handle, errors="replace") as stream:
            text = stream.read(TEXT_BYTES_MAX + 1)
        if len(text) <= TEXT_BYTES_MAX:
            return text
    _remove(folder, name)
    return ""


def _add_entry(folder: int, name: str, line: str) -> None:
    """Many programs want to know what the user is called."""
    text = _read_text(folder, name)
    number = line.split(":")[2]
    if any(one.split(":")[2:3] == [number] for one in text.splitlines()):
        return
    _remove(folder, name)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with open(os.open(name, flags, 0o644, dir_fd=folder), "w") as stream:
        stream.write("%s%s%s\n" % (text, "" if text.endswith("\n") or not text else "\n", line))
