"""Ranks in an unpacked image, each started by enroot.

Enroot is shown folders of ours instead of the node's and the account's own configuration: what is
mounted, which variables there are, and no hook but NVIDIA's, for GPUs. What the image says of its
start was taken out when it was unpacked. The command has no capability, and the user is the
runner's: enroot has no other to give. A runner that is root does not use it, because the command
would be root for all files that it sees.

Enroot becomes the command, or has it as first process of a namespace if it knows such (`--pid`,
newer than 4.1.2). There it would get no signal that it does not handle, and what lost its parent
would never be reaped, so the shell that enroot needs in any case stays before it.
"""

from __future__ import annotations

import os
import shlex
import shutil
from typing import Any

from .devices import name_inside
from .enroot import find_unpacked, read_settings, unpack_command
from .images import PLAIN, Image, ImageRanks
from .processes import find_oldest_child, has_mount, kill_where_mounted
from .programs import PATH, last_line, outside
from .refusals import NotEnclosed
from .spool import Spool

NOT_STARTED = 1
"""Enroot's code for whatever it could not do."""
FOLDER = "enclosure-%d"
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
LINKS = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}
FILES = ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf")
EMPTIED = ("/tmp", "/var/tmp", "/run")  # noqa: S108 - nothing is made there
HOOK, HOOK_NEEDS = "hooks.d/98-nvidia.sh", "nvidia-container-cli"
TAIL_BYTES = 500
_COMPLAINTS = ("[ERROR] ", "enroot-")
_SETTINGS = {
    "ENROOT_LOGIN_SHELL": "no",
    "ENROOT_ALLOW_SUPERUSER": "no",
    "ENROOT_ROOTFS_WRITABLE": "no",
    "ENROOT_REMAP_ROOT": "no",
    "ENROOT_MOUNT_HOME": "no",
    "ENROOT_UNSHARE_PID": "yes",
    "ENROOT_UNSHARE_IPC": "yes",
    "ENROOT_UNSHARE_NET": "no",
    "ENROOT_UNSHARE_UTS": "no",
}
_NVIDIA = {
    "NVIDIA_DRIVER_CAPABILITIES": "compute,utility",
    "NVIDIA_DISABLE_REQUIRE": "1",
    "NVIDIA_MIG_CONFIG_DEVICES": "",
    "NVIDIA_MIG_MONITOR_DEVICES": "",
}
"""What is not set here NVIDIA's hook would take from the image."""
_START = """\
cd %s || exit 1
unset OLDPWD
%s
[ $$ = 1 ] || exec "$@"
{ (exec "$@" 2>&4 4>&-); code=$?; } 4>&2 2>/dev/null
exit $code
"""


