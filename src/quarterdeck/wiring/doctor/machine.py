"""The machine: system, Python, processors, memory, GPUs, limits, and tools that jobs may want."""

from __future__ import annotations

import os
import platform
import re
import resource
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from quarterdeck.adapters.engines.local.confinement import describe_confinement
from quarterdeck.adapters.engines.local.enclosures import describe_enclosures
from quarterdeck.adapters.gauges.nvml import NvmlGauge
from quarterdeck.basics.quantities import GIB, format_bytes
from quarterdeck.wiring.doctor.findings import Finding, attempt, note, ok, problem

if TYPE_CHECKING:
    from quarterdeck.adapters.engines.local.confinement import Confinement
    from quarterdeck.adapters.engines.local.enclosures import Enclosure
    from quarterdeck.ports.gauge import Gauge

PYTHON_MIN: Final = (3, 11)
KERNEL_MIN: Final = (5, 3)
"""`pidfd_open`, by which processes are ended without mistaking one for another."""
FILES_MIN: Final = 1024
FILES_GOOD: Final = 8192
PROCESSES_GOOD: Final = 4096
MEMORY_MIN_BYTES: Final = GIB // 2
TRIAL_S_MAX: Final = 30.0


def look_at_machine() -> list[Finding]:
    """All of them, on this machine."""
    system = look_at_system(platform.system(), platform.release())
    python = look_at_python(sys.version_info[:3], sys.executable)
    if platform.system() != "Linux":
        return [system, python]
    meminfo = Path("/proc/meminfo")
    return [
        system,
        python,
        attempt("cpus", lambda: look_at_cpus(len(os.sched_getaffinity(0)), os.cpu_count() or 1)),
        attempt("memory", lambda: look_at_memory(meminfo.read_text())),
        attempt("gpus", lambda: look_at_gpus(NvmlGauge())),
        *look_at_enclosures(*describe_enclosures()),
        attempt("limits", lambda: look_at_confinement(describe_confinement())),
        look_at_files(resource.getrlimit(resource.RLIMIT_NOFILE)),
        look_at_processes(resource.getrlimit(resource.RLIMIT_NPROC)),
        look_at_port("127.0.0.1", 0),
        look_at_job_python(shutil.which("python") or shutil.which("python3")),
        look_at_slurm(shutil.which("sinfo")),
    ]


def look_at_system(system: str, release: str) -> Finding:
    """Linux, and not too old."""
    numbers = tuple(int(number) for number in re.findall(r"\d+", release)[:2])
    told = f"{system} {release}"
    if system != "Linux" or numbers < KERNEL_MIN:
        wanted = ".".join(map(str, KERNEL_MIN))
        return problem("system", told, f"jobs run on Linux {wanted} or newer; `qd` itself anywhere")
    return ok("system", told)


def look_at_python(version: tuple[int, ...], executable: str) -> Finding:
    """The server's own."""
    told = f"Python {'.'.join(map(str, version))} at {executable}"
    if version[:2] < PYTHON_MIN:
        return problem("python", told, f"use Python {'.'.join(map(str, PYTHON_MIN))} or newer")
    return ok("python", told)


def look_at_cpus(usable: int, present: int) -> Finding:
    """Those that this process may use are those that jobs get."""
    if usable < present:
        return note(
            "cpus",
            f"{usable} of {present} CPUs may be used from here",
            "a CPU set (taskset, a container, Slurm) keeps the others away",
        )
    return ok("cpus", f"{usable} CPUs")


def look_at_memory(meminfo: str) -> Finding:
    """All of it, as the kernel tells."""
    match = re.search(r"^MemTotal:\s+(\d+) kB$", meminfo, re.MULTILINE)
    if match is None:
        return note("memory", "how much there is cannot be told")
    size = int(match[1]) * 1024
    if size < MEMORY_MIN_BYTES:
        return note("memory", format_bytes(size), "that is little; a server itself needs 100 MiB")
    return ok("memory", format_bytes(size))


