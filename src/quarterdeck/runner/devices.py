"""The GPUs of a replica, for ranks that see only the devices which are put there for them."""

from __future__ import annotations

import glob
import os
import re

from .podman import NotEnclosed

CDI_FOLDERS = ("/etc/cdi", "/var/run/cdi")
SHARED = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset")
GPU = "nvidia.com/gpu="


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
    is_by_number = all(one.isdigit() for one in wanted)
    return arguments, ",".join(map(str, range(len(wanted)))) if is_by_number else visible


def find_files(visible: str, *, is_pretended: bool) -> list[str]:
    """The device files of the GPUs that the job may see."""
    wanted = [one for one in visible.split(",") if one]
    if not wanted or is_pretended:
        return []
    minors = {}
    for path in glob.glob("/proc/driver/nvidia/gpus/*/information"):
        with open(path) as stream:
            text = stream.read()
        uuid = re.search(r"^GPU UUID:\s*(\S+)", text, re.MULTILINE)
        minor = re.search(r"^Device Minor:\s*(\d+)", text, re.MULTILINE)
        if uuid and minor:
            minors[uuid[1]] = minors[minor[1]] = minor[1]
    absent = [one for one in wanted if one not in minors]
    if absent:
        raise NotEnclosed(
            "nothing is known of the device file of GPU %s on this node: `isolate` is for whole "
            "GPUs, leave it out" % absent[0]
        )
    files = ["/dev/nvidia" + minors[one] for one in wanted]
    return [*files, *filter(os.path.exists, ("/dev/" + name for name in SHARED))]


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
