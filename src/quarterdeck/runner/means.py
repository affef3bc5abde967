"""Which program gives a job its image on this node: podman, or enroot where that cannot.

Podman is taken where it is usable: it gives a job processes of its own, and a user that is not the
server's. Enroot alone reads squashfs files, and podman alone archives. Podman without root needs
ranges of ids for the account; accounts of a directory often have none, and there enroot is taken,
and where the environment of the server wishes it.
"""

from __future__ import annotations

import contextlib
import os
import pwd

from .archives import is_archive
from .enroot import find_enroot, is_file
from .podman import find_podman
from .refusals import NotEnclosed

RANGES, SERVICES = "/etc/subuid", "/etc/nsswitch.conf"
WISH = "QD_IMAGES"
NO_MEANS = (
    "an image needs podman or enroot, and this node has none: install podman, crun and catatonit "
    "there; `qd doctor` looks whether they work"
)


def find_means(reference: str) -> str:
    """The program, or `NotEnclosed`."""
    podman, enroot = find_podman(), find_enroot()
    if is_file(reference):
        if enroot is None:
            raise NotEnclosed(
                "the image %s is a squashfs file, which only enroot reads, and this node has none: "
                "give it as a registry's image or as oci-archive:/…" % reference
            )
        check_user()
        return enroot
    if is_archive(reference):
        if podman is None:
            raise NotEnclosed(
                "the image %s is an archive, which only podman reads, and this node has none: make "
                "a .sqsh file of it with enroot, or push it to a registry" % reference
            )
        return podman
    if enroot is not None and (podman is None or prefers_enroot()):
        check_user()
        if reference.startswith("localhost/"):
            raise NotEnclosed(
                "%s is an image of podman, and this node uses enroot: give it as a .sqsh file, or "
                "push it to a registry" % reference
            )
        return enroot
    if podman is None:
        raise NotEnclosed(NO_MEANS)
    return podman


def prefers_enroot() -> bool:
    """Whether enroot is taken where both are."""
    return os.environ.get(WISH) == "enroot" or not has_ranges()


def check_user() -> None:
    """`NotEnclosed` for root, whom enroot would leave the owner of every file of root's."""
    if os.geteuid() == 0:
        raise NotEnclosed(
            "enroot is not used by a server that is root: its commands would be root, too. Run the "
            "server as an account of its own, or install podman"
        )


def has_ranges() -> bool:
    """Whether podman can unpack images: root can, and whoever has ids to give."""
    if os.geteuid() == 0:
        return True
    names = {str(os.geteuid())}
    with contextlib.suppress(KeyError):
        names.add(pwd.getpwuid(os.geteuid()).pw_name)
    return any(line.split(":")[0] in names for line in _read(RANGES)) or any(
        line.split(":")[0] == "subid" for line in _read(SERVICES)
    )


def _read(path: str) -> list[str]:
    try:
        with open(path, errors="replace") as stream:
            return stream.read().splitlines()
    except OSError:
        return []
