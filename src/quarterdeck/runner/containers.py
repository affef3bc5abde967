"""Ranks in containers of an image, each started by podman and gone with its command.

A container holds the job's folders at their own paths and nothing else of the node: no other mount,
no capability, no way to gain one, a root file system that cannot be written, and a user that is not
root. What the image says of its start (entrypoint, work folder, user, volumes, health check, labels
that would make it an init system) is not done, and no hook of the node runs for what it says.

As root, podman puts a container into cgroups of its own, because these also say which devices may
be opened: an image may bring device files. Without root it cannot open any, and stays in the
groups that the runner is in, so the limits of whoever started the runner hold.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
from typing import Any

from .cgroups import find_memory_group, name_cgroup, tell_overrun
from .devices import name_devices
from .images import PLAIN, Image, ImageRanks
from .podman import (
    ARCHIVE,
    find_image,
    find_init,
    find_runtime,
    note_container,
    pull_command,
    remove,
)
from .processes import find_descendants, find_oldest_child, read_mark
from .programs import outside
from .refusals import NotEnclosed
from .spool import SHOWN, Spool

NOBODY = 65534
HOOKS = "hooks"
"""An empty folder: what the node has of hooks runs for what an image says."""
NPROC_MAX = 32768
SHARES_PER_CPU, SHARES_MAX = 1024, 262144
TAIL_BYTES = 500
NOT_STARTED = 125
"""Podman's own code for a container that could not be started."""


class ContainerRanks(ImageRanks):
    """See the module."""

    def __init__(
        self,
        first_rank: int,
        order: dict[str, Any],
        spool: Spool,
        folders: list[str],
        podman: str,
    ) -> None:
        super().__init__(first_rank, order, spool, folders)
        self._podman = podman
        self._init = find_init()
        self._is_root = os.geteuid() == 0
        self._variables_of_image: dict[str, str] = {}
        self._runtime = "" if self._is_root else find_runtime(self._podman)
        self._names: dict[int, str] = {}
        self._watched: dict[int, tuple[int, str] | None] = {}
        self._overrun = ""
        self.takes_cgroups = not self._is_root
        os.makedirs(spool.path(HOOKS), exist_ok=True)
        if self._is_root:
            for folder in map(os.path.realpath, folders):
                _give(folder)
            os.chown(spool.path(SHOWN), NOBODY, NOBODY)

    def find_image(self, fetched: str = "") -> Image | None:
        """The image that the order names, if it is here."""
        found = find_image(self._podman, self._order["image"], fetched)
        if found is None:
            return None
        reference, name, self._variables_of_image = found
        return Image(reference, name)

    def pull_command(self) -> list[str]:
        """What fetches the image."""
        return pull_command(self._podman, self._order["image"], self._spool.path(ARCHIVE))

    def start(
        self,
        command: list[str],
        environment: dict[str, str],
        folder: str,
        output: int,
        cgroups: tuple[str, ...] = (),
    ) -> int:
        """Have podman start one rank, which writes into `output` itself."""
        local = len(self._running) + len(self._ended)
        name = "%s-%d" % (name_cgroup(self._mark), local)
        note_container(self._spool.folder, name)
        os.fchmod(output, 0o622)  # for `echo > /dev/stderr`, which opens the pipe once more
        arguments = [
            *(self._podman, "--hooks-dir", self._spool.path(HOOKS), "run", "--name", name),
            *("--pidfile", self._pidfile(local), "--workdir", folder),
            *self._options(),
            *self._mounts(),
            *self._variables(environment, local),
            *("--entrypoint", "", self.image.name, *command),
        ]
        pid = super().start(arguments, outside(self._mark), "/", output, cgroups)
        self._names[pid] = name
        return pid

    def check_start(self, rank: int, end: dict[str, Any]) -> None:
        """`NotEnclosed` for one that podman could not start."""
        codes = (NOT_STARTED,) if self._init is None else (NOT_STARTED, 126, 127)
        is_made = os.path.exists(self._pidfile(rank - self._first_rank))
        if end["code"] in codes and not is_made:
            raise NotEnclosed("podman says why in the job's log")

    @property
    def readers(self) -> list[int]:
        """The first processes of the containers, which end before podman says so."""
        return list(self._watched)

    def reap(self) -> None:
        """Look at the memory of containers that have just ended, before their groups are gone."""
        limit = (self._order.get("limits") or {}).get("memory_bytes", 0)
        for handle, group in list(self._watched.items()):
            if select.select([handle], [], [], 0)[0]:
                if group is not None and limit:
                    self._overrun = self._overrun or tell_overrun(*group, limit)
                del self._watched[handle]
                os.close(handle)
        super().reap()

    def describe_overrun(self) -> str:
        """What the kernel did because the memory was used up."""
        return self._overrun

    def ends(self) -> list[dict[str, Any]]:
        """How each rank ended. The init has one code for a command that is not there and one that
        failed, and tells them apart in the log."""
        ends = super().ends()
        code = _find_exec_code(self._spool.path("log")) if self._init is not None else None
        for end in ends if code is not None else ():
            end["code"] = code if end["code"] == 1 else end["code"]
        return ends

    def clear(self) -> None:
        """End and remove the containers. What podman leaves is killed as everybody's leftovers."""
        with contextlib.suppress(OSError):
            os.unlink(self._spool.path(ARCHIVE))
        with contextlib.suppress(NotEnclosed):
            if self._names:
                remove(self._podman, self._names.values())

    def find_command(self, pid: int, parents: dict[int, int]) -> int | None:
        """The container's first process, or the oldest child of the init that it has."""
        first = self._firsts.get(pid)
        if first is None or first not in parents:
            return None
        if self._init is None:
            return first
        return find_oldest_child(first, parents)

    def ends_with(self, command: int) -> bool:  # noqa: ARG002 - whichever it is
        """The first process ends with the command, and the kernel kills the others then."""
        return True

    def find_first(self, pid: int, parents: dict[int, int]) -> int | None:
        """It is named before it is what it is to be, so its environment must be the container's."""
        local = list(self._names).index(pid)
        try:
            with open(self._pidfile(local)) as stream:
                first = int(stream.read())
        except (OSError, ValueError):
            return None
        is_ours = first in find_descendants(os.getpid(), parents)
        if not is_ours or read_mark(first) != self._mark:
            return None
        try:
            handle = os.pidfd_open(first)
        except OSError:
            return None
        self._watched[handle] = find_memory_group(first) if self._is_root else None
        return first

    def _pidfile(self, local: int) -> str:
        return self._spool.path("container-%d.pid" % local)

    def _options(self) -> list[str]:
        limits = self._order.get("limits") or {}
        init = ["--init", "--init-path", self._init] if self._init is not None else []
        shared = "--shm-size=%db" % self.shared_memory_bytes()
        return [*make_options(self._runtime, limits), "--pull=never", shared, *init]

    def _mounts(self) -> list[str]:
        mounts = []
        for folder, is_written in self.places().items():
            if ":" in folder:
                raise OSError(
                    "podman mounts no folder with a colon in its name: move the data folder"
                )
            way = "rw" if is_written else "ro"
            mounts += ["--volume", "%s:%s:%s,nosuid,nodev" % (folder, folder, way)]
        return mounts

    def _variables(self, environment: dict[str, str], local: int) -> list[str]:
        """By a file, which others cannot read as they can arguments, where its form allows."""
        image = self._variables_of_image
        given = {"HOME": self._folders[0], **environment}
        if "HOME" in image and "HOME" not in environment:
            del given["HOME"]
        if image.get("PYTHONPATH") and "PYTHONPATH" not in self._order["env"]:
            given["PYTHONPATH"] = "%s:%s" % (image["PYTHONPATH"], given.get("PYTHONPATH", ""))
        arguments, given["CUDA_VISIBLE_DEVICES"] = name_devices(
            given.get("CUDA_VISIBLE_DEVICES", ""), is_pretended=bool(self._order.get("pretend"))
        )
        path = self._spool.path("container-%d.env" % local)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
            for name, text in given.items():
                if set(text) <= PLAIN:
                    stream.write("%s=%s\n" % (name, text))
                else:
                    arguments += ["--env", "%s=%s" % (name, text)]
        return ["--env-file", path, *arguments]


