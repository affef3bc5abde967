"""`python -m benchmarks`: measure everything, print it, exit 1 if a target is missed."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from benchmarks import audit, flood, jobs, load, permissions, scale, scheduling, startup
from benchmarks.figures import as_table
from benchmarks.keep import DOCS, keep
from benchmarks.suites import SUITES
from benchmarks.traces import NoTraces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from benchmarks.figures import Figure


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--jobs", type=int, default=2000, help="jobs of the throughput run")
    parser.add_argument("--probes", type=int, default=50, help="jobs of the latency run")
    parser.add_argument("--clients", type=int, default=4, help="submitters at a time")
    parser.add_argument("--write", action="store_true", help=f"keep it in {DOCS.name}, too")
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
    parser.add_argument("--only", choices=[*sections, *SUITES], help="measure nothing else")
    wanted = parser.parse_args()
    if wanted.only in sections and wanted.write:
        parser.error(f"the table that is kept has all of {', '.join(sections)}: leave out --only")
    names = [name for name in sections if wanted.only in (None, name)]
    holds = not names or _measure([sections[name] for name in names], is_kept=wanted.write)
    for name in SUITES:
        if wanted.only in (None, name):
            holds &= _compare(name, is_kept=wanted.write)
    return 0 if holds else 1


def _measure(sections: Iterable[Callable[[], list[Figure]]], *, is_kept: bool) -> bool:
    """The table of what this machine does; whether no target is missed."""
    figures = [figure for section in sections for figure in section()]
    table = as_table(figures)
    print(table, flush=True)
    if is_kept:
        keep("table", table)
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
