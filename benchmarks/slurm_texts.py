"""How long it takes to understand what a large Slurm says: `python -m benchmarks.slurm_texts`.

The jobs differ as those of a large cluster do: each has its own id, name, comment and instants, and
they share nodes, users and shapes.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from quarterdeck.adapters.engines.slurm.parsing import SQUEUE_FIELDS, parse_squeue
from quarterdeck.adapters.engines.slurm.scontrol import parse_nodes

if TYPE_CHECKING:
    from collections.abc import Callable

JOBS = 5_000
NODES = 1_000
ROUNDS = 5
MARK = "~0123abcd~"
NODE = (
    "NodeName=n{n:04d} Arch=x86_64 CoresPerSocket=56  CPUAlloc=16 CPUEfctv=224 CPUTot=224 "
    "CPULoad=3.10 AvailableFeatures=h100,ib ActiveFeatures=h100,ib Gres=gpu:h100:8(S:0-1) "
    "GresDrain=N/A GresUsed=gpu:h100:{used}(IDX:0-{used}) NodeAddr=10.1.0.1 NodeHostName=n{n:04d} "
    "Version=24.05.4 OS=Linux 5.15.0-1 #1 SMP Tue Oct 1 10:00:00 UTC 2024  RealMemory=2000000 "
    "AllocMem=256000 FreeMem=1500000 Sockets=2 Boards=1 State=MIXED ThreadsPerCore=2 TmpDisk=0 "
    "Weight=1 Owner=N/A MCS_label=N/A Partitions=h100,short  BootTime=1746079200 "
    "SlurmdStartTime=1746079260 LastBusyTime=1746079260 ResumeAfterTime=None "
    "CfgTRES=cpu=224,mem=2000000M,billing=224,gres/gpu=8,gres/gpu:h100=8 "
    "AllocTRES=cpu=16,mem=250G,gres/gpu=2,gres/gpu:h100=2 CurrentWatts=0 AveWatts=0\n"
)


def squeue_text() -> str:
    """What squeue says of many jobs."""
    lines = []
    for number in range(JOBS):
        fields = [
            *(str(700_000 + number), str(700_000 + number), "N/A", f"train-{number}"),
            *(f"qd:site=a;attempt={number}.1", f"user{number % 50}", "vision", "normal", "h100"),
            *(
                "RUNNING" if number % 3 else "PENDING",
                "None",
                f"n[{number % NODES:04d}-{number % NODES + 3:04d}]",
            ),
            *(
                str(1_796_000_000 + number),
                str(1_796_000_900 + number),
                str(1_796_086_400 + number),
            ),
            *("1-00:00:00", "gres/gpu:h100:8", "N/A"),
            f"cpu={64 + number % 7},mem=1000G,node=4,billing=64,gres/gpu=32,gres/gpu:h100=32",
            *("64", "0", "0"),
        ]
        assert len(fields) == len(SQUEUE_FIELDS)
        lines.append(MARK.join(fields) + f"{MARK}.\n")
    return "".join(lines)


def nodes_text() -> str:
    """What scontrol says of many nodes."""
    return "".join(NODE.format(n=n, used=n % 7 + 1) for n in range(NODES))


def measure_s(look: Callable[[], object]) -> float:
    """The shortest of some rounds; the first is with empty caches and counts, too."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = perf_counter()
        look()
        best = min(best, perf_counter() - began)
    return best


def main() -> None:
    """Print both."""
    jobs, nodes = squeue_text(), nodes_text()
    began = perf_counter()
    assert len(parse_squeue(jobs, MARK).items) == JOBS
    first_s = perf_counter() - began
    again_s = measure_s(lambda: parse_squeue(jobs, MARK))
    assert len(parse_nodes(nodes).items) == NODES
    nodes_s = measure_s(lambda: parse_nodes(nodes))
    print(
        f"{JOBS} jobs, {len(jobs) >> 10} KiB: {first_s * 1e3:.0f} ms at first, "
        f"{again_s * 1e3:.0f} ms again"
    )
    print(f"{NODES} nodes, {len(nodes) >> 10} KiB: {nodes_s * 1e3:.0f} ms")


if __name__ == "__main__":
    main()
