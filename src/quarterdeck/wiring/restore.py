"""`qd restore`: rebuild jobs and sites from the event log, while no server uses the home."""

from __future__ import annotations

import os
from pathlib import Path

import click

from quarterdeck.basics.errors import Refused
from quarterdeck.cli.output import dry_run_option, examples, output_option, print_done
from quarterdeck.wiring.home import Home, default_home


@click.command(epilog=examples("qd restore --dry-run", "qd restore"))
@click.option(
    "--home", type=click.Path(path_type=Path), help="Data folder [QD_HOME, ~/.quarterdeck]."
)
@dry_run_option
@output_option
def command(home: Path | None, *, dry_run: bool, output: str) -> None:
    """Put what the event log says in place of the stored jobs and sites."""
    from quarterdeck.adapters.stores.sql.store import open_store
    from quarterdeck.control.restore import restore

    root = (home or default_home()).absolute()
    if not root.is_dir():
        raise Refused(f"there is no home {root}", field="home", hint="give its --home, or QD_HOME")
    with Home(root) as held:
        store = open_store(held.store_url(os.environ.get("QD_STORE")))
        try:
            done = restore(store, dry_run=dry_run)
        finally:
            store.close()
    told = "would be restored" if dry_run else "restored"
    print_done(
        output,
        f"{done.jobs} jobs and {done.sites} sites {told} from {done.records} events",
        jobs=done.jobs,
        sites=done.sites,
        events=done.records,
        restored=not dry_run,
    )
