"""The options of sbatch(1) on our own command line, and a batch script as a job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from quarterdeck.basics.errors import Invalid
from quarterdeck.cli.output import say

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quarterdeck.sdk.client import Client
    from quarterdeck.sdk.sbatch.script import Script

F = TypeVar("F", bound="Callable[..., Any]")
OWN: Final = frozenset({"account", "output", "quiet"})
"""Ours by the same name: `--account` is the team, `--output` and `--quiet` are how we print."""
OWN_SHORT: Final = frozenset({"A", "o", "q", "h"})
PREFIX: Final = "sbatch_"


class BatchCommand(click.Command):
    """Of a batch script, all words behind it are the script's own, as with sbatch."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Look which file it is before the words behind it are read."""
        ctx.allow_interspersed_args = False
        found, _, _ = self.make_parser(ctx).parse_args(list(args))
        ctx.allow_interspersed_args = not _is_script(found.get("file"))
        return super().parse_args(ctx, args)


def _is_script(file: object) -> bool:
    if not isinstance(file, str):
        return False  # a call for help is answered without loading what reads files
    from quarterdeck.sdk.sbatch.script import is_script, may_be_script

    try:
        return is_script(Path(file))
    except Invalid:
        return may_be_script(Path(file))  # that it cannot be read is told later


def batch_options(function: F) -> F:
    """The options of sbatch that are not ours anyway; those that change nothing are hidden."""
    from quarterdeck.sdk.sbatch.options import OPTIONS

    for option in reversed(OPTIONS):
        if option.name in OWN:
            continue
        names = [f"--{option.name}", PREFIX + option.name.replace("-", "_")]
        if option.short and option.short not in OWN_SHORT:
            names.insert(0, f"-{option.short}")
        function = click.option(
            *names,
            **({"metavar": "VALUE"} if option.takes == "value" else {"is_flag": True}),
            default=None,
            hidden=not option.help,
            help=f"Of a script: {option.help or option.warning or option.refusal}",
        )(function)
    return function


def typed_words(options: dict[str, Any], team: str | None) -> list[str]:
    """What was typed of them, as words; they are taken out of the options."""
    words = [] if team is None else [f"--account={team}"]
    for name in [one for one in options if one.startswith(PREFIX)]:
        value = options.pop(name)
        long = name.removeprefix(PREFIX).replace("_", "-")
        if value is True:
            words.append(f"--{long}")
        elif value is not None:
            words.append(f"--{long}={value}")
    return words


def attach_script(
    client: Client, script: Script, *, with_folder: bool = True, dry_run: bool = False
) -> None:
    """Snapshot the folder and what goes beside it, and put the digest into the request."""
    from quarterdeck.sdk.sbatch.script import take_script

    with take_script(script, with_folder=with_folder) as snapshot:
        if not dry_run:
            script.job.request.snapshot = client.upload_snapshot(snapshot)


def print_script_warnings(warnings: Sequence[str], output: str) -> None:
    """What of the script changes nothing, or something else than there."""
    if output != "name":
        for warning in warnings:
            say(f"warning: {warning}", err=True)
