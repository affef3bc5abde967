"""`qd site`: sites on paper, in files and drawings, and sites that the server uses."""

from __future__ import annotations

import click

from quarterdeck.wiring.connected import command as connected
from quarterdeck.wiring.site import command as drawn


@click.group()
def command() -> None:
    """Connect, draw, make and import sites."""


for verb in (connected.add, connected.list_all, connected.check, connected.remove):
    command.add_command(verb)
for verb in (drawn.show, drawn.generate, drawn.import_places):
    command.add_command(verb)
