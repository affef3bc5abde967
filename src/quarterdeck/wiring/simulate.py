"""`qd sim`: the scheduler on virtual time, as a question (`run`) or as a test full of faults."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Final

import click

from quarterdeck.basics.errors import Invalid
from quarterdeck.basics.quantities import format_span, parse_span_s
from quarterdeck.cli.output import examples, output_option, print_table, say
from quarterdeck.wiring.replay import command as replay
from quarterdeck.wiring.replay_export import command as export

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quarterdeck.core.cluster.hardware import Node
    from quarterdeck.core.scheduling.snapshot import Policy
    from quarterdeck.sim.fast.story import Story
    from quarterdeck.sim.fast.workload import Workload

WORKLOAD_BYTES_MAX: Final = 1 << 30
REMARKS_SHOWN: Final = 20


@click.group(invoke_without_command=True, epilog=examples("qd sim", "qd sim --seed 7 --jobs 200"))
@click.option("--seed", type=int, default=42, show_default=True, help="What the run follows from.")
@click.option(
    "--jobs", type=click.IntRange(min=1), default=1000, show_default=True, help="How many jobs."
)
@click.pass_context
def command(context: click.Context, seed: int, jobs: int) -> None:
    """Ask what would be, with `run`; or, without a verb, test the server against faults.

    The test runs jobs through a virtual site where everything goes wrong, and checks that what must
    hold does. The same seed gives the same output. Exits with 1 when something did not hold, or
    when a fault or a check never came up.
    """
    if context.invoked_subcommand is not None:
        return
    from quarterdeck.adapters.blobs.memory import MemoryBlobs
    from quarterdeck.adapters.stores.memory import MemoryStore
    from quarterdeck.sim.run import simulate

    logging.getLogger("quarterdeck").addHandler(logging.NullHandler())
    logging.getLogger("quarterdeck").propagate = False
    began = monotonic()
    outcome = simulate(seed, jobs, MemoryStore, MemoryBlobs)
    click.echo(outcome.text.lstrip("\n"))
    click.echo(f"{monotonic() - began:.1f} s of wall time", err=True)
    if not outcome.is_ok:
        sys.exit(1)


command.add_command(replay, "replay")
command.add_command(export, "export")


@command.command(
    epilog=examples(
        "qd sim run --cluster superpod.yaml --workload june.csv",
        "qd sim run --cluster a.yaml --workload june.csv --patience 1h --patience 5m -o json",
    )
)
@click.option(
    "--cluster", type=click.Path(path_type=Path), required=True, help="A site file (docs/sites.md)."
)
@click.option(
    "--workload", type=click.Path(path_type=Path), required=True, help="A CSV file of jobs."
)
@click.option(
    "--patience",
    "patiences",
    multiple=True,
    metavar="SPAN",
    help="How long smaller jobs may pass one that waits (5m); several are compared.",
)
@output_option
def run(cluster: Path, workload: Path, patiences: tuple[str, ...], output: str) -> None:
    """Run a workload on a cluster as the scheduler would, and print what came of it.

    The columns of the workload are submit, duration (seconds) and gpus (as in a job file, for each
    node); and if wanted job, nodes, cpus, memory, team, user, priority. What is wrong with a line
    is told with its number. The same input gives the same output.
    """
    from quarterdeck.adapters.sites.catalogue import load_catalogue
    from quarterdeck.core.scheduling.snapshot import Policy
    from quarterdeck.sim.fast.figures import figures_of
    from quarterdeck.sim.fast.workload import read_workload
    from quarterdeck.wiring.site.reader import load_plan

    nodes = load_plan(cluster).imagine(load_catalogue())
    read = read_workload(_text_of(workload), workload.name)
    policies = [Policy(parse_span_s(one, field="patience")) for one in patiences] or [Policy()]
    columns: dict[str, dict[str, float]] = {}
    stories = []
    for policy in policies:
        name = f"patience {format_span(policy.patience_s)}"
        stories.append(_run(nodes, read, policy, name))
        columns[name] = figures_of(stories[-1])
    never = [(job.line, f"never fits: {told}") for job, told in stories[0].never]
    told = sorted([*((one.line, one.what) for one in read.remarks), *never])
    left_out = sum(one.is_left_out for one in read.remarks)
    if output == "json":
        click.echo(
            json.dumps(
                {
                    "jobs_read": len(read.jobs),
                    "lines_left_out": left_out,
                    "remarks": [{"line": line, "what": what} for line, what in told],
                    "figures": columns,
                },
                indent=2,
            )
        )
        return
    if output == "name":
        return
    _print(columns)
    _print_remarks(workload.name, told, left_out)


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            content = stream.read(WORKLOAD_BYTES_MAX + 1)
        if len(content) > WORKLOAD_BYTES_MAX:
            raise Invalid(
                f"the workload {path} is larger than {WORKLOAD_BYTES_MAX} bytes",
                field="workload",
                hint="cut it into several",
            )
        return content.decode("utf-8-sig")
    except OSError as error:
        told = f"the workload {path} cannot be read: {error.strerror}"
        raise Invalid(told, field="workload", hint="give a CSV file with jobs in it") from None
    except UnicodeDecodeError:
        told = f"the workload {path} is not UTF-8 text"
        raise Invalid(told, field="workload", hint="save it as CSV in UTF-8") from None


def _run(nodes: Sequence[Node], read: Workload, policy: Policy, name: str) -> Story:
    from quarterdeck.sim.fast.run import run as run_fast

    with click.progressbar(
        length=len(read.jobs), label=name, file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as bar:
        return run_fast(nodes, read.jobs, policy, lambda done: bar.update(done - bar.pos))


def _print(columns: Mapping[str, Mapping[str, float]]) -> None:
    names = next(iter(columns.values()))
    print_table(
        ("", *columns),
        [(name, *(f"{column[name]:,.3f}".rstrip("0").rstrip(".") for column in columns.values()))
         for name in names],
    )  # fmt: skip


def _print_remarks(name: str, told: Sequence[tuple[int, str]], left_out: int) -> None:
    for line, what in told[:REMARKS_SHOWN]:
        say(f"{name}:{line}: {what}", err=True)
    if len(told) > REMARKS_SHOWN:
        more = len(told) - REMARKS_SHOWN
        say(f"{name}: {more} more; `-o json` has all of them", err=True)
    if left_out:
        say(f"{name}: {left_out} line{'s'[: left_out > 1]} left out", err=True)
