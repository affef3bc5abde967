"""A Slurm as a site: what our plan and our runner cost beside sbatch(1), on the same cluster."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from time import monotonic, sleep, time
from typing import TYPE_CHECKING, Final

from benchmarks.figures import Figure, as_ms, percentile
from benchmarks.server import QD, running_server
from quarterdeck.adapters.blobs.filesystem import FilesystemBlobs
from quarterdeck.adapters.engines.slurm.commands import SlurmCommands
from quarterdeck.adapters.engines.slurm.engine import SlurmEngine
from quarterdeck.adapters.engines.slurm.settings import SlurmSettings
from quarterdeck.adapters.engines.slurm.view import ClusterView
from quarterdeck.adapters.spool.paths import SitePaths
from quarterdeck.basics.chance import Chance
from quarterdeck.basics.ids import JobId, format_id
from quarterdeck.core.cluster.demand import Grant
from quarterdeck.core.jobs.spec import JobSpec
from quarterdeck.ports.engine import AttemptRef, LaunchOrder
from quarterdeck.sdk import Client, JobRequest
from tests.slurm.cluster import SlurmCluster, find_missing, running_slurm
from tests.slurm.config import ClusterOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from quarterdeck.adapters.engines.slurm.requests import BatchRequest

SITE: Final = "hpc"
PROBES: Final = 30
JOBS: Final = 1000
LISTED: Final = 5000
GANG_NODES: Final = 20
REST_S: Final = 30.0
PAGE_TICKS: Final = os.sysconf("SC_CLK_TCK")
SUBMITTERS: Final = 8
HEARS, HEAR_S = 15, 0.2
"""How often a turn looks whether Slurm has answered."""
ACTIVE: Final = ["queued", "starting", "running", "stopping"]


def figures() -> list[Figure]:
    """All of it; about five minutes on two processors."""
    missing = find_missing()
    if missing:
        raise SystemExit(f"this needs a Slurm: {missing}")
    with running_slurm(ClusterOptions(nodes=4, max_job_count=20_000)) as cluster:
        with connected(cluster) as (client, folder):
            ours, theirs = measure_latency(client, cluster, folder)
            rest = measure_rest(client, folder)
            rate = measure_rate(client)
        their_rate = measure_sbatch_rate(cluster)
        look_s, turn_s = measure_observe(cluster)
    with running_slurm(ClusterOptions(nodes=GANG_NODES)) as cluster, connected(cluster) as (one, _):
        gang_s = measure_gang(one)
    return [
        *_latency_figures(ours, theirs),
        Figure(
            f"no-op jobs end to end, {JOBS} jobs of one call",
            f"{rate:.1f}/s",
            "≥ 0.55× of sbatch",
            f"sbatch in a loop {their_rate:.1f}/s",
            f"{rate / their_rate:.2f}×",
            rate >= 0.55 * their_rate,
        ),
        Figure(
            f"{LISTED} jobs in squeue and as many spools: a turn that takes all in",
            as_ms(turn_s),
            "< 1000 ms",
            holds=turn_s < 1,
        ),
        Figure("… what it reads meanwhile from squeue and scontrol", as_ms(look_s)),
        *_rest_figures(*rest),
        Figure(
            f"a gang on {GANG_NODES} nodes with 8 GPUs each: submit → last rank started",
            as_ms(gang_s),
        ),
    ]


def _latency_figures(ours: Sequence[float], theirs: Sequence[float]) -> list[Figure]:
    p50, their50 = percentile(ours, 0.50), percentile(theirs, 0.50)
    p99, their99 = percentile(ours, 0.99), percentile(theirs, 0.99)
    return [
        Figure(
            f"submit → command started, idle cluster, p50 of {len(ours)}",
            as_ms(p50),
            "≤ sbatch + 300 ms",
            f"sbatch {as_ms(their50)}",
            f"{(p50 - their50) * 1000:+.0f} ms",
            p50 <= their50 + 0.3,
        ),
        Figure(
            "the same, p99",
            as_ms(p99),
            peer=f"sbatch {as_ms(their99)}",
            ratio=f"{(p99 - their99) * 1000:+.0f} ms",
        ),
    ]


def _rest_figures(memory_bytes: int, share: float) -> list[Figure]:
    return [
        Figure(
            "memory of a runner whose job sleeps (PSS)",
            f"{memory_bytes / 1e6:.1f} MB",
            "< 25 MB",
            holds=memory_bytes < 25e6,
        ),
        Figure(
            f"… its processor time, over {REST_S:g} s",
            f"{share:.2%} of one",
            "< 1 %",
            holds=share < 0.01,
        ),
    ]


@contextmanager
def connected(cluster: SlurmCluster) -> Iterator[tuple[Client, Path]]:
    """A client of a server whose only nodes are the cluster's, and the site's folder."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="qd-bench-")))
        home, shared = folder / "home", folder / "shared"
        add = [*QD, "site", "add", SITE, "--engine", "slurm", "--folder", str(shared)]
        where = ["--slurm-conf", str(cluster.config), "--programs", str(cluster.programs)]
        subprocess.run([*add, *where, "--home", str(home)], check=True, capture_output=True)
        client = stack.enter_context(running_server("--no-local", home=home))
        until(lambda: len(client.list_nodes().nodes) == cluster.options.nodes)
        yield client, shared / SITE


