"""`qd schema`: the JSON Schema of the job file, for editors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from quarterdeck.cli.output import examples

if TYPE_CHECKING:
    from collections.abc import Callable


def make_command(draw: Callable[[], dict[str, Any]]) -> click.Command:
    """The verb, printing the schema that is drawn when it is called."""

    @click.command(epilog=examples("qd schema > jobfile.schema.json"))
    def command() -> None:
        """Print the JSON Schema (draft 2020-12) of the job file.

        Keep it beside your job files (`qd schema > jobfile.schema.json`) and begin them with
        `# yaml-language-server: $schema=jobfile.schema.json`: the editor then completes keys.
        """
        click.echo(json.dumps(draw(), indent=2, ensure_ascii=False))

    return command
