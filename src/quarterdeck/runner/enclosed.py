"""Ranks behind a process of ours: a signal is for the command inside, not for what encloses it."""

from __future__ import annotations

import os
import signal

from .processes import find_members, read_parents
from .ranks import Ranks


class EnclosedRanks(Ranks):
    """What podman, enroot and bubblewrap have in common. The pid of a rank is that of the program
    that we started. A signal that comes before the command runs is kept for it."""

    def __init__(self, first_rank: int) -> None:
        super().__init__(first_rank)
        self._due: dict[int, int] = {}
        self._frozen: dict[int, int] = {}
        self._died_of: dict[int, int] = {}

    @property
    def has_to_be_looked_at(self) -> bool:
        """Whether something is waited for that nobody tells of."""
        return bool(self._due or self._frozen)

    def signal(self, number: int) -> None:
        """Send a signal to the process group of every rank's command."""
        self.stopping = True
        self._due.update(dict.fromkeys(self._running, number))
        self._deliver()

    def reap(self) -> None:
        """Take note of ranks that have ended, and send what could not be sent before."""
        super().reap()
        self._deliver()

    def find_command(self, pid: int, parents: dict[int, int]) -> int | None:
        """The first process of the rank's command, once there is one."""
        raise NotImplementedError

    def spared(self, pid: int, parents: dict[int, int]) -> set[int]:  # noqa: ARG002
        """Those of the command's process group that enclose it, and get no signal."""
        return set()

    def ends_with(self, command: int) -> bool:  # noqa: ARG002 - for those who have to look
        """Whether all others in there are killed when the command ends."""
        return False

    def describe_signal(self, pid: int) -> int | None:
        """The signal that the rank died of, where its enclosure could not tell."""
        return self._died_of.pop(pid, None)

    def _deliver(self) -> None:
        if not self._due and not self._frozen:
            return
        parents = read_parents()
        for pid, number in list(self._due.items()):
            command = self.find_command(pid, parents) if pid in self._running else None
            if command is not None:
                members = find_members(command, parents) - self.spared(pid, parents)
                self._send(pid, command, members, number)
            if command is not None or pid not in self._running:
                del self._due[pid]
        for pid, number in list(self._frozen.items()):
            command = self.find_command(pid, parents)
            if command is None:
                del self._frozen[pid]
            elif not find_members(command, parents) - self.spared(pid, parents) - {command}:
                del self._frozen[pid]
                self._end(pid, command, number)

    def _send(self, pid: int, command: int, members: set[int], number: int) -> None:
        """A shell dies of the signal while what it started makes use of the grace. Where its death
        would end all of that, it is stopped instead, and dies last."""
        others = members - {command}
        dies = not _handles(command, number)
        if dies and others and self.ends_with(command):
            _kill(command, signal.SIGSTOP)
            self._frozen[pid] = number
        elif dies:
            self._end(pid, command, number)
        else:
            _kill(command, number)
        for other in others:
            _kill(other, number)

    def _end(self, pid: int, command: int, number: int) -> None:
        """The first process of a namespace dies of nothing but SIGKILL."""
        if _is_first(command):
            self._died_of[pid] = number
            _kill(command, signal.SIGKILL)
        else:
            _kill(command, number)
            _kill(command, signal.SIGCONT)


def _kill(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return


def _handles(pid: int, number: int) -> bool:
    """Whether the process has its own answer to the signal, or takes no notice of it."""
    masks = _status(pid, "SigCgt"), _status(pid, "SigIgn")
    return any(mask and int(mask[0], 16) >> (number - 1) & 1 for mask in masks)


def _is_first(pid: int) -> bool:
    return _status(pid, "NSpid")[-1:] == ["1"]


def _status(pid: int, field: str) -> list[str]:
    try:
        with open("/proc/%d/status" % pid) as stream:
            for line in stream:
                if line.startswith(field + ":"):
                    return line.split()[1:]
    except OSError:
        return []
    return []
