"""Ranks that run as the account of the job's owner, started and ended by the privileged launcher.

The runner stays the server's own: the spool, the log and the clock are out of the job's reach. A
connection to the launcher is a rank; when we close it, or die, all that the rank started is killed.
What the job may write is shared with its account by access control lists, which the folders' owner
can set without being root (man 5 acl).
"""

from __future__ import annotations

import array
import json
import os
import signal
import socket
import stat
import struct
from typing import Any

from .ranks import Ranks
from .refusals import LauncherRefused

LOOK_S_MAX = 30.0
ANSWER_BYTES_MAX = 4096
ACL_VERSION, NOBODY = 2, 0xFFFFFFFF
ACL_OWNER, ACL_USER, ACL_GROUP, ACL_MASK, ACL_OTHER = 0x01, 0x02, 0x04, 0x10, 0x20
READ_WRITE_ENTER, ENTER = 7, 1


class Account:
    """The account of the job's owner, as the launcher knows it."""

    def __init__(self, given: dict[str, Any]) -> None:
        self._launcher: str = given["launcher"]
        self._owner: str = given["owner"]
        self._root: str = given["root"]
        with self._ask({"do": "look"}) as connection:
            self._uid: int = _read(connection)["uid"]

    def share(self, folder: str) -> None:
        """Let the account read and write what is in the folder, and let us what it makes there.

        What the account could reach before is left as it is, but for the folder itself: a name
        in there may lead anywhere by the time that we use it.
        """
        entries = {self._uid: READ_WRITE_ENTER, os.getuid(): READ_WRITE_ENTER}
        places = [folder] if _is_shared(folder) else _walk(folder)
        for place in places:
            status = os.lstat(place)
            rights = status.st_mode >> 6 & READ_WRITE_ENTER
            if stat.S_ISDIR(status.st_mode):
                _set_acl(place, "default", entries)
                _set_acl(place, "access", entries)
            elif stat.S_ISREG(status.st_mode):
                _set_acl(place, "access", {self._uid: rights}, rights)
        self._let_through(os.path.dirname(folder))

    def start(self, order: dict[str, Any], folders: list[str], output: int) -> socket.socket:
        """Start a rank; the connection that is it, whose first word is its pid."""
        handle = os.memfd_create("order", os.MFD_CLOEXEC)
        try:
            with open(handle, "wb", closefd=False) as stream:
                stream.write(json.dumps(order).encode())
            os.lseek(handle, 0, os.SEEK_SET)
            return self._ask({"do": "start", "folders": folders}, handle, output)
        finally:
            os.close(handle)

    def _let_through(self, folder: str) -> None:
        """Let the account pass the folders of the job; those of the site may be passed by all."""
        if not folder.startswith(self._root + os.sep):
            raise ValueError("%r is not below %s" % (folder, self._root))
        while os.path.dirname(folder) != self._root:
            _set_acl(folder, "access", {self._uid: ENTER})
            folder = os.path.dirname(folder)

    def _ask(self, request: dict[str, Any], *files: int) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            connection.settimeout(LOOK_S_MAX)
            connection.connect(self._launcher)
            text = json.dumps(dict(request, owner=self._owner)).encode()
            sent = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))]
            connection.sendmsg([text], sent if files else [])
        except OSError as error:
            connection.close()
            message = "the launcher at %s: %s" % (self._launcher, error)
            raise LauncherRefused(message) from error
        return connection


