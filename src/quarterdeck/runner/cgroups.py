"""Keep a replica to the memory and the share of the CPUs that its job asked for, by cgroups.

Version 1 and 2 are both in use, also side by side, so each controller is looked for by itself. A
replica's group is made below the one that we are in ourselves, or beside it where version 2 forbids
that, so that no limit which somebody set for us is left. Where nothing can be made, nothing fails.

CPUs are weighed, not capped: a machine with nothing else to do may be used whole, and when it is
contended everybody has what they asked for.
"""

from __future__ import annotations

import errno
import os
import time

from .light import suppress
from .logfile import format_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MEMORY, CPU = "memory", "cpu"
CGROUPS = "cgroups"
"""The file in a replica's folder that names its groups, for whoever clears up after its runner."""
REMOVE_TRIES = 10
REMOVE_PAUSE_S = 0.01
SHARES_PER_CPU, SHARES_MAX = 1024, 262144
WEIGHT_PER_CPU, WEIGHT_MAX = 100, 10000


class Home:
    """A folder of the cgroup file system in which groups with a controller can be made."""

    def __init__(self, version: int, folder: str) -> None:
        self.version = version
        self.folder = folder


class Cgroups:
    """The groups of one replica, one per hierarchy."""

    def __init__(self, name: str, cpus: int, memory_bytes: int) -> None:
        self._memory_bytes = memory_bytes
        self._memory: tuple[int, str] | None = None
        self._is_weighed = False
        self.folders: tuple[str, ...] = ()
        homes = find_homes()
        for_cpu, for_memory = homes[CPU], homes[MEMORY]
        if isinstance(for_cpu, Home):
            self._make_cpu(for_cpu, name, cpus)
        if memory_bytes and isinstance(for_memory, Home):
            self._make_memory(for_memory, name)

    def describe_overrun(self) -> str:
        """What the kernel did because the memory was used up, or an empty string."""
        return tell_overrun(*self._memory, self._memory_bytes) if self._memory else ""

    def holds(self, controller: str) -> bool:
        """Whether the replica is held to what it asked for of this."""
        return self._memory is not None if controller == MEMORY else self._is_weighed

    def remove(self) -> None:
        """Remove the groups, in which nothing lives any more."""
        remove(self.folders)

    def _make_cpu(self, home: Home, name: str, cpus: int) -> None:
        if home.version == 1:
            settings = {"cpu.shares": min(SHARES_MAX, SHARES_PER_CPU * cpus)}
        else:
            settings = {"cpu.weight": min(WEIGHT_MAX, WEIGHT_PER_CPU * cpus)}
        self._is_weighed = bool(self._make(home, name, settings))

    def _make_memory(self, home: Home, name: str) -> None:
        limit = self._memory_bytes
        if home.version == 1:
            folder = self._make(home, name, {"memory.limit_in_bytes": limit})
            extras = {"memory.memsw.limit_in_bytes": limit, "memory.swappiness": 0}
        else:
            folder = self._make(home, name, {"memory.max": limit})
            extras = {"memory.swap.max": 0, "memory.oom.group": 1}
        if folder:
            self._memory = (home.version, folder)
            for file, number in extras.items():  # not everywhere
                with suppress(OSError):
                    _write(folder, file, number)

    def _make(self, home: Home, name: str, settings: dict[str, int]) -> str:
        """The group's folder, or an empty string."""
        folder = os.path.join(home.folder, name)
        try:
            with suppress(FileExistsError):
                os.mkdir(folder)
            for file, number in settings.items():
                _write(folder, file, number)
        except OSError:
            remove((folder,))
            return ""
        if folder not in self.folders:
            self.folders += (folder,)
        return folder


def find_homes() -> dict[str, Home | str]:
    """For each controller where groups can be made, or in plain words why they cannot. Looked for
    once: a process that forks runners does so before."""
    if not _homes:
        texts = _read("/proc/self", "mountinfo"), _read("/proc/self", "cgroup")
        _homes.update(understand_homes(*texts))
    return _homes


_homes: dict[str, Home | str] = {}


def understand_homes(mounts: str, memberships: str) -> dict[str, Home | str]:
    """As `find_homes`, from what the system says of mounts, and of the groups that we are in."""
    first, second = _read_mounts(mounts)
    homes: dict[str, Home | str] = {}
    home: Home | str
    for controller in (MEMORY, CPU):
        if controller in first:
            home = _find_first(controller, first[controller], memberships)
        elif second is not None:
            home = _find_second(controller, second, memberships)
        else:
            home = "no cgroup file system with a %s controller is mounted" % controller
        homes[controller] = home
    return homes


def try_out() -> dict[str, dict[str, Any]]:
    """Make groups as for a replica, and remove them: what works here, and in words how or why not.

    Only a trial is believed. Rights and switches are spread over so many files that whoever only
    looks at them is wrong somewhere.
    """
    groups = Cgroups("qd-trial-%d" % os.getpid(), 2, 2**30)
    found = {}
    for controller, home in find_homes().items():
        works = groups.holds(controller)
        if isinstance(home, str):
            text = home
        elif works:
            text = "cgroup v%d in %s" % (home.version, home.folder)
        else:
            text = "cgroup v%d: no group could be made in %s" % (home.version, home.folder)
        found[controller] = {"works": works, "text": text}
    groups.remove()
    return found


