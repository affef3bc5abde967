"""How many audit records become durable in a second, and how many with a sync for each."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path
from time import perf_counter, time_ns

from benchmarks.figures import Figure
from quarterdeck.adapters.audit.log import FileAuditLog
from quarterdeck.core.audit.record import Entry

AUDIT_RECORDS = 50_000
WRITERS = 64
OPEN_EACH = 16
PEER_S = 3.0


def figures() -> list[Figure]:
    """Durable records, in one tree and one by one."""
    with tempfile.TemporaryDirectory(prefix="qd-bench-") as folder:
        rate = measure_log(Path(folder) / "audit", AUDIT_RECORDS)
        each = measure_sync_each(Path(folder))
    return [
        Figure(
            "durable audit records, hashed and in one tree",
            f"{rate:.0f}/s",
            "≥ 5000/s",
            f"a sync each {each:.0f}/s",
            f"{rate / each:.1f}× as many",
            holds=rate >= 5000,
        )
    ]


def an_entry(number: int) -> Entry:
    """A record as a submit leaves one."""
    return Entry(
        "submit_job",
        request_id=f"{number:016x}",
        actor_id="ada",
        actor="ada",
        source="127.0.0.1",
        method="POST",
        path="/v1/jobs",
        target="j000000001",
        status=201,
        outcome="allowed",
        policy_version="0123456789ab",
    )


def measure_log(folder: Path, records: int) -> float:
    """Durable records per second of many writers, each of whom has a few requests open and goes on
    when their records are durable: hashed, chained, with one sync for all who wait."""
    log = FileAuditLog(folder, time_ns, name="quarterdeck.audit/bench")
    rounds = records // (WRITERS * OPEN_EACH)

    def write() -> None:
        for number in range(rounds):
            for ticket in [log.append(an_entry(number)) for _ in range(OPEN_EACH)]:
                ticket.wait(60)

    threads = [threading.Thread(target=write) for _ in range(WRITERS)]
    began = perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    span_s = perf_counter() - began
    assert log.size == rounds * WRITERS * OPEN_EACH
    log.close()
    return rounds * WRITERS * OPEN_EACH / span_s


def measure_sync_each(folder: Path) -> float:
    """Records per second, each written and synced by itself, and nothing else done: the peer."""
    line = b"x" * 420 + b"\n"
    handle = os.open(folder / "peer", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    count, began = 0, perf_counter()
    while perf_counter() - began < PEER_S:
        os.write(handle, line)
        os.fsync(handle)
        count += 1
    rate = count / (perf_counter() - began)
    os.close(handle)
    return rate
