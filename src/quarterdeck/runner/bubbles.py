"""Ranks with a file system of their own by bubblewrap, where a job has no image.

The node's files can be read and not written, and of what belongs to Quarterdeck only the job's own
folders are there. Processes, shared memory and temporary files are the rank's own; the network and
the user are the runner's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import Any

from .devices import find_files, name_inside
from .enclosed import EnclosedRanks
from .environment import make_mark, visible_devices
from .programs import ASK_S_MAX, PATH, last_line, outside
from .refusals import NotEnclosed
from .spool import SHOWN, Spool

EMPTIED = ("/tmp", "/var/tmp", "/run")  # noqa: S108 - nothing is made there
RESOLVER = "/run/systemd/resolve"
"""Where /etc/resolv.conf leads on many machines."""
_EXECUTE = ("/bin/sh", "-c", 'exec "$@"', "sh")
"""For the codes 126 and 127, which bubblewrap does not tell apart from its own."""


class BubbleRanks(EnclosedRanks):
    """See the module."""

    def __init__(
        self, first_rank: int, order: dict[str, Any], spool: Spool, folders: list[str]
    ) -> None:
        super().__init__(first_rank)
        self._order = order
        self._bubblewrap = find_bubblewrap()
        os.makedirs(spool.path(SHOWN), exist_ok=True)
        shown = [spool.path(SHOWN), *filter(None, [order.get("inside")])]
        self._is_pretended = bool(order.get("pretend"))
        # Of a cluster's node it is known only here which these are.
        visible = ",".join(visible_devices(order))
        files = find_files(visible, is_pretended=self._is_pretended)
        self._options = make_options(order.get("hidden") or [], folders, shown, files)
        try_out(self._bubblewrap, self._options)

    def start(
        self,
        command: list[str],
        environment: dict[str, str],
        folder: str,
        output: int,
        cgroups: tuple[str, ...] = (),
    ) -> int:
        """Start one rank. Its environment is told in a file that is open already."""
        options = [*self._options, "--chdir", folder, "--clearenv"]
        visible = environment.get("CUDA_VISIBLE_DEVICES", "")
        if not self._is_pretended:
            visible = name_inside(visible)
        for name, text in {**environment, "CUDA_VISIBLE_DEVICES": visible}.items():
            options += ["--setenv", name, text]
        handle = os.memfd_create("options", 0)
        try:
            with open(handle, "wb", closefd=False) as stream:
                stream.write(b"".join(os.fsencode(one) + b"\0" for one in options))
            os.lseek(handle, 0, os.SEEK_SET)
            arguments = [self._bubblewrap, "--args", str(handle), "--", *_EXECUTE, *command]
            mark = outside(make_mark(self._order))
            return super().start(arguments, mark, "/", output, cgroups)
        finally:
            os.close(handle)

    def signal(self, number: int) -> None:
        """As for others. Bubblewrap stays until all in there have ended."""
        self._warned += list(self._running)
        super().signal(number)

    def find_command(self, pid: int, parents: dict[int, int]) -> int | None:
        """The child of the child: that one reaps, and does nothing else."""
        first = next((child for child, parent in parents.items() if parent == pid), None)
        return next((child for child, parent in parents.items() if parent == first), None)

    def spared(self, pid: int, parents: dict[int, int]) -> set[int]:
        """Bubblewrap itself is in the command's process group."""
        return {pid, *(child for child, parent in parents.items() if parent == pid)}


def find_bubblewrap() -> str:
    """The program, or `NotEnclosed`."""
    found = shutil.which("bwrap", path=PATH)
    if found is None:
        raise NotEnclosed(
            "`isolate` needs bubblewrap, and this node has none: install bubblewrap there, or name "
            "an `image`"
        )
    return found


def make_options(
    hidden: list[str], folders: list[str], shown: list[str], devices: list[str]
) -> list[str]:
    """What is where. A folder that is hidden is empty but for what of it is put back."""
    options = ["--unshare-pid", "--unshare-ipc", "--cap-drop", "ALL", "--ro-bind", "/", "/"]
    options += ["--dev", "/dev", "--proc", "/proc"]
    # As root, these could be written without any capability.
    options += ["--ro-bind", "/proc/sys", "/proc/sys"]
    options += ["--ro-bind-try", "/proc/sysrq-trigger", "/proc/sysrq-trigger"]
    for path in devices:
        options += ["--dev-bind", path, path]
    for folder in map(os.path.realpath, [*EMPTIED, *hidden]):
        if os.path.isdir(folder):
            options += ["--tmpfs", folder]
    options += ["--ro-bind-try", RESOLVER, RESOLVER]
    for way, places in (("--bind", folders), ("--ro-bind", shown)):
        for folder in places:
            parent, name = os.path.split(folder)
            # Its own name may be a door (see the engines), which is not there where it is hidden.
            options += [way, folder, os.path.join(os.path.realpath(parent), name)]
    return options


def try_out(bubblewrap: str, options: list[str]) -> None:
    """`NotEnclosed` unless it can be done here."""
    try:
        done = subprocess.run(
            [bubblewrap, *options, "--", "/bin/sh", "-c", ":"],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=outside(),
            timeout=ASK_S_MAX,
        )
    except subprocess.TimeoutExpired:
        raise NotEnclosed("bubblewrap does not come back on this node") from None
    if done.returncode:
        told = last_line(done.stderr.decode("utf-8", "replace"))
        raise NotEnclosed("`isolate` does not work on this node: %s" % told)
