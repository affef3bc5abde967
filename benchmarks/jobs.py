"""How long until a command starts, and how many jobs go through in a second."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, sleep, time

from benchmarks import slurm
from benchmarks.figures import Figure, as_ms, percentile
from benchmarks.server import running_server
from quarterdeck.sdk import Client, JobRequest

PRETEND = "dgx-a100:4"


def figures(count: int, probes: int, clients: int) -> list[Figure]:
    """Ours, and Slurm's where it is installed."""
    latency = measure_latency(probes)
    rate = measure_throughput(count, clients)
    p50, p99 = percentile(latency, 0.50), percentile(latency, 0.99)
    peer50 = peer99 = peer_rate = ""
    ratio50 = ratio99 = ratio_rate = ""
    if slurm.is_installed():
        with slurm.running_slurm() as folder:
            theirs = slurm.measure_latency(folder, probes)
            their_rate = slurm.measure_throughput(folder, count // 2, clients)
        their50, their99 = percentile(theirs, 0.50), percentile(theirs, 0.99)
        peer50, ratio50 = f"Slurm {as_ms(their50)}", f"{their50 / p50:.1f}× sooner"
        peer99, ratio99 = f"Slurm {as_ms(their99)}", f"{their99 / p99:.1f}× sooner"
        peer_rate, ratio_rate = f"Slurm {their_rate:.0f}/s", f"{rate / their_rate:.1f}× as many"
    else:
        print("Slurm is not installed here (or we are not root): no peer", file=sys.stderr)
    return [
        Figure(
            f"submit → command started, idle, p50 of {probes}",
            as_ms(p50),
            "< 100 ms",
            peer50,
            ratio50,
            p50 < 0.100,
        ),
        Figure("the same, p99", as_ms(p99), "< 400 ms", peer99, ratio99, p99 < 0.400),
        Figure(
            f"no-op jobs end to end, {count} jobs",
            f"{rate:.0f}/s",
            "≥ 80/s",
            peer_rate,
            ratio_rate,
            rate >= 80,
        ),
    ]


def measure_latency(jobs: int) -> list[float]:
    """Seconds from the call of `submit` to the command's own look at the clock, one by one."""
    seconds = []
    with running_server("--pretend", PRETEND) as client:
        for _ in range(jobs):
            asked = time()
            job = client.submit(JobRequest(run=["date", "+%s.%N"]))
            client.wait(job.id, timeout_s=60)
            seconds.append(float(client.read_log(job.id).data) - asked)
    return seconds


def measure_throughput(jobs: int, clients: int) -> float:
    """Jobs per second, from the first `submit` until the last has succeeded."""
    with running_server("--pretend", PRETEND) as client:
        client.wait(client.submit(JobRequest(run=["true"])).id, timeout_s=60)
        began = monotonic()
        with ThreadPoolExecutor(clients) as pool:
            ids = list(pool.map(lambda _: _submit(client), range(jobs)))
        while client.list_jobs(states=["queued", "starting", "running", "stopping"], limit=1).jobs:
            sleep(0.1)
        rate = jobs / (monotonic() - began)
        for job_id in ids:
            job = client.get_job(job_id)
            assert job.state == "succeeded", job
            assert len(job.attempts) == 1, job
    return rate


def _submit(client: Client) -> str:
    return client.submit(JobRequest(run=["true"])).id