def tell_overrun(version: int, folder: str, limit_bytes: int) -> str:
    """What the kernel did in a memory group because its limit was reached, or an empty string."""
    events = _read(folder, "memory.oom_control" if version == 1 else "memory.events")
    killed = _find_number(events, "oom_kill")
    if killed is None:  # before Linux 4.13 nobody counts; what was refused is a hint
        killed = min(1, int(_read(folder, "memory.failcnt") or 0))
    if not killed:
        return ""
    peak = _read(folder, "memory.max_usage_in_bytes" if version == 1 else "memory.peak")
    return (
        "it used more memory than the %s that it asked for (%s at the most), and the kernel "
        "ended %d of its processes"
    ) % (
        format_size(limit_bytes),
        format_size(int(peak)) if peak.strip() else "unknown",
        killed,
    )


def find_memory_group(pid: int) -> tuple[int, str] | None:
    """The version and the folder of the memory group that a process is in."""
    first, second = _read_mounts(_read("/proc/self", "mountinfo"))
    for line in _read("/proc/%d" % pid, "cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if MEMORY in controllers.split(",") and MEMORY in first:
            return 1, _place(first[MEMORY], path)
        if not controllers and second is not None and MEMORY not in first:
            return 2, _place(second, path)
    return None


def name_cgroup(mark: str) -> str:
    """The name of a replica's groups."""
    return "qd-" + mark.replace("/", "-")


def clear_cgroups(folder: str) -> None:
    """Remove the groups of a replica whose runner is dead."""
    remove(tuple(_read(folder, CGROUPS).split()))


def join(folder: str) -> None:
    """Put this process, which has one thread, into a group, if that can be done.

    Version 1 moves a thread without waiting for the whole machine, which takes 5 to 20 ms.
    """
    with suppress(OSError):
        one_thread = os.path.join(folder, "tasks")
        _write(folder, "tasks" if os.path.exists(one_thread) else "cgroup.procs", 0)


def remove(folders: tuple[str, ...]) -> None:
    """Remove groups; the last process of one leaves it a little after its end."""
    for folder in folders:
        for _ in range(REMOVE_TRIES):
            if _is_removed(folder):
                break
            time.sleep(REMOVE_PAUSE_S)


def _is_removed(folder: str) -> bool:
    try:
        os.rmdir(folder)
    except OSError as error:
        return error.errno == errno.ENOENT
    return True


def _read_mounts(mounts: str) -> tuple[dict[str, tuple[str, str]], tuple[str, str] | None]:
    """Per controller of version 1, and for version 2, the mount point and what is mounted there."""
    first: dict[str, tuple[str, str]] = {}
    second = None
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        root, point = before.split(" ")[3:5]
        if kind == "cgroup2" and second is None:
            second = (point, root)
        elif kind == "cgroup":
            for option in options.split(","):
                first.setdefault(option, (point, root))
    return first, second


def _find_first(controller: str, mount: tuple[str, str], memberships: str) -> Home | str:
    for line in memberships.splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            folder = _place(mount, path)
            if os.access(folder, os.W_OK | os.X_OK):
                return Home(1, folder)
            return "cgroup v1: this user may not make groups in %s" % folder
    return "cgroup v1: this process is in no group of the %s controller" % controller


def _find_second(controller: str, mount: tuple[str, str], memberships: str) -> Home | str:
    """Below our own group, if the controller is switched on for what is below it; otherwise beside
    it. A group that has processes cannot switch one on, and we do not move other people's."""
    path = next((line[3:] for line in memberships.splitlines() if line.startswith("0::")), "/")
    own = _place(mount, path)
    if controller not in _read(mount[0], "cgroup.controllers").split():
        return "cgroup v2: the system has no %s controller there" % controller
    for folder in (own, os.path.dirname(own)):
        is_inside = folder == mount[0] or folder.startswith(mount[0].rstrip("/") + "/")
        if (
            is_inside
            and controller in _read(folder, "cgroup.subtree_control").split()
            and os.access(folder, os.W_OK | os.X_OK)
            and os.access(os.path.join(folder, "cgroup.procs"), os.W_OK)
        ):
            return Home(2, folder)
    return (
        "cgroup v2: this user may not make groups with a %s controller in or beside %s; under "
        "systemd, `systemd-run --user --scope -p Delegate=yes` gives it a place" % (controller, own)
    )


def _place(mount: tuple[str, str], path: str) -> str:
    """Where a group lies, given that the mount may show only a part of the tree."""
    point, root = mount
    if root != "/" and (path == root or path.startswith(root + "/")):
        path = path[len(root) :]
    return os.path.normpath(point + "/" + path.lstrip("/"))


def _find_number(lines: str, name: str) -> int | None:
    for line in lines.splitlines():
        words = line.split()
        if len(words) == 2 and words[0] == name:
            return int(words[1])
    return None


def _read(folder: str, file: str) -> str:
    try:
        with open(os.path.join(folder, file)) as stream:
            return stream.read()
    except OSError:
        return ""


def _write(folder: str, file: str, number: int) -> None:
    handle = os.open(os.path.join(folder, file), os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(handle, b"%d" % number)
    finally:
        os.close(handle)