class AccountRanks(Ranks):
    """Ranks behind connections. Their keepers reap and kill, so nothing is below this process."""

    takes_cgroups = False  # The launcher's children are in its own groups.

    def __init__(self, first_rank: int, account: Account, folders: list[str]) -> None:
        super().__init__(first_rank)
        self._account = account
        self._folders = folders
        self._connections: dict[int, socket.socket] = {}

    def start(
        self,
        command: list[str],
        environment: dict[str, str],
        folder: str,  # noqa: ARG002 - it is the first of those that we were made with
        output: int,
        cgroups: tuple[str, ...] = (),  # noqa: ARG002 - the launcher's are not ours to change
    ) -> int:
        """Have one rank started, in the first of the folders; it writes into `output`."""
        rank = self._first_rank + len(self._running) + len(self._ended)
        order = {"command": command, "env": environment}
        os.fchmod(output, 0o622)  # for `echo > /dev/stderr`, which opens the pipe once more
        connection = self._account.start(order, self._folders, output)
        try:
            pid: int = _read(connection)["pid"]
        except BaseException:
            connection.close()
            raise
        self._connections[pid] = connection
        self._running[pid] = rank
        return pid

    @property
    def readers(self) -> list[int]:
        """Where the ends of ranks are told."""
        return [self._connections[pid].fileno() for pid in self._running]

    def reap(self) -> None:
        """Take note of every rank whose end was told."""
        for pid in list(self._running):
            connection = self._connections[pid]
            connection.setblocking(False)
            try:
                self._note(pid, connection.recv(ANSWER_BYTES_MAX))
            except BlockingIOError:
                continue
            except OSError:
                self._note(pid, b"")

    def reap_all(self) -> None:
        """End all of it; when the keepers have let go, nothing of it lives."""
        for connection in self._connections.values():
            connection.shutdown(socket.SHUT_WR)
        for pid, connection in self._connections.items():
            connection.settimeout(None)
            word = b"-"
            while word:
                try:
                    word = connection.recv(ANSWER_BYTES_MAX)
                except OSError:
                    word = b""
                if pid in self._running:
                    self._note(pid, word)
            connection.close()
        self._connections.clear()

    def signal(self, number: int) -> None:
        """Have the signal sent to every rank's process group."""
        self.stopping = True
        wish = json.dumps({"do": "signal", "signal": signal.Signals(number).name[3:]}).encode()
        for pid in self._running:
            try:
                self._connections[pid].send(wish)
            except OSError:
                continue
            self._warned.append(pid)

    @property
    def has_warned_left(self) -> bool:
        """Whether anybody whom a signal reached still lives, as far as we can see."""
        self._warned = [pid for pid in self._warned if pid in self._running or _has_living(pid)]
        return bool(self._warned)

    def _note(self, pid: int, word: bytes) -> None:
        """A keeper that is gone without a word has taken its rank with it."""
        ended = _parse(word).get("ended", -signal.SIGKILL) if word else -signal.SIGKILL
        status = ended << 8 if ended >= 0 else -ended
        rank = self._running.pop(pid)
        self._ended[rank] = self._describe(rank, status, pid)


def _has_living(group: int) -> bool:
    """Whether the group has members beside its first process, which ended and is not reaped."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % name, "rb") as stream:
                fields = stream.read().rpartition(b")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] not in (b"Z", b"X"):
            return True
    return False


def _read(connection: socket.socket) -> dict[str, Any]:
    """The launcher's first word."""
    try:
        answer = _parse(connection.recv(ANSWER_BYTES_MAX))
    except OSError as error:
        raise LauncherRefused("the launcher: %s" % error) from error
    if "refused" in answer:
        raise LauncherRefused("the launcher refused: %s" % answer["refused"])
    return answer


def _parse(word: bytes) -> dict[str, Any]:
    if not word:
        raise LauncherRefused("the launcher ended without a word")
    content: dict[str, Any] = json.loads(word)
    return content


def _is_shared(folder: str) -> bool:
    try:
        os.getxattr(folder, "system.posix_acl_default", follow_symlinks=False)
    except OSError:
        return False
    return True


def _walk(folder: str) -> list[str]:
    """What only we have touched, innermost first, so that nobody is let in before we are done."""
    found = []
    for place, _, files in os.walk(folder, topdown=False):
        found += [os.path.join(place, name) for name in files]
        found.append(place)
    return found


def _set_acl(path: str, kind: str, users: dict[int, int], owner: int = READ_WRITE_ENTER) -> None:
    """Rights of the owner and of these users; none for anybody else. See linux/posix_acl_xattr.h"""
    entries = [(ACL_OWNER, owner, NOBODY)]
    entries += [(ACL_USER, rights, uid) for uid, rights in sorted(users.items())]
    mask = max(users.values())
    entries += [(ACL_GROUP, 0, NOBODY), (ACL_MASK, mask, NOBODY), (ACL_OTHER, 0, NOBODY)]
    content = struct.pack("<I", ACL_VERSION)
    content += b"".join(struct.pack("<HHI", *entry) for entry in entries)
    os.setxattr(path, "system.posix_acl_%s" % kind, content, follow_symlinks=False)
