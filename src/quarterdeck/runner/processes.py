"""Find and kill everything that a replica started, however it tried to get away.

Three ways lead to a process: it is a descendant of ours; it was left by its parent and came to us,
because we are a subreaper (man 2 prctl, PR_SET_CHILD_SUBREAPER); or its environment carries the
replica's mark, which a child inherits. A process that changes its mark *and* leaves its parents is
found as long as its subreaper lives.
"""

from __future__ import annotations

import os
import select

from .light import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Iterable

MARK = "QD_REPLICA"
ROUND_MS = 20


def read_parents() -> dict[int, int]:
    """The parent of every process."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            parent = read_parent(int(name))
            if parent is not None:
                parents[int(name)] = parent
    return parents


def read_parent(pid: int) -> int | None:
    """The parent of a living process; None for one that is gone or only waits to be reaped.

    One whose first thread has ended looks like a zombie while its other threads live on.
    """
    try:
        with open("/proc/%d/stat" % pid, "rb") as stream:
            fields = stream.read().rpartition(b")")[2].split()
        is_dead = fields[0] in (b"Z", b"X") and not _has_other_threads(pid)
    except OSError:
        return None
    return None if is_dead else int(fields[1])


def _has_other_threads(pid: int) -> bool:
    return any(thread != str(pid) for thread in os.listdir("/proc/%d/task" % pid))


def read_mark(pid: int) -> str:
    """The replica that the process says it belongs to, or an empty string."""
    try:
        with open("/proc/%d/environ" % pid, "rb") as stream:
            variables = stream.read().split(b"\0")
    except OSError:
        return ""
    prefix = MARK.encode() + b"="
    for variable in variables:
        if variable.startswith(prefix):
            return os.fsdecode(variable[len(prefix) :])
    return ""


def find_descendants(root: int, parents: dict[int, int]) -> set[int]:
    """All living processes below `root`."""
    children: dict[int, list[int]] = {}
    for pid, parent in parents.items():
        children.setdefault(parent, []).append(pid)
    found: set[int] = set()
    left = [root]
    while left:
        for child in children.get(left.pop(), ()):
            if child not in found:
                found.add(child)
                left.append(child)
    return found


def find_oldest_child(pid: int, parents: dict[int, int]) -> int | None:
    """The child that was born first, of those that live."""
    children = [child for child, parent in parents.items() if parent == pid]
    return min(children, key=_born_at, default=None)


def _born_at(pid: int) -> int:
    try:
        with open("/proc/%d/stat" % pid, "rb") as stream:
            return int(stream.read().rpartition(b")")[2].split()[19])
    except OSError:
        return 0


def find_members(first: int, parents: dict[int, int]) -> set[int]:
    """The living processes of the group that a process is in, of those that are known."""
    group = _read_group(first)
    return {pid for pid in parents if _read_group(pid) == group} if group is not None else set()


def _read_group(pid: int) -> int | None:
    try:
        with open("/proc/%d/stat" % pid, "rb") as stream:
            return int(stream.read().rpartition(b")")[2].split()[2])
    except OSError:
        return None


def kill_descendants(reap: Callable[[], None], spared: Iterable[int] = ()) -> None:
    """Kill everything below this process, again and again until nothing is left.

    A process may fork while it is looked at; what it forked is below us in the next round. `reap`
    collects our children; what is spared keeps what is below it.
    """
    while True:
        reap()
        parents = read_parents()
        for pid in spared:
            parents.pop(pid, None)
        found = find_descendants(os.getpid(), parents)
        if not found:
            return
        kill_all(found)


def kill_marked(marks: set[str]) -> None:
    """Kill every process that carries one of the marks, and what is below it, until none is left.

    Kills no other process: a mark is read again right before the kill.
    """
    while True:
        parents = read_parents()
        marked = {pid for pid in parents if pid != os.getpid() and read_mark(pid) in marks}
        found = set(marked)
        for pid in marked:
            found |= find_descendants(pid, parents)
        found.discard(os.getpid())
        if not found:
            return
        kill_all(found)


def kill_where_mounted(place: str) -> None:
    """Kill every process for which something is mounted at this place, until none is left: with a
    place of one replica alone, those are what runs in its file system."""
    while True:
        found = {pid for pid in read_parents() if pid != os.getpid() and has_mount(pid, place)}
        if not found:
            return
        kill_all(found)


def has_mount(pid: int, place: str) -> bool:
    """Whether something is mounted there for a process, at just this place of its own root."""
    try:
        with open("/proc/%d/mountinfo" % pid, errors="replace") as stream:
            return any(line.split()[4] == place for line in stream)
    except OSError:
        return False


def kill_all(pids: Iterable[int]) -> None:
    """SIGKILL them, and wait a little until they are gone. A pid cannot pass to another process
    while we hold its pidfd."""
    handles = []
    for pid in pids:
        try:
            handle = os.pidfd_open(pid)
        except OSError:
            continue
        handles.append(handle)
        try:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        except OSError:
            continue
    poller = select.poll()
    for handle in handles:
        poller.register(handle, select.POLLIN)
    if handles:
        poller.poll(ROUND_MS)
    for handle in handles:
        os.close(handle)
