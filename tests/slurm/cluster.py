"""A real Slurm for tests: munged, one slurmctld and some slurmd on this machine.

Everything is in one folder, on free ports of loopback (or in namespaces), and ended by process id.
"""

from __future__ import annotations

import fcntl
import getpass
import os
import random
import shutil
import socket
import subprocess
import tempfile
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from time import monotonic, sleep, time
from typing import TYPE_CHECKING, Any, TypeVar

from tests.slurm import accounting
from tests.slurm.config import CLUSTER, HUB, LOCAL, ClusterOptions, write_config
from tests.slurm.hosts import Hosts
from tests.slurm.processes import end_processes, find_processes, name_of, started_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Seen = TypeVar("Seen")
PREFIX = "qd-test-slurm-"
OWNER = "owner"
DAEMONS = ("munged", "slurmctld", "slurmd")
CLIENTS = ("sbatch", "scancel", "squeue", "scontrol", "sinfo", "sacct", "sacctmgr", "srun")
UP_S_MAX = 60.0
ASK_S_MAX = 30.0
SYSTEM_FOLDERS = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
FAKE_GPU_MAJOR = 240
"""Local use: no driver is behind it, so an open that is let through ends with ENXIO."""


def find_missing() -> str | None:
    """None when the programs of a cluster are here."""
    missing = [name for name in (*DAEMONS, *CLIENTS) if not _find(name)]
    return f"no {', '.join(missing)} on PATH" if missing else None


def find_why_no_hosts() -> str | None:
    """None when nodes can have namespaces of their own here, and devices be kept from jobs."""
    if os.geteuid() != 0:
        return "only root may make namespaces"
    missing = [name for name in ("ip", "nsenter", "unshare", "mount") if not _find(name)]
    if missing:
        return f"no {', '.join(missing)} on PATH"
    if not Path("/sys/fs/cgroup/devices").is_dir():
        return "no cgroup v1 with devices"
    try:
        subprocess.run(["unshare", "--net", "--uts", "--mount", "true"], check=True)
    except subprocess.CalledProcessError as error:
        return f"no namespaces: {error}"
    return None


def find_why_no_accounting() -> str | None:
    """None when a cluster can have accounting here."""
    missing = [name for name in accounting.PROGRAMS if not _find(name)]
    return f"no {', '.join(missing)} on PATH" if missing else None


@contextmanager
def running_slurm(options: ClusterOptions | None = None) -> Iterator[SlurmCluster]:
    """A cluster whose nodes are all idle; gone with its jobs and its folder afterwards."""
    options = options or ClusterOptions()
    _sweep()
    # Jobs of other people read its configuration, so not a test's own folder.
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    folder.chmod(0o755)
    (folder / OWNER).write_text(f"{os.getpid()} {started_at(os.getpid())}")
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        if options.has_hosts:
            # Cgroups and namespaces are named after nodes: one such cluster at a time.
            stack.enter_context(_only_one("qd-slurm-hosts"))
        cluster = SlurmCluster(folder, options)
        stack.callback(cluster.stop)
        cluster.start()
        yield cluster