def look_at_gpus(gauge: Gauge) -> Finding:
    """What the NVIDIA driver knows. A machine without any is none the worse."""
    try:
        devices = gauge.list_devices()
    except Exception as error:  # noqa: BLE001 - a broken driver may fail in any way
        return problem("gpus", f"the NVIDIA driver answers with {error!r}", "try `nvidia-smi`")
    if not devices:
        return note(
            "gpus",
            "no NVIDIA driver answers, so there are no GPUs here for Quarterdeck",
            "`qd up --pretend dgx-a100:2` shows how it would be with some",
        )
    models = sorted({device.model for device in devices})
    return ok("gpus", f"{len(devices)} × {', '.join(models)}")


def look_at_confinement(found: Confinement) -> Finding:
    """Whether jobs can be held to what they asked for."""
    if found.memory and found.cpu:
        return ok("limits", found.why)
    return note("limits", found.why, "run the server as root, or delegate it a cgroup (systemd)")


def look_at_enclosures(image: Enclosure, isolation: Enclosure) -> list[Finding]:
    """Whether jobs may have an `image`, and whether `isolate` works. Neither is needed."""
    page = "docs/howto/images.md"
    pairs = (("images", image, "`image`"), ("isolation", isolation, "`isolate`"))
    return [
        ok(about, found.text)
        if found.works
        else note(about, found.text, f"only for jobs with {key}: {page}")
        for about, found, key in pairs
    ]


def look_at_files(limits: tuple[int, int]) -> Finding:
    """Open files: a server holds one per client and follower, a runner one per rank."""
    soft, hard = limits
    told = f"{_number(soft)} open files per process (up to {_number(hard)})"
    if _is_below(soft, FILES_MIN):
        return problem("open files", told, f"raise it: `ulimit -n {FILES_GOOD}`")
    if _is_below(soft, FILES_GOOD):
        return note(
            "open files", told, f"for hundreds of clients raise it: `ulimit -n {FILES_GOOD}`"
        )
    return ok("open files", told)


def look_at_processes(limits: tuple[int, int]) -> Finding:
    """Every replica is a process or more."""
    told = f"{_number(limits[0])} processes per user"
    if _is_below(limits[0], PROCESSES_GOOD):
        return note("processes", told, f"raise it: `ulimit -u {PROCESSES_GOOD}`")
    return ok("processes", told)


def look_at_port(host: str, port: int) -> Finding:
    """That something can be listened on; port 0 asks for any that is free."""
    try:
        with socket.socket() as listener:
            listener.bind((host, port))
            listener.listen()
    except OSError as error:
        return problem(
            "port",
            f"nothing can listen on {host} port {port or '(any)'}: {error.strerror}",
            "bring the loopback interface up" if port == 0 else "use --port 0 for a free one",
        )
    return ok("port", f"a server can listen on {host}")


def look_at_job_python(executable: str | None) -> Finding:
    """What `python` is for a job that is started from this shell, and whether it has PyTorch."""
    if executable is None:
        return note("job python", "there is no `python` on PATH", "jobs must name theirs")
    code = (
        "import sys, importlib.util as u; print(sys.version.split()[0], bool(u.find_spec('torch')))"
    )
    try:
        done = subprocess.run(
            [executable, "-c", code],
            check=True,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=TRIAL_S_MAX,
        )
        version, has_torch = done.stdout.split()
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return note("job python", f"{executable} does not start: {error}", "jobs must name theirs")
    torch = "with PyTorch" if has_torch == "True" else "without PyTorch"
    return ok("job python", f"`python` is {version} at {executable}, {torch}")


def look_at_slurm(sinfo: str | None) -> Finding:
    """Whether a Slurm may be asked from here."""
    if sinfo is None:
        return ok("slurm", "none here (none is needed)")
    return ok("slurm", f"its commands are here ({sinfo})")


def _is_below(limit: int, wanted: int) -> bool:
    return limit != resource.RLIM_INFINITY and limit < wanted


def _number(limit: int) -> str:
    return "any number of" if limit == resource.RLIM_INFINITY else str(limit)
