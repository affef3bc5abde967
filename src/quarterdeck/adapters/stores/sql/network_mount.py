"""Refuse a home on a network file system before anything is written there.

A write-ahead log needs shared memory and locks that every process agrees on. Over a network these
fail quietly, and a database that was damaged that way is found much later
(https://www.sqlite.org/wal.html, https://www.sqlite.org/faq.html#q5).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, NamedTuple

from quarterdeck.basics.errors import Refused

NETWORK_TYPES: Final = frozenset(
    {
        "9p", "acfs", "afs", "beegfs", "ceph", "cifs", "coda", "gpfs", "glusterfs", "lustre",
        "ncpfs", "nfs", "nfs4", "orangefs", "panfs", "pvfs2", "smb2", "smb3", "smbfs", "wekafs",
    }
)  # fmt: skip
NETWORK_FUSE_TYPES: Final = frozenset(
    {
        "blobfuse", "blobfuse2", "ceph", "ceph-fuse", "curlftpfs", "davfs", "gcsfuse", "glusterfs",
        "goofys", "hdfs", "juicefs", "lustre", "moosefs", "mfs", "mount-s3", "rclone", "s3fs",
        "seaweedfs", "sshfs",
    }
)  # fmt: skip
_MOUNTS: Final = Path("/proc/self/mountinfo")
_ESCAPE: Final = re.compile(r"\\([0-7]{3})")


class Mount(NamedTuple):
    """Where a file system is mounted, and of which type it is."""

    point: Path
    type: str

    @property
    def is_network(self) -> bool:
        """Whether other machines may hold the files. A machine that was started from a 9p file
        system (a virtual machine, a sandbox) has it to itself, so `/` may be one."""
        if self.type == "9p":
            return self.point != Path("/")
        kind, _, driver = self.type.partition(".")
        return self.type in NETWORK_TYPES or (kind == "fuse" and driver in NETWORK_FUSE_TYPES)


def refuse_network_mount(path: Path, mountinfo_text: str | None = None) -> None:
    """Raise `Refused` when the path, which need not exist yet, is on a network file system.

    Without mountinfo (not on Linux) nothing is known, so nothing is refused.
    """
    if mountinfo_text is None:
        try:
            mountinfo_text = _MOUNTS.read_text(errors="surrogateescape")
        except OSError:
            return
    mount = find_mount(path.resolve(), mountinfo_text)
    if mount is not None and mount.is_network:
        raise Refused(
            f"{path} is on a network file system ({mount.type} at {mount.point})",
            code="network_file_system",
            field="home",
            hint="put QD_HOME on a local disk or use PostgreSQL: --store postgresql://…",
        )


def find_mount(path: Path, mountinfo_text: str) -> Mount | None:
    """The mount that a path is on: the deepest one above it, and of several at one point the last,
    which hides the others."""
    found: Mount | None = None
    for line in mountinfo_text.splitlines():
        before, separator, after = line.partition(" - ")
        fields = before.split(" ")
        if not separator or len(fields) < 5:
            continue
        point = Path(_ESCAPE.sub(lambda match: chr(int(match[1], 8)), fields[4]))
        if path.is_relative_to(point) and (
            found is None or len(point.parts) >= len(found.point.parts)
        ):
            found = Mount(point, after.split(" ")[0])
    return found
