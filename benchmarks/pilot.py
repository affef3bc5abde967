"""Small jobs on a Slurm cluster: under pilots that a server packs, and by a loop of `sbatch`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic, sleep

from benchmarks import slurm
from benchmarks.figures import Figure
from benchmarks.server import QD, running_server
from quarterdeck.sdk import Client, JobRequest

JOBS = 1000
SITE = "hpc"
WORKING = ["queued", "starting", "running", "stopping"]
UP_S_MAX = 60.0


def figures() -> list[Figure]:
    """Ours through a server and its pilots, from none held, and Slurm's on the same four nodes."""
    if not slurm.is_installed():
        print("Slurm is not installed here (or we are not root): no pilots", file=sys.stderr)
        return []
    with slurm.running_slurm() as folder:
        theirs = slurm.measure_throughput(folder, JOBS, clients=1)
        cold, warm = measure_pilots(JOBS)
    return [
        _figure(f"{JOBS} no-op jobs under pilots, from none held", cold, theirs),
        _figure("the same, once the nodes are held", warm, theirs),
    ]


def _figure(what: str, ours: float, theirs: float) -> Figure:
    peer, ratio = f"serial sbatch {theirs:.0f}/s", f"{ours / theirs:.1f}× as many"
    return Figure(what, f"{ours:.0f}/s", "≥ 2× the peer", peer, ratio, ours >= 2 * theirs)


def measure_pilots(jobs: int) -> tuple[float, float]:
    """Jobs per second, from the submission of all until the last has succeeded: when no node is
    held at first, and once more."""
    with tempfile.TemporaryDirectory(prefix="qd-pilot-") as folder:
        home = Path(folder) / "home"
        home.mkdir()
        _add_site(home, Path(folder) / "shared")
        try:
            with running_server("--pretend", "dgx-a100:1", home=home) as client:
                _wait_connected(client)
                return _measure(client, jobs), _measure(client, jobs)
        finally:
            slurm.end_jobs()  # Pilots outlive their server, and write into this folder.


def _measure(client: Client, jobs: int) -> float:
    request = JobRequest.model_validate({"run": ["true"], "site": SITE})
    began = monotonic()
    accepted = client.submit_all([request] * jobs)
    while client.list_jobs(states=WORKING, limit=1).jobs:
        sleep(0.1)
    rate = jobs / (monotonic() - began)
    for job_id in accepted:
        found = client.get_job(job_id)
        assert (found.state, len(found.attempts)) == ("succeeded", 1), found
    return rate


def _add_site(home: Path, shared: Path) -> None:
    options = ("--engine", "slurm-pilot", "--folder", str(shared), "--nodes-max", str(slurm.NODES))
    usual = ("--slurm-conf", os.environ["SLURM_CONF"], "--idle", "10m", "--no-check")
    path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
    subprocess.run(
        [*QD, "site", "add", SITE, "--home", str(home), *options, *usual, "--path", path],
        check=True,
        stdout=subprocess.DEVNULL,
    )


def _wait_connected(client: Client) -> None:
    deadline = monotonic() + UP_S_MAX
    while monotonic() < deadline:
        listed = json.loads(client.nodes.list_sites().model_dump_json())["sites"]
        if any(site["name"] == SITE and site["state"] == "connected" for site in listed):
            return
        sleep(0.1)
    raise TimeoutError(f"the site {SITE} was not connected within {UP_S_MAX:g}s")
