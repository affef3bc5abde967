"""How long until a command starts, and how many jobs go through in a second."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from time import monotonic, sleep, time

from benchmarks.server import running_server
from quarterdeck.sdk import Client, JobRequest

PRETEND = "dgx-a100:4"


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