class UnpackedRanks(ImageRanks):
    """See the module."""

    def __init__(
        self,
        first_rank: int,
        order: dict[str, Any],
        spool: Spool,
        folders: list[str],
        enroot: str,
    ) -> None:
        super().__init__(first_rank, order, spool, folders)
        self._enroot = enroot
        self._settings = read_settings(enroot)
        check_places(self.places())

    def find_image(self, fetched: str = "") -> Image | None:
        """The image that the order names, if it is here."""
        data = self._settings["ENROOT_DATA_PATH"]
        found = find_unpacked(data, fetched or self._order["image"])
        return Image(*found) if found is not None else None

    def pull_command(self) -> list[str]:
        """What unpacks the image."""
        return unpack_command(self._enroot, self._order["image"])

    def start(
        self,
        command: list[str],
        environment: dict[str, str],
        folder: str,
        output: int,
        cgroups: tuple[str, ...] = (),
    ) -> int:
        """Have enroot start one rank."""
        own = self._spool.path(FOLDER % (len(self._running) + len(self._ended)))
        visible = environment.get("CUDA_VISIBLE_DEVICES", "")
        hook = "" if self._order.get("pretend") or not visible else self._find_hook()
        if hook:
            environment = {**environment, "CUDA_VISIBLE_DEVICES": name_inside(visible)}
        data = self._settings["ENROOT_DATA_PATH"]
        check_links(os.path.join(data, self.image.name), self.places())
        plain, script = split_variables(environment, self._order["env"], folder)
        for name in ("environ.d", "mounts.d", "hooks.d", "dev", "run"):
            os.makedirs(os.path.join(own, name), exist_ok=True)
        if hook:
            os.symlink(hook, os.path.join(own, HOOK))
        fill_devices(os.path.join(own, "dev"))
        mounts = make_mounts(own, self.places(), self.shared_memory_bytes())
        for name, text in (
            ("environ.d/10.env", plain),
            ("mounts.d/10.fstab", mounts),
            ("rc", script),
        ):
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            with open(os.open(os.path.join(own, name), flags, 0o600), "w") as stream:
                stream.write(text)
        rc = os.path.join(own, "rc")
        arguments = [self._enroot, "start", "--rc", rc, self.image.name, *command]
        settings = make_settings(own, self._mark, visible if hook else "")
        return super().start(arguments, settings, "/", output, cgroups)

    def signal(self, number: int) -> None:
        """As for others. The group stays until all of its members have ended."""
        self._warned += list(self._running)
        super().signal(number)

    def check_start(self, rank: int, end: dict[str, Any]) -> None:  # noqa: ARG002
        """`NotEnclosed` for one that enroot could not start: then its last word is a complaint."""
        if end["code"] != NOT_STARTED:
            return
        with open(self._spool.path("log"), "rb") as stream:
            stream.seek(max(0, os.path.getsize(stream.name) - TAIL_BYTES))
            told = last_line(stream.read().decode("utf-8", "replace"))
        if told.startswith(_COMPLAINTS):
            raise NotEnclosed("enroot says why in the job's log: %s" % told)

    def clear(self) -> None:
        """End what is left in there, however it got away."""
        clear_unpacked(self._spool.folder)

    def find_first(self, pid: int, parents: dict[int, int]) -> int | None:
        """Enroot itself once it is in the image, or its child where that is in a namespace."""
        for one in (pid, find_oldest_child(pid, parents)):
            if one is not None and has_mount(one, self._spool.path("work")):
                return None if _is_enroot(one) else one
        return None

    def find_command(self, pid: int, parents: dict[int, int]) -> int | None:
        """The first process, or behind a shell of ours its child."""
        first = self._firsts.get(pid)
        if first is None or first not in parents:
            return None
        return first if first == pid else find_oldest_child(first, parents)

    def spared(self, pid: int, parents: dict[int, int]) -> set[int]:  # noqa: ARG002
        """Enroot and the shell are in the command's process group."""
        return {pid, self._firsts[pid]} if self._firsts.get(pid, pid) != pid else set()

    def ends_with(self, command: int) -> bool:
        """In a namespace of theirs all others are killed then."""
        return command not in self._firsts.values()

    def _find_hook(self) -> str:
        hook = os.path.join(self._settings["ENROOT_SYSCONF_PATH"], HOOK)
        if not os.access(hook, os.X_OK) or shutil.which(HOOK_NEEDS, path=PATH) is None:
            raise NotEnclosed(
                "GPUs come into an image by %s and %s, and this node lacks one of them: install "
                "libnvidia-container-tools" % (hook, HOOK_NEEDS)
            )
        return hook


def clear_unpacked(folder: str) -> None:
    """End all that runs in a replica's image: whatever became of its mark and its parents."""
    if os.path.isdir(os.path.join(folder, FOLDER % 0)):
        kill_where_mounted(os.path.join(folder, "work"))


def check_places(places: dict[str, bool]) -> None:
    """`NotEnclosed` for what cannot be written into a file of mounts."""
    for place in places:
        if not set(place) <= PLAIN:
            raise NotEnclosed(
                "enroot mounts no folder with a blank or a special sign in its name, as in %r: "
                "move the data folder" % place
            )


def check_links(root: str, places: dict[str, bool]) -> None:
    """`NotEnclosed` where our folders would not be at their own paths in the image."""
    for place in places:
        path = root
        for part in place.split("/")[1:]:
            path = os.path.join(path, part)
            if os.path.islink(path):
                raise NotEnclosed(
                    "%s is a link in the image, and the job's folders are to be behind it: use an "
                    "image without it, or move the data folder" % path[len(root) :]
                )


def make_settings(own: str, mark: str, visible: str) -> dict[str, str]:
    """The environment of enroot itself. `visible`: the GPUs that NVIDIA's hook is to let in."""
    around = outside(mark)
    kept = ("PATH", "HOME", "QD_REPLICA", "XDG_DATA_HOME")
    found = {
        name: text for name, text in around.items() if name in kept or name.startswith("ENROOT_")
    }
    paths = {"ENROOT_SYSCONF_PATH": own, "ENROOT_CONFIG_PATH": own}
    paths["ENROOT_RUNTIME_PATH"] = os.path.join(own, "run")
    devices = {"NVIDIA_VISIBLE_DEVICES": visible, **_NVIDIA} if visible else {}
    return {**found, **_SETTINGS, **paths, **devices}


