"""`python -m benchmarks`: measure the scheduler or the server, print it, exit 1 at a missed target.

Without `--server` it is the scheduler: how quickly it decides, and every suite that compares it
with others on public traces. With it, what a server does on this machine; with `--slurm`, what it
does with a Slurm, beside that Slurm alone.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from benchmarks import (
    audit,
    flood,
    jobs,
    load,
    permissions,
    pilot,
    scale,
    scheduling,
    slurm_site,
    startup,
)
from benchmarks.figures import as_table
from benchmarks.keep import DOCS, keep
from benchmarks.suites import SUITES
from benchmarks.traces import NoTraces

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.figures import Figure

    Section = Callable[[], list[Figure]]


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--server", action="store_true", help="measure the server instead")
    parser.add_argument("--slurm", action="store_true", help="measure a Slurm as a site instead")
    parser.add_argument("--jobs", type=int, default=2000, help="jobs of the throughput run")
    parser.add_argument("--probes", type=int, default=50, help="jobs of the latency run")
    parser.add_argument("--clients", type=int, default=4, help="submitters at a time")
    parser.add_argument("--write", action="store_true", help=f"keep it in {DOCS.name}, too")
    server: dict[str, Section] = {
        "startup": startup.figures,
        "jobs": lambda: jobs.figures(wanted.jobs, wanted.probes, wanted.clients),
        "load": load.figures,
        "scale": scale.figures,
        "permissions": permissions.figures,
        "audit": audit.figures,
        "flood": flood.figures,
        "pilot": pilot.figures,
    }
    decisions: dict[str, Section] = {"scheduling": scheduling.figures}
    names = [*server, *decisions, *SUITES]
    parser.add_argument("--only", choices=names, help="measure nothing else")
    wanted = parser.parse_args()
    if wanted.only in server and wanted.write:
        parser.error(f"the table that is kept has all of {', '.join(server)}: leave out --only")
    if wanted.only:
        parts = {name: one for name, one in (server | decisions).items() if name == wanted.only}
        suites = [name for name in SUITES if name == wanted.only]
    elif wanted.slurm:
        parts, suites = {"slurm": slurm_site.figures}, []
    else:
        parts = server if wanted.server else decisions
        suites = [] if wanted.server else [*SUITES]
    mark = "slurm" if wanted.slurm else "server" if wanted.server else "decisions"
    holds = not parts or _measure(parts, mark if wanted.write else None)
    for name in suites:
        holds &= _compare(name, is_kept=wanted.write)
    return 0 if holds else 1


def _measure(sections: Mapping[str, Section], mark: str | None) -> bool:
    """A table of what this machine does, kept at the mark; whether no target is missed."""
    figures = [figure for section in sections.values() for figure in section()]
    table = as_table(figures)
    print(table, flush=True)
    if mark:
        keep(mark, table)
    return not any(figure.holds is False for figure in figures)


def _compare(name: str, *, is_kept: bool) -> bool:
    """A suite, or why it cannot run; whether no target is missed. A part of the docs whose traces
    are not here stays as it was."""
    print(f"\n{name}", flush=True)
    try:
        told = SUITES[name]()
    except NoTraces as error:
        print(f"NO   not run: {error}")
        return False
    print(told, flush=True)
    if is_kept:
        keep(name, f"```text\n{told}\n```")
    return told.holds


if __name__ == "__main__":
    sys.exit(main())
