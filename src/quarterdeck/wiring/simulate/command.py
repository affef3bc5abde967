"""`qd sim`: the scheduler on virtual time, as a question (`run`) or as a test full of faults."""

from __future__ import annotations

import logging
import sys
from time import monotonic

import click

from quarterdeck.cli.output import examples
from quarterdeck.wiring.simulate.export import command as export
from quarterdeck.wiring.simulate.replay import command as replay
from quarterdeck.wiring.simulate.run import run


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


command.add_command(run)
command.add_command(replay, "replay")
command.add_command(export, "export")
