"""Podman, as a program that is asked: what images there are, fetch one, end containers.

It is started with an environment of our own. Nothing that a job or an image says reaches it there:
what a container is to have in its environment is told by arguments and a file.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
from typing import Any, Iterable

from .refusals import NotEnclosed

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ASK_S_MAX = 60.0
PULL_S_MAX = 1800.0
INITS = (
    "/usr/libexec/podman/catatonit",
    "/usr/lib/podman/catatonit",
    "/usr/bin/catatonit",
    "/usr/libexec/catatonit/catatonit",
)
CONTAINERS = "containers"
"""The file in a replica's folder that names its containers, for whoever clears up."""
_KEPT = (
    *("HOME", "LANG", "TMPDIR", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME"),
    *("CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF", "CONTAINERS_REGISTRIES_CONF"),
    *("REGISTRY_AUTH_FILE", "http_proxy", "https_proxy", "no_proxy"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "DBUS_SESSION_BUS_ADDRESS"),
)


class Image:
    """An image that is here. `reference` names its content."""

    def __init__(self, reference: str, image_id: str, environment: dict[str, str]) -> None:
        self.reference = reference
        self.id = image_id
        self.environment = environment


def outside(mark: str = "") -> dict[str, str]:
    """The environment of what runs outside of a container, or starts one."""
    found = {name: os.environ[name] for name in _KEPT if name in os.environ}
    found["PATH"] = PATH
    if mark:
        found["QD_REPLICA"] = mark
    return found


def find_podman() -> str:
    """The program, or `NotEnclosed`."""
    found = shutil.which("podman", path=PATH)
    if found is None:
        raise NotEnclosed(
            "an image needs podman, and this node has none: install podman, crun and catatonit "
            "there; `qd doctor` looks whether they work"
        )
    return found


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


def find_image(podman: str, reference: str) -> Image | None:
    """The image that is here under this reference."""
    plain = without_tag(reference)
    done = ask(podman, "image", "inspect", plain)
    if done.returncode:
        told = done.stderr.decode("utf-8", "replace")
        if "no such" in told.lower() or "not known" in told or "not found" in told.lower():
            return None
        raise NotEnclosed("podman does not work on this node: %s" % last_line(told))
    found: dict[str, Any] = json.loads(done.stdout)[0]
    if "@" not in plain:
        if not str(found.get("Digest", "")).startswith("sha256:"):
            raise NotEnclosed(
                "the image %s has no digest on this node: push it to a registry, or import it "
                "with podman again" % reference
            )
        plain = "%s@%s" % (_name(plain), found["Digest"])
    pairs = [pair.partition("=") for pair in (found.get("Config") or {}).get("Env") or []]
    return Image(plain, found["Id"], {name: text for name, _, text in pairs})


def last_line(text: str) -> str:
    """What a program said last, which is why it failed."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:500] if lines else "it said nothing"


class Pull:
    """An image that is being fetched."""

    def __init__(
        self, podman: str, reference: str, mark: str, log: str, seconds_max: float
    ) -> None:
        if reference.startswith("localhost/"):
            raise NotEnclosed(
                "this node has no image %s: build or load it there with podman, or push it to a "
                "registry" % reference
            )
        self.seconds = 0.0
        self._reference = reference
        self._since = time.monotonic()
        self._seconds_max = seconds_max
        self._log = log
        with open(log, "wb") as output:
            self._process = subprocess.Popen(
                [podman, "pull", "--quiet", without_tag(reference)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=outside(mark),
                cwd="/",
                start_new_session=True,
            )

    def is_over(self) -> bool:
        """Whether it has ended, or took too long."""
        self.seconds = time.monotonic() - self._since
        return self._process.poll() is not None or self.seconds > self._seconds_max

    def cancel(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()

    def check(self) -> None:
        """`NotEnclosed` unless the image is here now."""
        if self._process.poll() is None:
            self.cancel()
            raise NotEnclosed(
                "the image %s was not here after %d s: fetch it on this node with `podman pull`, "
                "or ask for a smaller one" % (self._reference, self._seconds_max)
            )
        if self._process.returncode:
            with open(self._log, errors="replace") as stream:
                told = last_line(stream.read())
            raise NotEnclosed("the image %s cannot be fetched: %s" % (self._reference, told))


def note_container(folder: str, name: str) -> None:
    """Write the name down, before there is such a container."""
    with open(os.path.join(folder, CONTAINERS), "a") as stream:
        stream.write(name + "\n")


def clear_containers(folder: str) -> None:
    """End and remove all containers of a replica: whatever state they are in, and twice is once."""
    try:
        with open(os.path.join(folder, CONTAINERS)) as stream:
            names = stream.read().split()
    except OSError:
        return
    with contextlib.suppress(NotEnclosed):
        remove(find_podman(), names)


def remove(podman: str, names: Iterable[str]) -> None:
    """As `clear_containers`, by name."""
    ask(podman, "rm", "--force", "--ignore", "--time", "0", "--volumes", *names)


def without_tag(reference: str) -> str:
    """Podman takes a tag or a digest, and a digest says more."""
    name, at, digest = reference.partition("@")
    return _name(name) + at + digest if at else reference


def _name(reference: str) -> str:
    registry, slash, rest = reference.rpartition("/")
    return registry + slash + rest.partition(":")[0]


def ask(podman: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """What podman answers, whatever its code."""
    try:
        return subprocess.run(
            [podman, *arguments],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=outside(),
            cwd="/",
            timeout=ASK_S_MAX,
        )
    except subprocess.TimeoutExpired:
        raise NotEnclosed("podman does not answer within %d s on this node" % ASK_S_MAX) from None
