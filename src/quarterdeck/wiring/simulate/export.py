"""`qd sim export`: what happened in a while, as files for `qd sim run`."""

from __future__ import annotations

from pathlib import Path

import click

from quarterdeck.cli.output import examples, output_option, print_done, say
from quarterdeck.wiring.simulate.files import check_writable, write
from quarterdeck.wiring.simulate.records import nothing_recorded, open_records, read_span


@click.command(
    epilog=examples(
        "qd sim export --from 7d week.csv",
        "qd sim export --from 7d --outages week-outages.csv week.csv",
    )
)
@click.option(
    "--home", type=click.Path(path_type=Path), help="Data folder [QD_HOME, ~/.quarterdeck]."
)
@click.option(
    "--from", "begin", metavar="WHEN", required=True, help="2h ago, or 2026-11-23T09:45:00Z."
)
@click.option("--to", "end", metavar="WHEN", help="Likewise [now].")
@click.option("--outages", type=click.Path(path_type=Path), help="Write the outages there.")
@click.argument("workload", type=click.Path(path_type=Path))
@output_option
def command(
    home: Path | None,
    begin: str,
    end: str | None,
    outages: Path | None,
    workload: Path,
    output: str,
) -> None:
    """Write the jobs of a while into the file WORKLOAD, as `qd sim run` reads them.

    Each comes when it came and runs as long as it ran (docs/replay.md). Reads the home's store,
    also beside a running server, and changes nothing of it.
    """
    from quarterdeck.sim.replay.export import count_simplified, outages_csv, workload_csv
    from quarterdeck.sim.replay.workload import tell_workload

    span_ns = read_span(begin, end)
    with open_records(home) as records:
        check_writable(workload, "workload", records.root.iterdir())
        if outages is not None:
            check_writable(outages, "outages", (workload, *records.root.iterdir()))
        told = tell_workload(records.history, span_ns)
        jobs = len(told.jobs) + len(told.begun)
        if not jobs:
            raise nothing_recorded(records, span_ns)
    write(workload, workload_csv(told), "workload")
    if outages is not None:
        write(outages, outages_csv(told), "outages")
    for what, count in told.remarks.items():
        say(f"{count} × {what}", err=True)
    if simplified := count_simplified(told):
        say(f"{simplified} × is simplified: a workload file cannot say all of it", err=True)
    print_done(
        output,
        f"{jobs} jobs are in {workload}"
        + (f", {len(told.outages)} outages in {outages}" if outages is not None else ""),
        str(workload),
        jobs=jobs,
        outages=len(told.outages),
        simplified=simplified,
    )