def split_variables(
    environment: dict[str, str], asked: dict[str, str], folder: str
) -> tuple[str, str]:
    """The file of variables, and the script that begins in the folder, sets what the file's form
    does not allow, and becomes the command. The image's own come before, and its `HOME` and its
    `PYTHONPATH` count unless the job has asked for others."""
    given = dict(environment)
    lines = []
    if "HOME" not in asked:
        given.pop("HOME", None)
        lines.append("export HOME=${HOME:-%s}" % shlex.quote(folder))
    if "PYTHONPATH" in given and "PYTHONPATH" not in asked:
        text = shlex.quote(given.pop("PYTHONPATH"))
        lines.append("export PYTHONPATH=${PYTHONPATH:+$PYTHONPATH:}%s" % text)
    plain = ""
    for name, text in given.items():
        if set(text) <= PLAIN:
            plain += "%s=%s\n" % (name, text)
        else:
            lines.append("export %s=%s" % (name, shlex.quote(text)))
    return plain, _START % (shlex.quote(folder), "\n".join(lines))


def fill_devices(folder: str) -> None:
    """Where devices are to be mounted, and links that cannot be."""
    for name in DEVICES:
        open(os.path.join(folder, name), "w").close()
    os.makedirs(os.path.join(folder, "shm"), exist_ok=True)
    for name, target in LINKS.items():
        if not os.path.lexists(os.path.join(folder, name)):
            os.symlink(target, os.path.join(folder, name))


def make_mounts(own: str, places: dict[str, bool], shared_bytes: int) -> str:
    """What is mounted, as lines of fstab(5) with enroot's additions: first (-1) what hooks need,
    then (0) ours. Folders of ours are made in a file system of their own, because all jobs with
    this image share its folders."""
    empty = "x-create=dir,rw,nosuid,nodev"
    lines = [
        "/proc /proc none x-create=dir,rbind,rw,nosuid,nodev,noexec,rslave 0 -1",
        "/sys /sys none x-create=dir,rbind,ro,nosuid,nodev,noexec,rslave 0 -1",
        "tmpfs /sys/fs/cgroup tmpfs ro,nosuid,nodev,noexec,size=4k,nofail,silent 0 -1",
        "%s/dev /dev none x-create=dir,bind,rw,nosuid,noexec 0 -1" % own,
        *("/dev/%s /dev/%s none bind,rw,nosuid,noexec 0 -1" % (one, one) for one in DEVICES),
        "tmpfs /dev/shm tmpfs rw,nosuid,nodev,mode=1777,size=%d 0 -1" % shared_bytes,
        *("tmpfs %s tmpfs %s,mode=1777 0 -1" % (place, empty) for place in EMPTIED),
        *(
            "%s %s none x-create=file,bind,ro,nosuid,nodev,noexec 0 -1" % (one, one)
            for one in FILES
            if os.path.exists(one)
        ),
        "none /dev none remount,bind,ro,nosuid,noexec 0 0",
    ]
    bases = find_bases(list(places))
    lines += ["tmpfs %s tmpfs %s,mode=755 0 0" % (base, empty) for base in bases]
    for place, is_written in places.items():
        way = "rw" if is_written else "ro"
        lines.append("%s %s none x-create=dir,rbind,%s,nosuid,nodev 0 0" % (place, place, way))
    lines += ["none %s none remount,bind,ro,nosuid,nodev 0 0" % base for base in bases]
    return "\n".join(lines) + "\n"


def find_bases(places: list[str]) -> list[str]:
    """Few folders in which all of these lie, and as little else as possible."""
    groups: dict[str, list[str]] = {}
    for place in places:
        groups.setdefault(place.split("/")[1], []).append(os.path.dirname(place))
    found = [os.path.commonpath(group) for group in groups.values()]
    return [base for base in found if base != "/"]


def _is_enroot(pid: int) -> bool:
    """Whether it is in the image already, but not yet what it is to be."""
    try:
        with open("/proc/%d/comm" % pid) as stream:
            return stream.read().startswith("enroot-")
    except OSError:
        return True
