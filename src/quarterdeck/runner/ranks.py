"""The command's ranks on this node: start them, know how each ended, signal them."""

from __future__ import annotations

import errno
import os

from .cgroups import join
from .light import signal, suppress
from .prctl import die_with_parent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

EXEC_FAILED = {FileNotFoundError: 127, NotADirectoryError: 127, PermissionError: 126}


class Ranks:
    """Processes that were forked here, each with a session and process group of its own."""

    takes_cgroups = True
    """Whether they may be put into groups of ours."""

    def __init__(self, first_rank: int) -> None:
        self._first_rank = first_rank
        self._running: dict[int, int] = {}
        self._ended: dict[int, dict[str, Any]] = {}
        self._warned: list[int] = []
        self.stopping = False

    def start(
        self,
        command: list[str],
        environment: dict[str, str],
        folder: str,
        output: int,
        cgroups: tuple[str, ...] = (),
    ) -> int:
        """Fork and execute one rank; it writes into `output`, and lives in these cgroups."""
        rank = self._first_rank + len(self._running) + len(self._ended)
        parent = os.getpid()
        executed, executing = os.pipe2(os.O_CLOEXEC)
        pid = os.fork()
        if pid == 0:
            _become(command, environment, folder, output, cgroups, parent)
        self._running[pid] = rank
        os.close(executing)
        # Ends with the execution: before that the child has no group to send a signal to.
        os.read(executed, 1)
        os.close(executed)
        return pid

    def prepare(self) -> Any:  # noqa: ANN401 - a pull, which this module knows nothing of
        """What has to be fetched first, if anything: asked whether it is over, until it is."""
        return None

    @property
    def facts(self) -> dict[str, Any]:
        """What is to be told of the ranks with their start."""
        return {}

    @property
    def has_to_be_looked_at(self) -> bool:
        """Whether something is waited for that nobody tells of."""
        return False

    def are_up(self) -> bool:
        """Whether every command has been started, not only what is to start it."""
        return True

    def clear(self) -> None:
        """End what no signal of ours reaches."""

    def describe_overrun(self) -> str:
        """As `Cgroups` does, for groups that are not ours."""
        return ""

    @property
    def is_running(self) -> bool:
        """Whether any rank lives."""
        return bool(self._running)

    @property
    def readers(self) -> list[int]:
        """What to wait for beside SIGCHLD: nothing, for children."""
        return []

    @property
    def has_failed(self) -> bool:
        """Whether a rank ended otherwise than with code 0, and was not asked to."""
        return any((end["code"] != 0) and not end["stopped"] for end in self._ended.values())

    def reap(self) -> None:
        """Take note of every child that has ended; grandchildren that came to us are let go."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            rank = self._running.pop(pid, None)
            if rank is not None:
                self._ended[rank] = self._describe(rank, status, pid)

    def reap_all(self) -> None:
        """Wait for the ranks that were killed: each has a last status, and it is not lost."""
        while self._running:
            pid, status = os.waitpid(-1, 0)
            rank = self._running.pop(pid, None)
            if rank is not None:
                self._ended[rank] = self._describe(rank, status, pid)

    def signal(self, number: int) -> None:
        """Send a signal to every rank's process group."""
        self.stopping = True
        for pid in self._running:
            with suppress(ProcessLookupError):
                os.killpg(pid, number)
                self._warned.append(pid)

    @property
    def has_warned_left(self) -> bool:
        """Whether anybody whom a signal reached still lives. A shell may end at once, while the
        command that it started makes use of its grace."""
        self._warned = [pid for pid in self._warned if _has_members(pid)]
        return bool(self._warned)

    def ends(self) -> list[dict[str, Any]]:
        """How each rank ended, by rank."""
        return [self._ended[rank] for rank in sorted(self._ended)]

    def describe_signal(self, pid: int) -> int | None:  # noqa: ARG002 - for those who know more
        """The signal that the rank of this process died of, where its status does not tell."""
        return None

    def _describe(self, rank: int, status: int, pid: int) -> dict[str, Any]:
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else self.describe_signal(pid)
        code = os.WEXITSTATUS(status) if number is None else None
        stopped = self.stopping and code != 0
        return {"rank": rank, "code": code, "signal": number, "stopped": stopped}


def _execute(command: list[str], environment: dict[str, str]) -> NoReturn:
    """As `os.execvpe`, which loads the module of warnings first, in each child. What is told of a
    program that is found and cannot be executed comes before that it is not found elsewhere."""
    if os.path.dirname(command[0]):
        os.execve(command[0], command, environment)
    told: OSError = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), command[0])
    for folder in environment.get("PATH", os.defpath).split(os.pathsep):
        try:
            os.execve(os.path.join(folder, command[0]), command, environment)
        except (FileNotFoundError, NotADirectoryError):  # noqa: PERF203
            continue
        except OSError as error:
            told = told if told.errno != errno.ENOENT else error
    raise told


def _has_members(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _become(
    command: list[str],
    environment: dict[str, str],
    folder: str,
    output: int,
    cgroups: tuple[str, ...],
    parent: int,
) -> NoReturn:
    """In the child: become the command. Never returns."""
    code = 127
    try:
        die_with_parent()
        if os.getppid() != parent:
            os._exit(125)
        os.setsid()
        for number in (signal.SIGPIPE, signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.umask(0o022)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        for folder_of_cgroup in cgroups:
            join(folder_of_cgroup)
        os.chdir(folder)
        _execute(command, environment)
    except OSError as error:
        code = EXEC_FAILED.get(type(error), 126)
        os.write(2, ("qd: %s: %s\n" % (command[0], error.strerror)).encode())
    finally:
        os._exit(code)
