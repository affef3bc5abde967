"""`python -m benchmarks`: measure everything, print the table, exit 1 if a target is missed."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import jobs, slurm, startup
from benchmarks.figures import Figure, as_table, percentile

DOCS = Path(__file__).parent.parent / "docs" / "benchmarks.md"


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--jobs", type=int, default=2000, help="jobs of the throughput run")
    parser.add_argument("--probes", type=int, default=50, help="jobs of the latency run")
    parser.add_argument("--clients", type=int, default=4, help="submitters at a time")
    parser.add_argument("--write", action="store_true", help=f"keep the table in {DOCS.name}")
    wanted = parser.parse_args()
    figures = [*_startup(), *_job_figures(wanted.jobs, wanted.probes, wanted.clients)]
    table = as_table(figures)
    print(table)
    if wanted.write:
        _keep(table)
    return 1 if any(figure.holds is False for figure in figures) else 0


def _startup() -> list[Figure]:
    helps = startup.measure_help_s()
    slowest = max(helps, key=lambda verb: helps[verb])
    import_s = startup.measure_import_s()
    return [
        Figure(
            f"slowest --help (`qd {slowest}`), median of {startup.RUNS}",
            _ms(helps[slowest]),
            "< 150 ms",
            holds=helps[slowest] < 0.150,
        ),
        Figure("import quarterdeck", _ms(import_s), "< 30 ms", holds=import_s < 0.030),
    ]


def _job_figures(count: int, probes: int, clients: int) -> list[Figure]:
    latency = jobs.measure_latency(probes)
    rate = jobs.measure_throughput(count, clients)
    p50, p99 = percentile(latency, 0.50), percentile(latency, 0.99)
    peer50 = peer99 = peer_rate = ""
    ratio50 = ratio99 = ratio_rate = ""
    if slurm.is_installed():
        with slurm.running_slurm() as folder:
            theirs = slurm.measure_latency(folder, probes)
            their_rate = slurm.measure_throughput(folder, count // 2, clients)
        their50, their99 = percentile(theirs, 0.50), percentile(theirs, 0.99)
        peer50, ratio50 = f"Slurm {_ms(their50)}", f"{their50 / p50:.1f}× sooner"
        peer99, ratio99 = f"Slurm {_ms(their99)}", f"{their99 / p99:.1f}× sooner"
        peer_rate, ratio_rate = f"Slurm {their_rate:.0f}/s", f"{rate / their_rate:.1f}× as many"
    else:
        print("Slurm is not installed here (or we are not root): no peer", file=sys.stderr)
    return [
        Figure(
            f"submit → command started, idle, p50 of {probes}",
            _ms(p50),
            "< 100 ms",
            peer50,
            ratio50,
            p50 < 0.100,
        ),
        Figure("the same, p99", _ms(p99), "< 400 ms", peer99, ratio99, p99 < 0.400),
        Figure(
            f"no-op jobs end to end, {count} jobs",
            f"{rate:.0f}/s",
            "≥ 80/s",
            peer_rate,
            ratio_rate,
            rate >= 80,
        ),
    ]


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def _keep(table: str) -> None:
    """Replace the table in the docs, with the date and the machine."""
    text = DOCS.read_text()
    start, end = "<!-- table -->\n", "<!-- end of table -->"
    head, _, rest = text.partition(start)
    tail = rest.partition(end)[2]
    when = datetime.now(UTC).strftime("%Y-%m-%d")
    machine = f"{os.cpu_count()} CPUs, Python {platform.python_version()}, Linux"
    DOCS.write_text(f"{head}{start}Measured on {when} ({machine}):\n\n{table}\n\n{end}{tail}")


if __name__ == "__main__":
    sys.exit(main())
