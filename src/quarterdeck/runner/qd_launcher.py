"""Starts ranks of jobs as the accounts of their owners: the only part that runs as root.

Installed by itself, with qd_rank.py beside it, where only root can write; see
docs/security/privilege.md. One connection is one rank, kept by one process of ours: when the
connection or its keeper ends, so do the rank and all below it. As root nothing is opened, made,
changed or executed whose name comes from a request, and nothing is signalled but our own children.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import pathlib
import pwd
import select
import signal
import socket
import stat
import struct
import subprocess
import sys
from typing import Any

CONFIG = "/etc/quarterdeck/launcher.json"
RANK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "qd_rank.py")
REQUEST_BYTES_MAX, FOLDERS_MAX, FILES = 8192, 6, 2
REQUEST_S_MAX, RELEASE_S_MAX, KILL_PAUSE_S = 10.0, 60.0, 0.005
FIELDS = {"look": {"do", "owner"}, "start": {"do", "owner", "folders"}, "signal": {"do", "signal"}}
SIGNALS = ("TERM", "INT", "HUP", "QUIT", "USR1", "USR2")
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 36, 38
prctl = ctypes.CDLL(None).prctl


def check_is_roots(path: str) -> None:
    """Refuse a file that somebody else may have written, or may put another one in the place of."""
    for place in (path, *map(str, pathlib.Path(path).parents)):
        status = os.lstat(place)
        is_open = status.st_mode & 0o022 and (place == path or not status.st_mode & stat.S_ISVTX)
        if status.st_uid != 0 or is_open or stat.S_ISLNK(status.st_mode):
            raise PermissionError("%s: %s is not root's alone" % (path, place))


def read_config(path: str) -> tuple[dict[str, Any], pwd.struct_passwd]:
    """The settings as root wrote them, and the one account that may ask."""
    check_is_roots(path)
    check_is_roots(RANK)
    with open(path) as stream:
        config: dict[str, Any] = json.load(stream)
    server = pwd.getpwnam(config["server"])
    if server.pw_uid == 0:
        raise PermissionError("the server is not to run as root")
    return config, server


def find_account(config: dict[str, Any], server: int, owner: object) -> pwd.struct_passwd:
    """Whose account runs what this person asked for, if there is one that may."""
    known = config["accounts"]
    name = known.get(owner, known.get("*")) if isinstance(owner, str) and owner != "*" else None
    if name is None:
        raise PermissionError("nobody has said which account is that of %.64r" % owner)
    account, least = pwd.getpwnam(name), max(1, config.get("min_uid", 1000))
    if account.pw_uid < least or account.pw_uid == server:
        raise PermissionError("account %r is the server's or the system's (< %d)" % (name, least))
    if 0 in os.getgrouplist(name, account.pw_gid):
        raise PermissionError("account %r is in root's group" % name)
    return account


def receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """One request of a known form with the files that came with it; {} at the end."""
    room = socket.CMSG_SPACE(FILES * 4)
    text, extras, flags, _ = connection.recvmsg(REQUEST_BYTES_MAX, room, socket.MSG_CMSG_CLOEXEC)
    files = [file for _, _, data in extras for (file,) in struct.iter_unpack("i", data)]
    if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
        raise PermissionError("the request is too long")
    request = json.loads(text or "{}")
    is_known = isinstance(request, dict) and request.keys() == FIELDS.get(str(request.get("do")))
    if text and not is_known:
        raise PermissionError("the request is not understood")
    return request, files


def reply(connection: socket.socket, **content: object) -> None:
    """Say it in one message. Whoever asked may be gone."""
    with contextlib.suppress(OSError):
        connection.send(json.dumps(content).encode())


def spawn(account: pwd.struct_passwd, files: list[int], *arguments: str) -> subprocess.Popen[bytes]:
    """Execute qd_rank.py, nothing else, as the account, once it agrees."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    parent = os.getpid()

    def give_up() -> None:
        is_root = 0 in (*os.getresuid(), *os.getresgid(), *os.getgroups())
        failed = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or prctl(PR_SET_PDEATHSIG, 9, 0, 0, 0)
        if is_root or failed or os.getppid() != parent:
            raise PermissionError("root's rights cannot be given up for good")

    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
    environment.update(HOME=account.pw_dir, USER=account.pw_name, LOGNAME=account.pw_name)
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", RANK, str(writer), *arguments],
        stdin=files[0],
        stdout=files[-1],
        stderr=files[-1],
        pass_fds=(writer,),
        env=environment,
        user=account.pw_uid,
        group=account.pw_gid,
        extra_groups=os.getgrouplist(account.pw_name, account.pw_gid),
        umask=0o077,
        start_new_session=True,
        preexec_fn=give_up,  # noqa: PLW1509 - this process has one thread
    )
    os.close(writer)
    with open(reader, "rb") as stream:
        why_not = stream.read(1000).decode("utf-8", "replace")
    if why_not:
        raise PermissionError(why_not)
    return process


