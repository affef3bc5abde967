"""The GPUs of a replica, for ranks that see only the devices which are put there for them."""

from __future__ import annotations

import glob
import os
import re

from .refusals import NotEnclosed

CDI_FOLDERS = ("/etc/cdi", "/var/run/cdi")
SHARED = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset")
GPU = "nvidia.com/gpu="
INFORMATION = "/proc/driver/nvidia/gpus/*/information"
DEVICE = "/dev/nvidia"


def name_devices(visible: str, *, is_pretended: bool) -> tuple[list[str], str]:
    """Podman's arguments for the GPUs that the job may see, and what to call them inside. By CDI
    (Container Device Interface): no hook that believes an image's environment takes part."""
    wanted = [one for one in visible.split(",") if one]
    if not wanted or is_pretended:
        return [], visible
    known = _read_cdi_names()
    absent = [one for one in wanted if one not in known]
    if absent:
        raise NotEnclosed(
            "no CDI file of this node names the GPU %s: make one with `nvidia-ctk cdi generate "
            "--device-name-strategy=uuid --device-name-strategy=index "
            "--output=/etc/cdi/nvidia.yaml`" % absent[0]
        )
    arguments = [part for one in wanted for part in ("--device", GPU + one)]
    return arguments, name_inside(visible)


def name_inside(visible: str) -> str:
    """What to call the GPUs that the job may see where no others are: numbers count anew there."""
    wanted = [one for one in visible.split(",") if one]
    is_by_number = all(one.isdigit() for one in wanted)
    return ",".join(map(str, range(len(wanted)))) if is_by_number else visible


def find_files(visible: str, *, is_pretended: bool) -> list[str]:
    """The device files of the GPUs that the job may see. A number counts the GPUs that we may use:
    a cluster that keeps others out by their files counts only those that it gave us."""
    wanted = [one for one in visible.split(",") if one]
    if not wanted or is_pretended:
        return []
    minors = {}
    for path in glob.glob(INFORMATION):
        with open(path) as stream:
            text = stream.read()
        uuid = re.search(r"^GPU UUID:\s*(\S+)", text, re.MULTILINE)
        minor = re.search(r"^Device Minor:\s*(\d+)", text, re.MULTILINE)
        if uuid and minor:
            minors[uuid[1]] = minor[1]
    if any(one.isdigit() for one in wanted):
        usable = [one for one in sorted(minors.values(), key=int) if _may_use(DEVICE + one)]
        minors.update((str(place), one) for place, one in enumerate(usable))
    absent = [one for one in wanted if one not in minors]
    if absent:
        raise NotEnclosed(
            "nothing is known of the device file of GPU %s on this node: `isolate` is for whole "
            "GPUs, leave it out" % absent[0]
        )
    files = [DEVICE + minors[one] for one in wanted]
    return [*files, *filter(os.path.exists, ("/dev/" + name for name in SHARED))]


def _may_use(path: str) -> bool:
    """A device that a cgroup keeps from us cannot be opened, whatever its file's rights say."""
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def _read_cdi_names() -> set[str]:
    """All names of devices in the files that there are, YAML or JSON."""
    names: set[str] = set()
    for folder in CDI_FOLDERS:
        for path in sorted(glob.glob(folder + "/*.yaml") + glob.glob(folder + "/*.json")):
            with open(path, errors="replace") as stream:
                text = stream.read()
            if "nvidia.com/gpu" in text:
                names.update(re.findall(r'"?\bname"?:\s*"?([\w.:-]+)"?', text))
    return names
