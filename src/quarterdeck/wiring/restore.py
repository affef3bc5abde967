"""`qd restore`: rebuild jobs and sites from the event log, while no server uses the home."""

from __future__ import annotations

import os
from pathlib import Path

import click

from quarterdeck.wiring.home import Home, default_home


@click.command()
@click.option(
    "--home", type=click.Path(path_type=Path), help="Data folder [QD_HOME, ~/.quarterdeck]."
)
def command(home: Path | None) -> None:
    """Put what the event log says in place of the stored jobs and sites."""
    from quarterdeck.adapters.stores.sql.store import open_store
    from quarterdeck.control.restore import restore

    with Home((home or default_home()).absolute()) as held:
        store = open_store(held.store_url(os.environ.get("QD_STORE")))
        try:
            done = restore(store)
        finally:
            store.close()
    click.echo(f"{done.jobs} jobs and {done.sites} sites restored from {done.records} events")
