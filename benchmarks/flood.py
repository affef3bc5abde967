"""What a job that floods its log costs everybody else."""

from __future__ import annotations

import re
from time import monotonic, perf_counter

from benchmarks.figures import Figure, as_ms, percentile
from benchmarks.server import running_server
from quarterdeck.sdk import Client, JobRequest

FLOOD_S = 30.0
RATE_BYTES = 100 * 10**6
FLOOD = f"""
import os, time
block = (b"x" * 99 + b"\\n") * 10_000
began, written = time.monotonic(), 0
while (now := time.monotonic() - began) < {{span_s}}:
    if written < now * {RATE_BYTES}:
        written += os.write(1, block)
    else:
        time.sleep(0.002)
print("\\nwritten", written, flush=True)
"""
_GAP = re.compile(rb"\[qd: ([0-9,]+) bytes")


def figures() -> list[Figure]:
    """How other requests fare meanwhile."""
    quiet, flooded, is_whole = measure_flood(FLOOD_S)
    ratio, mb = flooded / quiet, RATE_BYTES // 10**6
    return [
        Figure(
            f"a request's p99 while a job logs {mb} MB/s for {FLOOD_S:.0f} s",
            as_ms(flooded),
            "≤ 1.5× of quiet",
            f"quiet {as_ms(quiet)}",
            f"{ratio:.2f}×",
            holds=ratio <= 1.5,
        ),
        Figure(
            "… what was left out of its log is marked to the byte",
            "yes" if is_whole else "no",
            "yes",
            holds=is_whole,
        ),
    ]


def measure_flood(span_s: float) -> tuple[float, float, bool]:
    """The p99 of another client's requests before and during the flood, in seconds, and whether
    what is in the log and what is marked as left out are all that was written."""
    with running_server("--pretend", "dgx-a100:1") as client:
        quiet = percentile(_ask(client, span_s), 0.99)
        code = FLOOD.format(span_s=span_s)
        job = client.submit(JobRequest(run=["python3", "-c", code]))
        while client.get_job(job.id).state != "running":
            pass
        flooded = percentile(_ask(client, span_s - 2), 0.99)
        client.wait(job.id, timeout_s=60)
        return quiet, flooded, _is_whole(client, job.id)


def _ask(client: Client, span_s: float) -> list[float]:
    took = []
    until = monotonic() + span_s
    while monotonic() < until:
        began = perf_counter()
        client.list_jobs(limit=10)
        took.append(perf_counter() - began)
    return took


def _is_whole(client: Client, job_id: str) -> bool:
    offset, kept, left_out, tail = 0, 0, 0, b""
    while True:
        part = client.read_log(job_id, offset=offset)
        if not part.data:
            break
        offset = part.next_offset
        lines = (tail + part.data).split(b"\n")
        tail = lines.pop()
        for line in lines:
            gap = _GAP.match(line)
            if gap is None:
                kept += len(line) + 1
            else:
                left_out += int(gap[1].replace(b",", b""))
        last = lines[-1] if lines else b""
    written = int(last.split()[1])
    # Beside the flood itself there is what the last print wrote, and a line end before each mark.
    return left_out > 0 and abs(kept + left_out - written) < written // 1000
