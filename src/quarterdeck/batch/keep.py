"""Files that the script left in its folder become results.

Under Slurm they stay where the script was submitted. Here that folder is a copy which is deleted
with the attempt, and most scripts know of no other place to write to.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from typing import Iterator

FILES_MAX = 1000
BYTES_MAX = 10 * 2**30
LEFT_OUT = frozenset({".quarterdeck", "__pycache__"})


def look(root: str) -> dict[str, tuple[int, int, int]]:
    """Every file below the folder, with what changes when somebody writes to it."""
    found = {}
    for path in _files(root):
        try:
            status = os.lstat(os.path.join(root, path))
        except FileNotFoundError:
            continue
        if stat.S_ISREG(status.st_mode):
            found[path] = (status.st_ino, status.st_size, status.st_mtime_ns)
    return found


def keep(root: str, before: dict[str, tuple[int, int, int]], results: str) -> str:
    """Move what is new or changed into the results; what is to be said, if not all was."""
    new = {path: seen for path, seen in look(root).items() if before.get(path) != seen}
    size = sum(seen[1] for seen in new.values())
    if len(new) > FILES_MAX or size > BYTES_MAX:
        return (
            "%d files with %d MiB are left in the work folder; more than %d or %d GiB are not kept "
            "as results: write what is to stay to $QD_RESULTS"
            % (len(new), size >> 20, FILES_MAX, BYTES_MAX >> 30)
        )
    lost = [path for path in new if not _move(os.path.join(root, path), results, path)]
    return "not kept as results: %s" % ", ".join(sorted(lost)[:10]) if lost else ""


def _files(root: str) -> Iterator[str]:
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in LEFT_OUT]
        for name in names:
            yield os.path.relpath(os.path.join(folder, name), root)


def _move(source: str, results: str, path: str) -> bool:
    """In one step where both are on one disk. A result of that name stays."""
    target = os.path.join(results, path)
    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if os.path.lexists(target):
            return False
        try:
            os.rename(source, target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            shutil.copy2(source, target, follow_symlinks=False)
    except OSError:
        return False
    return True
