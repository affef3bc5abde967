"""A server that uses a real Slurm as its site `hpc`, and the programs it asks that Slurm with."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.e2e.deck import until
from tests.slurm.cluster import CLIENTS

if TYPE_CHECKING:
    from tests.e2e.deck import Deck
    from tests.slurm.cluster import SlurmCluster

NAME = "hpc"
JOBS_PATH = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
"""The PATH of jobs: they find the Python of these tests."""
GATE = """\
#!/bin/sh
if [ -e {gate}/after ]; then
  {real} "$@" >/dev/null; echo $$ > {gate}/waits
  while [ -e {gate}/after ]; do sleep 0.05; done; exit 1
fi
if [ -e {gate}/before ]; then
  echo $$ > {gate}/waits
  while [ -e {gate}/before ]; do sleep 0.05; done
fi
exec {real} "$@"
"""


class Gate:
    """An sbatch that stops where a test wants it to: `before` it submits, or `after` that and
    before it says the job's id. All other programs are Slurm's own."""

    def __init__(self, folder: Path, cluster: SlurmCluster) -> None:
        self.programs = folder / "programs"
        self._folder = folder / "gate"
        for made in (self.programs, self._folder):
            made.mkdir(parents=True)
        for name in CLIENTS:
            (self.programs / name).symlink_to(cluster.programs / name)
        sbatch = self.programs / "sbatch"
        sbatch.unlink()
        sbatch.write_text(GATE.format(gate=self._folder, real=cluster.programs / "sbatch"))
        sbatch.chmod(0o755)

    def shut(self, where: str) -> None:
        (self._folder / where).touch()

    def wait(self) -> None:
        """Until an sbatch stands there."""
        until((self._folder / "waits").exists)

    def open(self) -> None:
        for path in self._folder.iterdir():
            path.unlink()


def add_command(cluster: SlurmCluster, folder: Path, *options: str, name: str = NAME) -> list[str]:
    """`qd site add` for the cluster; an option given again here counts."""
    usual = {
        "--engine": "slurm",
        "--folder": str(folder),
        "--slurm-conf": str(cluster.config),
        "--programs": str(cluster.programs),
        "--path": JOBS_PATH,
        "--poll": "0.5s",
    }
    usual |= dict(zip(options[::2], options[1::2], strict=True))
    return ["site", "add", name, *(word for pair in usual.items() for word in pair)]


def list_sites(deck: Deck) -> dict[str, Any]:
    """The server's sites by name."""
    return {site["name"]: site for site in deck.qd_json("site", "ls")["sites"]}


def wait_connected(deck: Deck, name: str = NAME) -> None:
    """Until the server uses it."""
    until(lambda: list_sites(deck).get(name, {}).get("state") == "connected")


def squeue(cluster: SlurmCluster) -> list[int]:
    """The ids of jobs that Slurm still has."""
    return [int(word) for word in cluster.ask("squeue", "-h", "-o", "%A").split()]
