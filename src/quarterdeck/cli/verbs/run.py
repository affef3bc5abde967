"""`qd run`: submit, follow, and exit with the job's own code."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import click

from quarterdeck.basics.errors import QuarterdeckError
from quarterdeck.cli.errors import RUN_FAILED, show_error
from quarterdeck.cli.jobs import (
    attach_workdir,
    job_options,
    make_request,
    print_job,
    print_log,
    print_new_job,
    print_plan,
    print_warnings,
)
from quarterdeck.cli.output import dry_run_option, examples, output_option, say
from quarterdeck.cli.progress import ProgressLine
from quarterdeck.cli.promises import print_starts

if TYPE_CHECKING:
    from quarterdeck.sdk.client import Client
    from quarterdeck.wire.v1.jobs import JobView

PATIENCE_S = 600.0
"""How long a followed job's server may be away: the job goes on meanwhile."""
EXPLAIN_AFTER_S = 1.0


@click.command(
    context_settings={"allow_interspersed_args": False},
    epilog=examples(
        "qd run -- python train.py",
        "qd run --gpus 8 --nodes 2 -- ./train.sh",
        "qd run --dry-run --gpu A100:4 -- python train.py",
        "qd wait $(qd run --detach -q -- python train.py)",
    ),
)
@job_options
@click.option("--detach", is_flag=True, help="Print the id and return.")
@dry_run_option
@output_option
@click.argument("command", nargs=-1, type=click.UNPROCESSED, required=True)
def command(
    command: tuple[str, ...],
    *,
    detach: bool,
    dry_run: bool,
    output: str,
    **options: Any,  # noqa: ANN401
) -> None:
    """Run COMMAND as a job, print its log, and exit with its code.

    The first ctrl-c cancels the job, a second one leaves it alone and returns. With -o json the log
    goes to stderr, and the job is printed at its end; with -q nothing is printed but the log.
    """
    from quarterdeck.sdk.client import Client

    with Client() as client:
        request = make_request(command, options)
        attach_workdir(client, request, options["workdir"], dry_run=dry_run)
        if dry_run:
            print_plan(client.plan(request), output)
            return
        if detach:
            print_new_job(client, client.submit(request), output)
            return
        interrupts = _Interrupts(client)
        job = client.submit(request)
        if output != "name":
            say(f"qd: job {job.id}", err=True)
        print_warnings(job, output)
        interrupts.know(job.id)
        client.patience_s = PATIENCE_S
        ended = _follow(client, job, output)
        if output == "json":
            print_job(ended, output)
        sys.exit(_exit_code(ended, interrupts.number))


def _follow(client: Client, job: JobView, output: str) -> JobView:
    """Print the log until the job's end; the job as it is then."""
    is_quiet = output == "name"
    explaining = threading.Timer(EXPLAIN_AFTER_S, _explain_wait, (client, job.id))
    explaining.daemon = True
    if not is_quiet:
        explaining.start()
    with nullcontext() if is_quiet else ProgressLine(client, job.id) as line:
        if job.array is None:
            for message in client.stream_log(job.id):
                text = getattr(message, "text", "")
                if text:
                    explaining.cancel()
                    if line is not None:
                        line.clear()
                    print_log(text, sys.stderr if output == "json" else sys.stdout)
        ended = client.wait(job.id)
    explaining.cancel()
    if ended.state != "succeeded" and not is_quiet:
        say(f"qd: job {job.id} {ended.state}: {ended.message}", err=True)
    return ended


def _exit_code(job: JobView, interrupted_by: int | None) -> int:
    """The job's own code. One that was cancelled by us before it started has none."""
    if job.state == "succeeded":
        return 0
    if job.exit_code:
        return job.exit_code
    return RUN_FAILED if interrupted_by is None else 128 + interrupted_by


def _explain_wait(client: Client, job_id: str) -> None:
    """Said once, on stderr, when the job does not start at once."""
    try:
        explanation = client.explain(job_id)
    except QuarterdeckError:
        return
    if explanation.job.state == "queued":
        say(f"qd: {explanation.summary}", err=True)
        print_starts(explanation.promise, err=True, start="qd: ")


class _Interrupts:
    """The first ctrl-c (or SIGTERM) cancels, the second leaves.

    From before the job is submitted, so that there is no moment at which an interrupt would leave a
    job behind that nobody knows of. The handler only starts a thread: what it interrupts may be in
    the middle of a call of the same client, or of a line of output.
    """

    def __init__(self, client: Client) -> None:
        self.number: int | None = None
        self._client = client
        self._job_id: str | None = None
        self._known = threading.Event()
        signal.signal(signal.SIGINT, self._handle)
        signal.signal(signal.SIGTERM, self._handle)

    def know(self, job_id: str) -> None:
        """The job that is to be cancelled."""
        self._job_id = job_id
        self._known.set()

    def _handle(self, number: int, _frame: object) -> None:
        if self.number is not None:
            if self._job_id is not None:
                _say(f"job {self._job_id} goes on; `qd logs -f {self._job_id}`")
            sys.exit(128 + number)
        self.number = number
        _say("cancelling; once more to leave it alone")
        threading.Thread(target=self._cancel, daemon=True).start()

    def _cancel(self) -> None:
        self._known.wait()
        assert self._job_id is not None
        try:
            self._client.cancel(self._job_id)
        except QuarterdeckError as error:
            show_error(error)


def _say(text: str) -> None:
    """Past the buffers, which the handler may have interrupted."""
    os.write(2, f"\nqd: {text}\n".encode())
