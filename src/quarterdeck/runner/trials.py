"""Whether images and file systems of their own work here, tried with what jobs would use."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from typing import Any

from .bubbles import find_bubblewrap, try_out
from .bubbles import make_options as make_bubble_options
from .containers import make_options
from .podman import ask, find_init, find_podman, find_runtime, last_line
from .refusals import NotEnclosed


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
    """With the init alone as an image, which needs no library."""
    podman, init = find_podman(), find_init()
    runtime = "" if os.geteuid() == 0 else find_runtime(podman)
    who = "without root" if runtime else "as root"
    if init is None:
        raise NotEnclosed(
            "podman is there, but no catatonit: install it, so that a command in an image can be "
            "ended by a signal and its leftovers go with it"
        )
    folder = tempfile.mkdtemp(prefix="qd-trial-")
    name = "qd-trial-%d" % os.getpid()
    try:
        os.chmod(folder, 0o755)  # noqa: S103 - the command is not to be root
        shutil.copy(init, os.path.join(folder, "init"))
        options = make_options(runtime, {})
        what = ("--rootfs", folder, "/init", "-V")
        done = ask(podman, "run", "--rm", "--name", name, *options, *what)
        if done.returncode:
            told = last_line(done.stderr.decode("utf-8", "replace"))
            raise NotEnclosed("podman starts no container %s: %s" % (who, told))
    finally:
        with contextlib.suppress(NotEnclosed):
            ask(podman, "rm", "--force", "--ignore", name)
        shutil.rmtree(folder, ignore_errors=True)
    return "podman starts containers %s" % who


def _try_isolation() -> str:
    try_out(find_bubblewrap(), make_bubble_options([], [], [], []))
    return "bubblewrap gives jobs a file system of their own"
