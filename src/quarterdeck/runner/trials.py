"""Whether images and file systems of their own work here, tried with what jobs would use."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from typing import Any, Iterator

from .bubbles import find_bubblewrap, try_out
from .bubbles import make_options as make_bubble_options
from .containers import make_options
from .enroot import find_enroot, read_settings
from .means import NO_MEANS, check_user
from .podman import find_init, find_podman, find_runtime
from .programs import ask, last_line
from .refusals import NotEnclosed
from .unpacked import make_settings

TRIAL_CODE = 3
"""The command's own: whatever else ends it ends with 0 or 1."""


def try_enclosures() -> dict[str, dict[str, Any]]:
    """For `image` and `isolate`: whether it works, and in words how, or why not and what to do."""
    return {"image": _tell(_try_image), "isolate": _tell(_try_isolation)}


def _tell(trial: Any) -> dict[str, Any]:  # noqa: ANN401 - a function of ours
    try:
        return {"works": True, "text": trial()}
    except NotEnclosed as error:
        return {"works": False, "text": str(error)}
    except OSError as error:
        return {"works": False, "text": "it could not be tried: %s" % error}


def _try_image() -> str:
    """Each program that is here, so that what jobs would meet is told of both."""
    trials = [try_podman] if find_podman() is not None else []
    if find_enroot() is not None and (os.geteuid() != 0 or not trials):
        trials.append(try_enroot)
    found = [_tell(trial) for trial in trials]
    told = "; ".join(one["text"] for one in found) or NO_MEANS
    if not any(one["works"] for one in found):
        raise NotEnclosed(told)
    return told


def try_podman() -> str:
    """With the init alone as an image, which needs no library."""
    podman, init = find_podman(), find_init()
    assert podman is not None, "it was looked for"
    runtime = "" if os.geteuid() == 0 else find_runtime(podman)
    who = "without root" if runtime else "as root"
    if init is None:
        raise NotEnclosed(
            "podman is there, but no catatonit: install it, so that a command in an image can be "
            "ended by a signal and its leftovers go with it"
        )
    with _trial_folder() as folder:
        name = "qd-trial-%d" % os.getpid()
        shutil.copy(init, os.path.join(folder, "init"))
        options = make_options(runtime, {})
        what = ("--rootfs", folder, "/init", "-V")
        try:
            done = ask(podman, "run", "--rm", "--name", name, *options, *what)
        finally:
            with contextlib.suppress(NotEnclosed):
                ask(podman, "rm", "--force", "--ignore", name)
    if done.returncode:
        told = last_line(done.stderr.decode("utf-8", "replace"))
        raise NotEnclosed("podman starts no container %s: %s" % (who, told))
    return "podman starts containers %s" % who


def try_enroot() -> str:
    """With the node's own programs as an image."""
    enroot = find_enroot()
    assert enroot is not None, "it was looked for"
    check_user()
    version = read_settings(enroot)["ENROOT_VERSION"]
    with _trial_folder() as folder:
        own = os.path.join(folder, "own")
        os.makedirs(os.path.join(own, "mounts.d"))
        os.makedirs(os.path.join(folder, "data", "trial", "etc"))
        lines = [
            "%s %s none x-create=dir,rbind,ro,nosuid,nodev 0 -1" % (one, one)
            for one in ("/usr", "/bin", "/lib", "/lib64")
            if os.path.isdir(one)
        ]
        with open(os.path.join(own, "mounts.d", "10.fstab"), "w") as stream:
            stream.write("\n".join(lines) + "\n")
        settings = make_settings(own, "", "")
        settings["ENROOT_DATA_PATH"] = os.path.join(folder, "data")
        done = ask(enroot, "start", "trial", "sh", "-c", "exit 3", environment=settings)
    if done.returncode != TRIAL_CODE:
        told = last_line(done.stderr.decode("utf-8", "replace"))
        raise NotEnclosed("enroot %s starts no container: %s" % (version, told))
    return "enroot %s starts containers" % version


@contextlib.contextmanager
def _trial_folder() -> Iterator[str]:
    folder = tempfile.mkdtemp(prefix="qd-trial-")
    try:
        os.chmod(folder, 0o755)  # noqa: S103 - the command is not to be root
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _try_isolation() -> str:
    try_out(find_bubblewrap(), make_bubble_options([], [], [], []))
    return "bubblewrap gives jobs a file system of their own"
