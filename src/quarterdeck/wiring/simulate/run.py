"""`qd sim run`: what would come of these jobs, on this cluster, under these policies?"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from quarterdeck.basics.errors import Invalid
from quarterdeck.cli.output import examples, output_option, say
from quarterdeck.wiring.simulate.files import check_writable, write
from quarterdeck.wiring.simulate.formats import Format

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quarterdeck.sim.fast.formats.outages import Outages
    from quarterdeck.sim.fast.story import Story
    from quarterdeck.sim.fast.workload import Workload
    from quarterdeck.sim.report.column import Column
    from quarterdeck.wiring.policy.reader import NamedPolicy
    from quarterdeck.wiring.simulate.inputs import Cluster
    from quarterdeck.wiring.simulate.printing import Input

FULL_JOBS_MAX: Final = 20_000
FULL_OUTAGE_S_MAX: Final = 30 * 86400.0
"""The control plane takes turns all the while that a job waits for a node to come back."""


@click.command(
    epilog=examples(
        "qd sim run --cluster superpod.yaml --workload june.csv",
        "qd sim run --cluster a.yaml --workload june.csv --patience 1h --patience 5m -o json",
        "qd sim run --cluster a.yaml --workload w.csv --policy p.yaml --html r.html",
        "qd sim run --cluster a.yaml --workload seth.swf --format swf --gpus-per-processor 1",
    )
)
@click.option(
    "--cluster", type=click.Path(path_type=Path), required=True, help="A site file (docs/sites.md)."
)
@click.option("--workload", type=click.Path(path_type=Path), required=True, help="A file of jobs.")
@click.option(
    "--format",
    "form",
    type=click.Choice([one.value for one in Format]),
    default=Format.CSV.value,
    show_default=True,
    help="What the workload is: our CSV, Standard Workload Format, or what `sacct -P` prints.",
)
@click.option(
    "--gpus-per-processor",
    type=click.FloatRange(0, 64),
    metavar="N",
    help="Of SWF: each processor also takes so many GPUs (0.125: eight processors one).",
)
@click.option(
    "--policy",
    "policies",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A policy file (docs/simulator.md); several are compared.",
)
@click.option(
    "--patience",
    "patiences",
    multiple=True,
    metavar="SPAN",
    help="The usual policy, but for how long smaller jobs may pass one that waits (5m).",
)
@click.option(
    "--outages",
    type=click.Path(path_type=Path),
    help="A CSV file of nodes that are lost or drained.",
)
@click.option(
    "--run-times",
    type=click.Choice(["given", "learned"]),
    default="given",
    show_default=True,
    help="Of jobs without an estimate: unknown, or learned from those that ended before.",
)
@click.option("--html", type=click.Path(path_type=Path), help="Write a report with plots there.")
@click.option(
    "--full",
    is_flag=True,
    help="Through the whole control plane instead of the scheduler alone: slower.",
)
@output_option
def run(  # noqa: PLR0913, PLR0917 - one parameter an option
    cluster: Path,
    workload: Path,
    form: str,
    gpus_per_processor: float | None,
    policies: tuple[Path, ...],
    patiences: tuple[str, ...],
    outages: Path | None,
    run_times: str,
    html: Path | None,
    full: bool,
    output: str,
) -> None:
    """Run a workload on a cluster as the scheduler would, and print what came of it.

    The columns of a CSV workload are submit, duration (seconds) and gpus (as in a job file, for
    each node); docs/simulator.md has the others, and the other formats. What is wrong with a line
    is told with its number. Several policies are compared side by side. The same input gives the
    same output.
    """
    from quarterdeck.wiring.simulate.inputs import (
        READERS,
        Asked,
        load_cluster,
        load_outages,
        load_policies,
    )
    from quarterdeck.wiring.simulate.printing import print_columns, print_input, print_json

    if gpus_per_processor is not None and form != Format.SWF:
        raise click.UsageError("--gpus-per-processor is for --format swf")
    if html is not None:
        check_writable(html, "html", (cluster, workload, outages, *policies))
    named = load_policies(policies, patiences)
    machines = load_cluster(cluster)
    read = READERS[Format(form)](Asked(workload, machines, gpus_per_processor or 0.0))
    away = load_outages(outages, machines)
    if full:
        _check_full(read, named, away)
        if run_times == "learned":
            raise click.UsageError("--full always learns run times: leave --run-times out")
    runs = _Runs(machines, read, away, is_full=full, is_learned=run_times == "learned")
    columns = _run_all(runs, named)
    told = _input_of(workload, read, outages, away, named, columns)
    if output == "json":
        print_json(columns, told)
    elif output == "table":
        print_columns(columns)
        print_input(told)
    if html is not None:
        from quarterdeck.sim.report.page import report

        title = f"{workload.name} on {cluster.name}"
        write(html, report(columns, title, remarks=told.remarks, notes=told.notes), "html")
        say(f"the report is in {html}", err=True)


def _check_full(read: Workload, named: Sequence[NamedPolicy], away: Outages) -> None:
    """Refuse what the whole control plane is too slow for, or does not do yet."""
    from quarterdeck.core.scheduling.snapshot import Order

    if len(read.jobs) > FULL_JOBS_MAX:
        raise Invalid(
            f"--full is for {FULL_JOBS_MAX} jobs at most; the workload has {len(read.jobs)}",
            field="full",
            hint="take a part of the workload, or leave --full out",
        )
    for one in named:
        if one.policy.order is not Order.FIRST_COME:
            raise Invalid(
                f"the control plane cannot order by {one.policy.order.value} yet, as {one.name} "
                "does",
                field="full",
                hint="leave --full out, or compare policies that order by first_come",
            )
        if one.policy.moves_max:
            raise Invalid(
                f"--full cannot check plans that move running jobs yet, as {one.name} asks for",
                field="full",
                hint="leave --full out, or compare policies without moves",
            )
    for outage in away.outages:
        if outage.for_s > FULL_OUTAGE_S_MAX:
            raise Invalid(
                f"the outage of {outage.node} at {outage.at_s:.10g} "
                + (f"lasts {outage.for_s:.10g} s" if math.isfinite(outage.for_s) else "never ends")
                + f"; --full is for outages of {FULL_OUTAGE_S_MAX:.0f} s (30 days) at most",
                field="full",
                hint="leave --full out, or let it end sooner; to be without the node from the "
                "beginning, leave it out of the cluster",
            )


@dataclass(frozen=True)
class _Runs:
    """What is the same in all runs."""

    cluster: Cluster
    read: Workload
    away: Outages
    is_full: bool
    is_learned: bool


def _run_all(runs: _Runs, named: Sequence[NamedPolicy]) -> list[Column]:
    from quarterdeck.sim.fast.figures import Setting
    from quarterdeck.sim.fast.measures.guarantees import guaranteed_gpus
    from quarterdeck.sim.report.column import column_of

    usual = next((one.policy.pools for one in named if one.policy.guarantees), ())
    columns = []
    for one in named:
        story = _run(runs, one)
        guaranteed = guaranteed_gpus(
            one.policy.pools if one.policy.guarantees else usual, runs.cluster.nodes
        )
        setting = Setting(guaranteed, runs.cluster.watts)
        columns.append(column_of(one.name, story, setting))
    return columns


def _run(runs: _Runs, one: NamedPolicy) -> Story:
    with click.progressbar(
        length=len(runs.read.jobs), label=one.name, file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as bar:
        tell = lambda done: bar.update(done - bar.pos)  # noqa: E731 - it needs the bar
        nodes, jobs, outages = runs.cluster.nodes, runs.read.jobs, runs.away.outages
        if not runs.is_full:
            from quarterdeck.sim.fast.run import run as run_fast

            return run_fast(nodes, jobs, one.policy, tell, outages=outages, learned=runs.is_learned)
        from quarterdeck.adapters.blobs.memory import MemoryBlobs
        from quarterdeck.adapters.stores.memory import MemoryStore
        from quarterdeck.sim.full.run import Backing, run_full

        backing = Backing(MemoryStore, MemoryBlobs)
        return run_full(nodes, jobs, one.policy, backing, tell, outages=outages)


def _input_of(
    workload: Path,
    read: Workload,
    outages: Path | None,
    away: Outages,
    named: Sequence[NamedPolicy],
    columns: Sequence[Column],
) -> Input:
    """What was wrong with the files, by their lines; of jobs that never ran, too."""
    from quarterdeck.wiring.simulate.printing import Input, Told

    told = [Told(workload.name, one.line, one.what) for one in read.remarks]
    told += [Told(workload.name, line, what) for line, what in _never(columns)]
    told.sort(key=lambda one: one.line)
    if outages is not None:
        told += [Told(outages.name, one.line, one.what) for one in away.remarks]
    teams, people = {job.team for job in read.jobs}, {(job.team, job.user) for job in read.jobs}
    guaranteed = [(one.name, pool) for one in named for pool in one.policy.pools if pool.guarantee]
    notes = [
        f"{name}: team {pool.team} is guaranteed something, and no job is of that team"
        for name, pool in guaranteed
        if pool.team not in teams
    ]
    notes += [
        f"{name}: user {member.user} is guaranteed something in team {pool.team}, and no job is "
        "of that person there"
        for name, pool in guaranteed
        for member in pool.people
        if member.guarantee and pool.team in teams and (pool.team, member.user) not in people
    ]
    return Input(
        jobs=len(read.jobs),
        left_out=read.left_out + away.left_out,
        told=tuple(told),
        untold=read.untold + away.untold,
        notes=(*read.notes, *notes),
    )


def _never(columns: Sequence[Column]) -> Iterator[tuple[int, str]]:
    """The line of each job that never ran and why, once; with the policies where not all say so."""
    under: dict[tuple[int, str], list[str]] = {}
    for column in columns:
        for job, why in column.story.never:
            under.setdefault((job.line, why), []).append(column.name)
    for (line, why), names in under.items():
        where = "" if len(names) == len(columns) else f" under {', '.join(names)}"
        yield line, f"never runs{where}: {why}"