def measure_latency(
    client: Client, cluster: SlurmCluster, folder: Path
) -> tuple[list[float], list[float]]:
    """Seconds from the call to the command's own look at the clock, ours and sbatch's by turns."""
    ours, theirs = [], []
    request, chance = JobRequest(run=["date", "+%s.%N"]), Chance(2026)
    for number in range(PROBES):
        # Slurm starts jobs by the beat of its controller, with which nobody should keep step.
        sleep(chance.between(0.0, 1.0))
        asked = time()
        job = client.submit(request)
        client.wait(job.id, timeout_s=60)
        ours.append(float(client.read_log(job.id).data) - asked)
        said = folder / f"stamp-{number}"
        sleep(chance.between(0.0, 1.0))
        asked = time()
        cluster.submit("exec date +%s.%N", f"--output={said}")
        until(partial(_has_line, said))
        theirs.append(float(said.read_text()) - asked)
        until(lambda: not cluster.ask("squeue", "-h"))
    return ours, theirs


def measure_rest(client: Client, folder: Path) -> tuple[int, float]:
    """Of a runner whose job sleeps: its share of memory, and of a processor."""
    job = client.submit(JobRequest(run=["sleep", "600"]))
    until(lambda: client.get_job(job.id).state == "running")
    (status,) = (folder / "attempts" / job.id).glob("*/0/status.jsonl")
    pid = next(f["pid"] for f in map(json.loads, status.read_text().splitlines()) if "pid" in f)
    sleep(2)  # What it has to do at its start.
    before = _ticks(pid)
    sleep(REST_S)
    share = (_ticks(pid) - before) / PAGE_TICKS / REST_S
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    memory_kib = next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    client.cancel(job.id)
    client.wait(job.id, timeout_s=60)
    return memory_kib << 10, share


def measure_rate(client: Client) -> float:
    """Jobs per second, from the submission of all until the last has succeeded."""
    request = JobRequest(run=["true"])
    began = monotonic()
    ids = client.submit_all([request] * JOBS)
    while client.list_jobs(states=ACTIVE, limit=1).jobs:
        sleep(0.2)
    rate = JOBS / (monotonic() - began)
    for job_id in ids:
        job = client.get_job(job_id)
        assert (job.state, len(job.attempts)) == ("succeeded", 1), job
    return rate


def measure_sbatch_rate(cluster: SlurmCluster) -> float:
    """Jobs per second of a loop of sbatch, until none is left."""
    began = monotonic()
    for _ in range(JOBS):
        cluster.submit("true", "--ntasks=1", "--mem=1G")
    until(lambda: not cluster.ask("squeue", "-h"), every_s=0.2, within_s=600)
    return JOBS / (monotonic() - began)


def measure_gang(client: Client) -> float:
    """Seconds until the last of its ranks looks at the clock."""
    wish = {
        "run": ["date", "+%s.%N"],
        "nodes": GANG_NODES,
        "resources": {"gpu": 8},
    }
    asked = time()
    job = client.submit(JobRequest.model_validate(wish))
    client.wait(job.id, timeout_s=120)
    assert client.get_job(job.id).state == "succeeded", client.get_job(job.id)
    logs = (client.read_log(job.id, node_rank=rank).data for rank in range(GANG_NODES))
    return max(float(log) for log in logs) - asked


class _Known(SlurmCommands):
    """Submits nothing: the jobs are there already."""

    def __init__(self, cluster: SlurmCluster, ids: Sequence[int]) -> None:
        super().__init__(config=cluster.config, programs=cluster.programs)
        self._ids = iter(ids)

    def submit(self, request: BatchRequest, kept_open: Sequence[int] = ()) -> int:
        del request, kept_open
        return next(self._ids)


def measure_observe(cluster: SlurmCluster) -> tuple[float, float]:
    """Seconds of what is asked of Slurm, and of a turn that takes it in and reads all spools."""
    options = ("--hold", "--comment=somebody else's", "--ntasks=1", "--mem=1G")
    with ThreadPoolExecutor(SUBMITTERS) as pool:
        tasks = [pool.submit(cluster.submit, "true", *options) for _ in range(LISTED)]
        ids = [task.result() for task in tasks]
    with tempfile.TemporaryDirectory(prefix="qd-bench-") as folder:
        root, settings = Path(folder), SlurmSettings(patience_s=1e6, poll_s=1e6)
        blobs = FilesystemBlobs(root / "blobs")
        paths, commands = SitePaths(root / "site"), _Known(cluster, ids)
        engine = SlurmEngine(paths, "0" * 16, blobs, commands, settings)
        name = engine.list_nodes()[0].name
        spec, grant = JobSpec(("true",)), Grant(name, (), 1, 1 << 30)
        for number in range(LISTED):
            ref = AttemptRef(JobId(format_id("j", number + 1)), 1)
            engine.launch(LaunchOrder(ref, spec, (grant,)))
        engine.close()
        looks, turns = [], []
        for _ in range(3):
            again = SlurmEngine(paths, "0" * 16, blobs, commands, settings)
            view = ClusterView(commands, "")
            began = monotonic()
            view.ask()
            view.take(wait=True)
            looks.append(monotonic() - began)
            view.close()
            # The first turn reads all spools and asks; a later one hears what became of each job.
            took = [_time_turn(again)]
            for _ in range(HEARS):
                sleep(HEAR_S)
                took.append(_time_turn(again))
            turns.append(took[0] + max(took[1:]))
            again.close()
    return min(looks), min(turns)


def _time_turn(engine: SlurmEngine) -> float:
    began = monotonic()
    assert len(engine.observe()) == LISTED
    engine.list_nodes()
    return monotonic() - began


def until(look: Callable[[], bool], *, within_s: float = 60.0, every_s: float = 0.01) -> None:
    """Wait for it."""
    deadline = monotonic() + within_s
    while not look():
        assert monotonic() < deadline, "not in time"
        sleep(every_s)


def _has_line(path: Path) -> bool:
    return path.exists() and path.read_text().endswith("\n")


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
