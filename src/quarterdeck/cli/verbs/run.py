"""`qd run`: submit, follow, and exit with the job's own code."""

from __future__ import annotations

import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

import click

from quarterdeck.cli.errors import RUN_FAILED
from quarterdeck.cli.jobs import attach_workdir, job_options, make_request, print_job
from quarterdeck.cli.output import output_option

if TYPE_CHECKING:
    from quarterdeck.sdk.client import Client
    from quarterdeck.wire.v1.jobs import JobView

PATIENCE_S = 600.0
"""How long a followed job's server may be away: the job goes on meanwhile."""
EXPLAIN_AFTER_S = 1.0


@click.command(context_settings={"allow_interspersed_args": False})
@job_options
@click.option("--detach", is_flag=True, help="Print the id and return.")
@output_option
@click.argument("command", nargs=-1, type=click.UNPROCESSED, required=True)
def command(command: tuple[str, ...], *, detach: bool, output: str, **options: Any) -> None:  # noqa: ANN401
    """Run COMMAND as a job, print its log, and exit with its code.

    The first ctrl-c cancels the job, a second one leaves it alone and returns.
    """
    from quarterdeck.sdk.client import Client

    with Client() as client:
        request = make_request(command, options)
        attach_workdir(client, request, options["workdir"])
        job = client.submit(request)
        if detach:
            print_job(job, output)
            return
        click.echo(f"qd: job {job.id}", err=True)
        client.patience_s = PATIENCE_S
        sys.exit(_follow(client, job))


def _follow(client: Client, job: JobView) -> int:
    """Print the log until the job's end; its exit code."""
    _cancel_when_interrupted(client, job.id)
    explaining = threading.Timer(EXPLAIN_AFTER_S, _explain_wait, (client, job.id))
    explaining.daemon = True
    explaining.start()
    for message in client.stream_log(job.id):
        text = getattr(message, "text", "")
        if text:
            explaining.cancel()
            sys.stdout.write(text)
            sys.stdout.flush()
    explaining.cancel()
    ended = client.wait(job.id)
    if ended.state != "succeeded":
        click.echo(f"qd: job {job.id} {ended.state}: {ended.message}", err=True)
    return _exit_code(ended)


def _exit_code(job: JobView) -> int:
    return 0 if job.state == "succeeded" else job.exit_code or RUN_FAILED


def _explain_wait(client: Client, job_id: str) -> None:
    """Said once, on stderr, when the job does not start at once."""
    explanation = client.explain(job_id)
    if explanation.job.state == "queued":
        click.echo(f"qd: {explanation.summary}", err=True)


def _cancel_when_interrupted(client: Client, job_id: str) -> None:
    """The handler only starts a thread: what it interrupts may be a call of the same client."""
    asked = threading.Event()

    def handle(number: int, _frame: object) -> None:
        if asked.is_set():
            click.echo(f"\nqd: job {job_id} goes on; `qd logs -f {job_id}`", err=True)
            sys.exit(128 + number)
        asked.set()
        click.echo("\nqd: cancelling; once more to leave it alone", err=True)
        threading.Thread(target=client.cancel, args=(job_id,), daemon=True).start()

    signal.signal(signal.SIGINT, handle)
    signal.signal(signal.SIGTERM, handle)