def keep(connection: socket.socket, pid: int) -> None:
    """Until the connection ends: tell of the rank's end and pass on signals, by its group, whose
    number is nobody else's because the rank is not reaped. Then kill all that is below us."""
    poll, handle, is_wanted = select.poll(), os.pidfd_open(pid), True
    poll.register(connection, select.POLLIN)
    poll.register(handle, select.POLLIN)
    with contextlib.suppress(OSError, ValueError, RecursionError):
        while is_wanted:
            if handle in [ready for ready, _ in poll.poll()]:
                poll.unregister(handle)
                end = os.waitid(os.P_PIDFD, handle, os.WEXITED | os.WNOWAIT)
                if end is not None:
                    reply(connection, ended=(1, -1)[end.si_code != os.CLD_EXITED] * end.si_status)
                continue
            wish = receive(connection)[0].get("signal")
            is_wanted = wish in SIGNALS
            if is_wanted:
                os.killpg(pid, signal.Signals["SIG%s" % wish])
    reply(connection, ended=os.waitstatus_to_exitcode(kill_children()[pid]))


def kill_children() -> dict[int, int]:
    """Until there is none: what loses its parent comes to us. How each ended. A child's number is
    its own until we reap it, so nobody else can be hit."""
    ends: dict[int, int] = {}
    while True:
        for name in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError), open("/proc/%s/stat" % name, "rb") as stream:
                if int(stream.read().rpartition(b")")[2].split()[1]) == os.getpid():
                    os.kill(int(name), signal.SIGKILL)
        select.select([], [], [], KILL_PAUSE_S)
        try:
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                ends[found[0]] = found[1]
        except ChildProcessError:
            return ends


def answer(connection: socket.socket, path: str) -> None:
    """Do what one connection asks for."""
    connection.settimeout(REQUEST_S_MAX)
    config, server = read_config(path)
    peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    if struct.unpack("3i", peer)[1] != server.pw_uid:
        raise PermissionError("only the account %r may ask here" % server.pw_name)
    request, files = receive(connection)
    account = find_account(config, server.pw_uid, request.get("owner"))
    folders = request.get("folders", [])
    if request["do"] == "look":
        reply(connection, account=account.pw_name, uid=account.pw_uid)
        return
    if not 0 < len(folders) <= FOLDERS_MAX or len(files) != FILES:
        raise PermissionError("a start needs 1 to %d folders and %d files" % (FOLDERS_MAX, FILES))
    places = [config["folder"], str(server.pw_uid), *map(str, folders)]
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    rank = spawn(account, files, "run", *places)
    for file in files:
        os.close(file)
    connection.settimeout(None)
    reply(connection, pid=rank.pid)
    keep(connection, rank.pid)
    with contextlib.suppress(subprocess.TimeoutExpired):
        spawn(account, [subprocess.DEVNULL], "release", *places).wait(RELEASE_S_MAX)
    kill_children()


if __name__ == "__main__":
    asked = socket.socket(fileno=0)
    try:
        answer(asked, sys.argv[1] if len(sys.argv) > 1 else CONFIG)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is an answer
        reply(asked, refused=str(error) or type(error).__name__)
        with contextlib.suppress(OSError):
            asked.recv(1)  # what is closed with something unread takes its own answer back
