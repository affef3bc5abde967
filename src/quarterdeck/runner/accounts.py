"""Ranks that run as the account of the job's owner, started and ended by the privileged launcher.

The runner stays the server's own: the spool, the log and the clock are out of the job's reach. A
connection to the launcher is a rank; when we close it, or die, all that the rank started is killed.
What the job may write is shared with its account by access control lists, which their owner can set
without being root (man 5 acl).
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import socket
import stat
import struct
from typing import Any

from .ranks import describe_end

LOOK_S_MAX = 30.0
ANSWER_BYTES_MAX = 4096
ACL_VERSION = 2
OWNER, USER, GROUP, MASK, OTHER = 0x01, 0x02, 0x04, 0x10, 0x20
NOBODY = 0xFFFFFFFF
READ_WRITE_ENTER, ENTER = 7, 1


class LauncherRefused(OSError):
    """The launcher said why not."""


class Account:
    """The account of the owner, as the launcher knows it."""

    def __init__(self, given: dict[str, Any]) -> None:
        self._socket: str = given["launcher"]
        self._owner: str = given["owner"]
        self._root: str = given["root"]
        with self._ask({"do": "look"}) as connection:
            self.uid: int = _read(connection)["uid"]

    def share(self, folder: str) -> None:
        """Let the account read and write what is in the folder, and let us what it makes there."""
        self.let_through(os.path.dirname(folder))
        entries = ((self.uid, READ_WRITE_ENTER), (os.getuid(), READ_WRITE_ENTER))
        _set_acl(folder, "access", entries)
        _set_acl(folder, "default", entries)
        for place, folders, files in os.walk(folder):
            for name in (*folders, *files):
                path = os.path.join(place, name)
                mode = os.lstat(path).st_mode
                if not stat.S_ISLNK(mode):
                    os.chmod(path, stat.S_IMODE(mode) | (mode & 0o700) >> 3)

    def let_through(self, folder: str) -> None:
        """Let the account pass the folder, and those above it up to the site's own, which are open
        to be passed by all."""
        while os.path.dirname(os.path.dirname(folder)).startswith(self._root):
            _set_acl(folder, "access", ((self.uid, ENTER),))
            folder = os.path.dirname(folder)

    def start(self, order: dict[str, Any], folders: list[str], output: int) -> socket.socket:
        """Start a rank; the connection that is it, whose first word is its pid."""
        handle = os.memfd_create("order", os.MFD_CLOEXEC)
        try:
            os.write(handle, json.dumps(order).encode())
            os.lseek(handle, 0, os.SEEK_SET)
            return self._ask({"do": "start", "folders": folders}, handle, output)
        finally:
            os.close(handle)

    def _ask(self, request: dict[str, Any], *files: int) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            connection.settimeout(LOOK_S_MAX)
            connection.connect(self._socket)
            text = json.dumps(dict(request, owner=self._owner)).encode()
            extra = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))]
            connection.sendmsg([text], extra if files else [])
        except BaseException:
            connection.close()
            raise
        return connection
