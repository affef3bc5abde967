"""`python -m benchmarks`: measure everything, print the table, exit 1 if a target is missed."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import audit, flood, jobs, load, permissions, scale, scheduling, startup
from benchmarks.figures import as_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.figures import Figure

DOCS = Path(__file__).parent.parent / "docs" / "benchmarks.md"


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--jobs", type=int, default=2000, help="jobs of the throughput run")
    parser.add_argument("--probes", type=int, default=50, help="jobs of the latency run")
    parser.add_argument("--clients", type=int, default=4, help="submitters at a time")
    parser.add_argument("--write", action="store_true", help=f"keep the table in {DOCS.name}")
    sections: dict[str, Callable[[], list[Figure]]] = {
        "startup": startup.figures,
        "jobs": lambda: jobs.figures(wanted.jobs, wanted.probes, wanted.clients),
        "load": load.figures,
        "scale": scale.figures,
        "permissions": permissions.figures,
        "audit": audit.figures,
        "flood": flood.figures,
        "scheduling": scheduling.figures,
    }
    parser.add_argument("--only", choices=sections, help="measure nothing else")
    wanted = parser.parse_args()
    if wanted.only and wanted.write:
        parser.error("the table that is kept has everything: leave out --only")
    names = [wanted.only] if wanted.only else list(sections)
    figures = [figure for name in names for figure in sections[name]()]
    table = as_table(figures)
    print(table)
    if wanted.write:
        _keep(table)
    return 1 if any(figure.holds is False for figure in figures) else 0


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
