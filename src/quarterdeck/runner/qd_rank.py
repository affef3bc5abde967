"""The one program that qd_launcher.py executes: already as the owner's account, without a right.

    qd_rank.py REPORT run|release ROOT UID FOLDER...

REPORT is a pipe: closed it means that all is well, a text in it says why not. `run` reads a command
and its environment from standard input, and becomes the command, in the first folder. `release`
gives whoever shares the folders (see accounts.py) what the command has kept to itself there.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
import sys

ORDER_BYTES_MAX, PATH_CHARS_MAX = 2**22, 1000
EXEC_FAILED = {FileNotFoundError: 127, NotADirectoryError: 127, PermissionError: 126}


class Refused(Exception):
    """What is asked is not done; the text says why."""


def enter(folder: str, root: str, uid: int) -> int:
    """Open a folder below the root: no link on the way, and each folder of it the server's own."""
    if len(folder) > PATH_CHARS_MAX or os.path.normpath(folder) != folder:
        raise Refused("%.200r is not a plain path" % folder)
    if not folder.startswith(root + "/"):
        raise Refused("%r is not below %s" % (folder, root))
    handle = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    for part in folder[len(root) + 1 :].split("/"):
        above = handle
        flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            handle = os.open(part, flags, dir_fd=above)
        except OSError as error:
            raise Refused("%r: %s: %s" % (folder, part, error.strerror)) from None
        finally:
            os.close(above)
        if os.fstat(handle).st_uid != uid:
            raise Refused("%r: %s is not the server's own" % (folder, part))
    return handle


def run(report: int) -> int:
    """Become the command that stands in standard input."""
    with open(0, "rb", closefd=False) as stream:
        order = json.loads(stream.read(ORDER_BYTES_MAX))
    command, environment = order["command"], {**os.environ, **order["env"]}
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    for number in (signal.SIGPIPE, signal.SIGINT, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    os.close(report)
    try:
        os.execvpe(command[0], command, environment)
    except OSError as error:
        os.write(2, ("qd: %s: %s\n" % (command[0], error.strerror)).encode())
        return EXEC_FAILED.get(type(error), 126)


def release(handles: list[int]) -> int:
    """Give the group what the owner has, of all that is ours: by that the server reads results and
    deletes folders. We are nobody but the account, so whoever plays tricks meets only itself."""
    for top in handles:
        for _, folders, files, handle in os.fwalk("/proc/self/fd/%d/." % top):
            _share(handle, "/proc/self/fd/%d" % handle)
            for name in folders:
                _share(handle, name)
            for name in files:
                _share(handle, name)
    return 0


def _share(folder: int, name: str) -> None:
    with contextlib.suppress(OSError):
        if name.startswith("/"):
            status = os.fstat(folder)
        else:
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if status.st_uid != os.getuid() or stat.S_ISLNK(status.st_mode):
            return
        mode = stat.S_IMODE(status.st_mode)
        wanted = mode | (0o770 if stat.S_ISDIR(status.st_mode) else 0o600)
        wanted |= (wanted & 0o700) >> 3
        if wanted != mode:
            os.chmod(name, wanted, dir_fd=folder)


def main(report: str, mode: str, root: str, uid: str, *folders: str) -> int:
    """Run in one of the modes; what was refused goes into the report."""
    pipe = int(report)
    os.set_inheritable(pipe, False)
    try:
        handles = [enter(folder, root, int(uid)) for folder in folders]
        os.fchdir(handles[0])
        if mode == "run":
            return run(pipe)
        os.close(pipe)
        return release(handles)
    except (Refused, OSError, LookupError, ValueError, TypeError) as error:
        os.write(pipe, str(error).encode("utf-8", "replace")[:1000])
        return 126


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
