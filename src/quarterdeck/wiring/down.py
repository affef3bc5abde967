"""`qd down`: end the server of a home."""

from __future__ import annotations

import json
import os
import select
from pathlib import Path
from time import monotonic

import click

from quarterdeck.basics.errors import Unavailable
from quarterdeck.cli.output import dry_run_option, examples, output_option, print_done
from quarterdeck.wiring.home import default_home

END_S_MAX = 30.0
STOP_JOBS_S_MAX = 600.0
POLL_MS = 1000


@click.command(epilog=examples("qd down", "qd down --stop-jobs"))
@click.option(
    "--home", type=click.Path(path_type=Path), help="Data folder [QD_HOME, ~/.quarterdeck]."
)
@click.option("--stop-jobs", is_flag=True, help="Cancel all jobs first; otherwise they go on.")
@dry_run_option
@output_option
def command(home: Path | None, *, stop_jobs: bool, dry_run: bool, output: str) -> None:
    """End the server. Jobs go on and the next server finds them, unless told otherwise."""
    from quarterdeck.sdk import Client

    root = (home or default_home()).absolute()
    try:
        server = json.loads((root / "server.json").read_text())
        token = (root / "token").read_text().strip()
    except FileNotFoundError:
        raise Unavailable(
            f"no server runs on the home {root}", hint="give its --home, or set QD_HOME"
        ) from None
    try:
        handle = os.pidfd_open(server["pid"])
    except ProcessLookupError:
        raise Unavailable(
            f"the server of {root} (pid {server['pid']}) is gone already",
            hint="`qd up` starts it again; its jobs go on",
        ) from None
    facts = {"pid": server["pid"], "url": server["url"], "home": root, "ended": not dry_run}
    if dry_run:
        os.close(handle)
        jobs = "cancel its jobs and " if stop_jobs else ""
        told = f"would {jobs}end the server (pid {server['pid']} at {server['url']})"
        print_done(output, told, **facts)
        return
    with Client(url=server["url"], token=token) as client:
        client.shut_down(stop_jobs=stop_jobs)
    _wait_for_end(handle, STOP_JOBS_S_MAX if stop_jobs else END_S_MAX, server["pid"])
    print_done(output, f"the server (pid {server['pid']}) has ended", **facts)


def _wait_for_end(handle: int, limit_s: float, pid: int) -> None:
    poller = select.poll()
    poller.register(handle, select.POLLIN)
    deadline = monotonic() + limit_s
    while not poller.poll(POLL_MS):
        if monotonic() > deadline:
            raise Unavailable(
                f"the server (pid {pid}) has not ended within {limit_s:g}s",
                hint="look at server.log in its home",
            )
    os.close(handle)
