"""Whether this machine lets a job be held to the memory and the CPUs that it asked for.

The runner is asked to try it, because it is the runner that will do it, with the same code.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from quarterdeck.adapters.engines.local.launcher import RUNNER

TRIAL_S_MAX: Final = 30.0


@dataclass(frozen=True, slots=True)
class Confinement:
    """`memory`: a job is ended when it uses more than it asked for. `cpu`: a job gets its share of
    the CPUs when they are contended. `why` says how, or why not, in a sentence for each."""

    memory: bool
    cpu: bool
    why: str


def describe_confinement() -> Confinement:
    """Try it on this machine, now. Never raises: what cannot be tried does not work."""
    command = [sys.executable, "-I", "-S", str(RUNNER), "confinement"]
    try:
        done = subprocess.run(
            command, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=TRIAL_S_MAX
        )
        found = json.loads(done.stdout)
        memory, cpu = found["memory"], found["cpu"]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
        return Confinement(memory=False, cpu=False, why=f"It could not be tried: {error}.")
    return Confinement(
        memory=memory["works"],
        cpu=cpu["works"],
        why=f"{_describe_memory(memory['works'])} ({memory['text']}). "
        f"{_describe_cpu(cpu['works'])} ({cpu['text']}).",
    )


def remove_groups(folder: Path) -> None:
    """Remove the cgroups of a replica whose runner was killed before it could. Nothing of the
    replica may live any more."""
    try:
        groups = (folder / "cgroups").read_text().split()
    except OSError:
        return
    for group in groups:
        with contextlib.suppress(OSError):
            Path(group).rmdir()


def _describe_memory(works: bool) -> str:
    if works:
        return "A job that uses more memory than it asked for is ended, and told so"
    return "A job may use more memory than it asked for"


def _describe_cpu(works: bool) -> str:
    if works:
        return "CPUs are shared out by what jobs asked for when they are contended"
    return "A job may use more CPUs than it asked for, also when others need them"