def make_options(runtime: str, limits: dict[str, Any]) -> list[str]:
    """What any container of ours may do. Limits that no option names are the runner's own.
    `runtime` is empty for root."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)
    processes = tuple(map(_at_most, resource.getrlimit(resource.RLIMIT_NPROC)))
    options = [
        *("--cap-drop=all", "--security-opt=no-new-privileges", "--read-only"),
        *("--image-volume=ignore", "--systemd=false", "--no-healthcheck"),
        *("--network=host", "--http-proxy=false", "--log-driver=passthrough"),
        *("--ulimit=nofile=%d:%d" % files, "--ulimit=nproc=%d:%d" % processes),
    ]
    if runtime:
        options += ["--userns=keep-id", "--user=%d:%d" % (os.geteuid(), os.getegid())]
        # Others than crun cannot do without cgroups of their own.
        return [*options, "--cgroups=disabled"] if runtime == "crun" else options
    options += ["--user=%d:%d" % (NOBODY, NOBODY), "--pids-limit=-1"]
    if limits.get("memory_bytes"):
        size = limits["memory_bytes"]
        options += ["--memory=%db" % size, "--memory-swap=%db" % size]
    if limits.get("cpus"):
        options.append("--cpu-shares=%d" % min(SHARES_MAX, SHARES_PER_CPU * limits["cpus"]))
    return options


def _find_exec_code(log: str) -> int | None:
    """127 or 126 where the last word of the log is that the command could not be executed."""
    try:
        with open(log, "rb") as stream:
            stream.seek(max(0, os.path.getsize(log) - TAIL_BYTES))
            lines = stream.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return None
    if not lines or "catatonit" not in lines[-1] or "failed to exec pid1" not in lines[-1]:
        return None
    return 127 if lines[-1].endswith("No such file or directory") else 126


def _give(folder: str) -> None:
    """Make all that is in a folder the user's who the command runs as, without following a link."""
    if os.stat(folder).st_uid == NOBODY:
        return
    for _, folders, files, handle in os.fwalk(folder):
        for name in (*folders, *files):
            os.chown(name, NOBODY, NOBODY, dir_fd=handle, follow_symlinks=False)
    os.chown(folder, NOBODY, NOBODY)


def _at_most(limit: int) -> int:
    return NPROC_MAX if limit == resource.RLIM_INFINITY else min(limit, NPROC_MAX)