class SlurmCluster:
    """One cluster; `running_slurm` makes it. `config` is its slurm.conf, `programs` the folder of
    its client programs, `env` what a client needs in its environment."""

    def __init__(self, folder: Path, options: ClusterOptions) -> None:
        self.folder = folder
        self.options = options
        self.config = folder / "slurm.conf"
        self.programs = folder / "bin"
        self.env = {"SLURM_CONF": str(self.config), "PATH": f"{self.programs}:{SYSTEM_FOLDERS}"}
        self._hosts = Hosts(folder, options, "qdslurm") if options.has_hosts else None
        self._munge_socket = folder / "munge" / "socket"
        self._started: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start all of it, and wait until every node is idle."""
        for name in ("state", "spool", "log", "dev", "bin", "munge"):
            (self.folder / name).mkdir()
        self._make_devices()
        if self._hosts:
            self._hosts.make()
        self._add_programs()
        database, dbd, *ports = _free_ports(self.options.nodes + 3)
        lines = []
        if self.options.has_accounting:
            lines = accounting.config_lines(dbd, self._munge_socket)
        write_config(self.folder, self.options, tuple(ports), self._munge_socket, lines)
        self._start_munged()
        if self.options.has_accounting:
            self._start_accounting(dbd, database)
        self.start_controller()
        for name in self.options.names:
            self.start_node(name)
        self.wait_idle()

    def stop(self) -> None:
        """End the jobs, then the daemons, each by its process id, and drop the namespaces."""
        end_processes(self._find_all)
        for daemon in self._started.values():
            daemon.kill()
            daemon.wait()
        self._started.clear()
        if self._hosts:
            self._hosts.drop()
            _drop_cgroups(self.options)

    def start_controller(self) -> None:
        """Start slurmctld; it goes on with the state it kept."""
        self._start("slurmctld", ["slurmctld", "-D", "-f", str(self.config)], HUB)

    def stop_controller(self) -> None:
        """End slurmctld in order: it keeps all it knows, and clients cannot contact it."""
        daemon = self._started.pop("slurmctld")
        daemon.terminate()
        daemon.wait(UP_S_MAX)

    def wait_until_kept(self) -> None:
        """Wait until the controller has kept all that it knows now; see `kill_controller`."""
        kept, now = self.folder / "state" / "job_state", time()
        self.submit("true", "--hold")  # something new, which is kept with all else
        self.wait_for(lambda: kept.exists() and kept.stat().st_mtime > now, "kept state")

    def kill_controller(self) -> None:
        """End slurmctld at once. It forgets what it had not kept yet, up to some seconds: a job
        that had just started waits again."""
        self._kill("slurmctld")

    def start_node(self, name: str) -> None:
        """Start the slurmd of a node."""
        command = ["slurmd", "-D", "-N", name, "-f", str(self.config)]
        self._start(name, command, name, SLURMD_NODENAME=name)

    def kill_slurmd(self, name: str) -> None:
        """End a node's slurmd at once, and nothing of its jobs."""
        self._kill(name)

    def kill_node(self, name: str, *, jobs_too: bool = True) -> None:
        """End a node's slurmd and its slurmstepd at once, as when it loses power; without
        `jobs_too` the processes of its jobs live on, as they do when only Slurm is lost."""
        self._kill(name)

        def find() -> set[int]:
            pids = find_processes(f"SLURM_CONF={self.config}", f"SLURMD_NODENAME={name}")
            return pids if jobs_too else {p for p in pids if name_of(p) == "slurmstepd"}

        end_processes(find)

    def set_link(self, name: str, *, is_up: bool) -> None:
        """Plug a node's cable in or out (with `has_hosts`)."""
        assert self._hosts, "this cluster has no hosts"
        self._hosts.set_link(name, is_up=is_up)

    def find_job_processes(self, job_id: int) -> set[int]:
        """Processes of a job on any node, by its environment and descent."""
        return find_processes(f"SLURM_CONF={self.config}", f"SLURM_JOB_ID={job_id}\0")

    def ask(self, *command: str, user: int | None = None, text: str | None = None) -> str:
        """Run a client, as another user where one is named, and return what it said."""
        switch: dict[str, Any] = {}
        if user is not None:
            switch = {"user": user, "group": user, "extra_groups": []}
        done: subprocess.CompletedProcess[str] = subprocess.run(
            command,
            env=self.env,
            executable=str(self.programs / command[0]),
            input=text or "",
            cwd="/",
            capture_output=True,
            text=True,
            timeout=ASK_S_MAX,
            check=False,
            **switch,
        )
        assert done.returncode == 0, f"{command} ended with {done.returncode}: {done.stderr}"
        return done.stdout

    def submit(self, script: str, *options: str, user: int | None = None) -> int:
        """Submit a batch script past the code under test, as another user where one is named."""
        output = () if any(option.startswith("--output") for option in options) else ("/dev/null",)
        options = (*options, *(f"--output={path}" for path in output))
        text = f"#!/bin/sh\n{script}\n"
        return int(self.ask("sbatch", "--parsable", *options, user=user, text=text))

    def state_of(self, job_id: int) -> str:
        """A job's state in Slurm's own word."""
        return self.ask("squeue", "-h", "-t", "all", "-o", "%T", "-j", str(job_id)).strip()

    def wait_for_state(self, job_id: int, *states: str) -> str:
        """Wait until the job is in one of these."""
        seen = [""]

        def look() -> bool:
            seen[0] = self.state_of(job_id)
            return seen[0] in states

        self.wait_for(look, f"{' or '.join(states)} of job {job_id}")
        return seen[0]

    def wait_idle(self) -> None:
        """Wait until every node is idle."""
        wanted = dict.fromkeys(self.options.names, "idle")
        self.wait_for(lambda: self._states() == wanted, "idle nodes")

    def wait_for(self, look: Callable[[], Seen], what: str) -> Seen:
        """Look until there is something to see."""
        deadline = monotonic() + UP_S_MAX
        while not (seen := look()):
            ended = [name for name, daemon in self._started.items() if daemon.poll() is not None]
            assert not ended, f"ended by themselves: {ended}\n{self.logs()}"
            assert monotonic() < deadline, f"no {what} after {UP_S_MAX} s\n{self.logs()}"
            sleep(0.05)
        return seen

    def reaches_controller(self) -> bool:
        """Whether the controller answers."""
        try:
            return bool(self.ask("sinfo", "-h"))
        except AssertionError:
            return False

    def cancel_all(self) -> None:
        """Cancel every job of everybody, and wait until the nodes are idle again."""
        jobs = self.ask("squeue", "-h", "-o", "%A").split()
        if jobs:
            self.ask("scancel", *set(jobs))
        self.wait_idle()

    def logs(self) -> str:
        """The ends of the daemons' logs, for the message of a test that fails."""
        paths = sorted((self.folder / "log").iterdir())
        return "\n".join(f"== {p.name}\n{p.read_text(errors='replace')[-1500:]}" for p in paths)

    def _states(self) -> dict[str, str]:
        with suppress(AssertionError):
            lines = self.ask("sinfo", "-h", "-N", "-o", "%N %t").splitlines()
            return dict(line.split(maxsplit=1) for line in lines if " " in line)
        return {}

    def _find_all(self) -> set[int]:
        return find_processes(f"SLURM_CONF={self.config}", "SLURMD_NODENAME=")

    def _start_munged(self) -> None:
        folder = self._munge_socket.parent
        key = folder / "key"
        key.touch(0o600)
        key.write_bytes(random.randbytes(128))
        command = [
            *("munged", "--foreground", "--force", f"--socket={self._munge_socket}"),
            *(f"--key-file={key}", f"--pid-file={folder}/pid", f"--seed-file={folder}/seed"),
            f"--log-file={self.folder}/log/munged.log",
        ]
        self._start("munged", command, None)
        self.wait_for(self._munge_socket.exists, "munge")

    def _start_accounting(self, port: int, database_port: int) -> None:
        assert not self._hosts, "a database is on loopback, where hosts do not reach it"
        find = {name: _find(name) or name for name in accounting.PROGRAMS}
        data = accounting.make_database(self.folder, find)
        self._start("mariadbd", accounting.database_command(data, database_port, find), None)
        self.wait_for(lambda: accounting.let_in(data, find), "database")
        accounting.write_slurmdbd_config(self.folder, port, database_port, self._munge_socket)
        self._start("slurmdbd", ["slurmdbd", "-D"], None)
        self.wait_for(self._add_accounts, "slurmdbd")

    def _add_accounts(self) -> bool:
        """The cluster, and an account `lab` for root or whoever runs the tests."""
        me = getpass.getuser() if os.geteuid() else "root"
        try:
            self.ask("sacctmgr", "-i", "add", "cluster", CLUSTER)
        except AssertionError:
            return False
        self.ask("sacctmgr", "-i", "add", "account", "lab")
        self.ask("sacctmgr", "-i", "add", "user", me, "account=lab", "defaultaccount=lab")
        return True

    def _start(self, name: str, command: list[str], host: str | None, **env: str) -> None:
        inside = self._hosts.inside(host) if self._hosts and host else ()
        with (self.folder / "log" / f"{name}.out").open("ab") as output:
            self._started[name] = subprocess.Popen(
                [*inside, *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.folder,
                env={"PATH": SYSTEM_FOLDERS, "SLURM_CONF": str(self.config), **env},
                start_new_session=True,
            )

    def _kill(self, name: str) -> None:
        daemon = self._started.pop(name)
        daemon.kill()
        daemon.wait()

    def _make_devices(self) -> None:
        for index in range(self.options.gpus):
            path = self.folder / "dev" / f"gpu{index}"
            if self._hosts:
                os.mknod(path, 0o666 | 0o020000, os.makedev(FAKE_GPU_MAJOR, index))
            else:
                path.symlink_to("/dev/null")

    def _add_programs(self) -> None:
        """The clients by name, so that one folder is all that a caller has to know: with hosts
        they have to run in the controller's network."""
        for name in CLIENTS:
            program, path = _find(name), self.programs / name
            assert program
            if self._hosts:
                prefix = " ".join(self._hosts.near())
                path.write_text(f'#!/bin/sh\nexec {prefix} {program} "$@"\n')
                path.chmod(0o755)
            else:
                path.symlink_to(program)


@contextmanager
def _only_one(name: str) -> Iterator[None]:
    path = Path(tempfile.gettempdir()) / f"{name}-{os.getuid()}.lock"
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _sweep() -> None:
    """End what is left of a run that was killed before it could stop its cluster."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError, ValueError):
            pid, began = (folder / OWNER).read_text().split()
            if started_at(int(pid)) == began:
                continue
            end_processes(partial(find_processes, f"SLURM_CONF={folder}/"))
            shutil.rmtree(folder, ignore_errors=True)


def _drop_cgroups(options: ClusterOptions) -> None:
    """Slurm leaves the groups of its nodes."""
    for name in options.names:
        for group in Path("/sys/fs/cgroup").glob(f"*/slurm_{name}"):
            for folder, _, _ in os.walk(group, topdown=False):
                with suppress(OSError):
                    Path(folder).rmdir()


def _free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody has, below those the kernel hands out."""
    ports: list[int] = []
    with ExitStack() as stack:
        while len(ports) < count:
            port = random.randrange(15_000, 32_000)
            probe = stack.enter_context(socket.socket())
            with suppress(OSError):
                probe.bind((LOCAL, port))
                ports.append(port)
    return ports


def _find(name: str) -> str | None:
    return shutil.which(name, path=SYSTEM_FOLDERS)
