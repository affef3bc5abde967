"""Refuse folders on network file systems, where locks and SQLite's log cannot be trusted.

SQLite: "WAL does not work over a network filesystem" (https://www.sqlite.org/wal.html).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from quarterdeck.basics.errors import Refused

NETWORK_TYPES: Final = frozenset(
    (
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ncpfs", "9p"),
        *("lustre", "gpfs", "ceph", "beegfs", "glusterfs", "orangefs", "wekafs", "ocfs2", "gfs2"),
        *("fuse.glusterfs", "fuse.sshfs", "fuse.s3fs", "fuse.gcsfuse", "fuse.rclone"),
    )
)
_OCTAL: Final = re.compile(r"\\([0-7]{3})")


def refuse_network_mount(folder: Path, mountinfo: str | None = None) -> None:
    """Raises `Refused` if the folder lies, or would lie, on a network file system.

    `mountinfo` has the form of /proc/self/mountinfo (man 5 proc), which is read when it is left
    out; a machine without that file is not judged.
    """
    if mountinfo is None:
        try:
            mountinfo = Path("/proc/self/mountinfo").read_text()
        except OSError:
            return
    kind = _find_type(folder.absolute().resolve(), mountinfo)
    if kind in NETWORK_TYPES:
        raise Refused(
            f"{folder} is on a network file system ({kind}), where file locks and SQLite cannot "
            "be trusted",
            code="network_file_system",
            field="home",
            hint="put the home on a local disk, with --home or QD_HOME; jobs may still use "
            "shared folders",
        )


def _find_type(folder: Path, mountinfo: str) -> str | None:
    """The type of the innermost mount that holds the folder; of equal ones the last is on top."""
    best: tuple[int, str] | None = None
    for line in mountinfo.splitlines():
        before, separator, after = line.partition(" - ")
        fields = before.split()
        if not separator or len(fields) < 5:
            continue
        point = Path(_OCTAL.sub(lambda match: chr(int(match[1], 8)), fields[4]))
        if folder.is_relative_to(point):
            depth = len(point.parts)
            if best is None or depth >= best[0]:
                best = (depth, after.split()[0])
    return best[1] if best else None
