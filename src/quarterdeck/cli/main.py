"""`qd`: a table of verbs, each imported only when it is the one that is called.

Importing the client and its models takes longer than a person who only asks for help should wait.
"""

from __future__ import annotations

import importlib
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from quarterdeck import __version__
from quarterdeck.basics.errors import QuarterdeckError
from quarterdeck.cli.errors import (
    INTERRUPTED,
    READER_GONE,
    RUN_FAILED,
    exit_code_of,
    show_error,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class LazyVerb:
    """Where a verb is (`module:attribute`) and its line in the list of verbs."""

    where: str
    help: str

    def load(self) -> click.Command:
        """Import it."""
        module, _, attribute = self.where.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


VERBS = {
    "init": LazyVerb("quarterdeck.cli.verbs.init:command", "Write a job file to start from."),
    "run": LazyVerb("quarterdeck.cli.verbs.run:command", "Run a command and follow it."),
    "submit": LazyVerb("quarterdeck.cli.verbs.submit:command", "Submit a job file."),
    "wait": LazyVerb("quarterdeck.cli.verbs.wait:command", "Wait for a job's end."),
    "ps": LazyVerb("quarterdeck.cli.verbs.ps:command", "List jobs."),
    "queue": LazyVerb("quarterdeck.cli.verbs.queue:command", "Show who waits, and why."),
    "show": LazyVerb("quarterdeck.cli.verbs.show:command", "Show everything about a job."),
    "logs": LazyVerb("quarterdeck.cli.verbs.logs:command", "Print or follow a job's log."),
    "metrics": LazyVerb("quarterdeck.cli.verbs.metrics:command", "Show what a job told of itself."),
    "top": LazyVerb("quarterdeck.cli.verbs.top:command", "Watch what runs and how far it is."),
    "explain": LazyVerb("quarterdeck.cli.verbs.explain:command", "Say why a job is where it is."),
    "stats": LazyVerb("quarterdeck.cli.verbs.stats:command", "Show totals of the server."),
    "plan": LazyVerb("quarterdeck.cli.verbs.plan:command", "Say what would happen to a job."),
    "cancel": LazyVerb("quarterdeck.cli.verbs.cancel:command", "Stop jobs for good."),
    "requeue": LazyVerb("quarterdeck.cli.verbs.requeue:command", "Give a job another attempt."),
    "hold": LazyVerb("quarterdeck.cli.verbs.hold:hold", "Keep jobs from starting."),
    "release": LazyVerb("quarterdeck.cli.verbs.hold:release", "Let held jobs start."),
    "reorder": LazyVerb(
        "quarterdeck.cli.verbs.reorder:command", "Say which of your jobs goes first."
    ),
    "clone": LazyVerb("quarterdeck.cli.verbs.clone:command", "Submit a job once more."),
    "note": LazyVerb("quarterdeck.cli.verbs.note:command", "Write a note on a job."),
    "results": LazyVerb("quarterdeck.cli.verbs.results:command", "List or fetch what a job left."),
    "node": LazyVerb("quarterdeck.cli.verbs.node:command", "List nodes and what is free."),
    "reserve": LazyVerb("quarterdeck.cli.verbs.reserve:command", "Book nodes for a while."),
    "calendar": LazyVerb("quarterdeck.cli.verbs.calendar:command", "Show who has what when."),
    "lease": LazyVerb("quarterdeck.cli.verbs.lease:command", "Rent capacity for months."),
    "webhook": LazyVerb("quarterdeck.cli.verbs.webhook:command", "Tell other programs of changes."),
    "login": LazyVerb("quarterdeck.cli.verbs.login:login", "Come in to a server."),
    "logout": LazyVerb("quarterdeck.cli.verbs.login:logout", "Let a server's token go."),
    "whoami": LazyVerb("quarterdeck.cli.verbs.whoami:command", "Say who you are, and by what."),
    "organization": LazyVerb("quarterdeck.cli.verbs.organization:command", "Say who owns it all."),
    "pool": LazyVerb("quarterdeck.cli.verbs.pool:command", "What teams are guaranteed."),
    "team": LazyVerb("quarterdeck.cli.verbs.team:command", "Teams, members and limits."),
    "user": LazyVerb("quarterdeck.cli.verbs.user:command", "People, and who comes in."),
    "invitation": LazyVerb("quarterdeck.cli.verbs.invitation:command", "Invitations not used."),
    "token": LazyVerb("quarterdeck.cli.verbs.token:command", "List, make and revoke tokens."),
    "apply": LazyVerb("quarterdeck.cli.verbs.apply:command", "Make people what a file says."),
    "gc": LazyVerb("quarterdeck.cli.verbs.gc:command", "Delete what retention lets go."),
    "completion": LazyVerb(
        "quarterdeck.cli.verbs.completion:command", "Print a script for the shell."
    ),
    "openapi": LazyVerb("quarterdeck.cli.verbs.openapi:command", "Print the API's description."),
}


class _Group(click.Group):
    """A group whose verbs are looked up in a table."""

    def __init__(self, verbs: Mapping[str, LazyVerb]) -> None:
        super().__init__(
            name="qd",
            help="Quarterdeck: say what should run; it decides where and when.",
            context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
            no_args_is_help=True,
            params=[_server_option()],
        )
        self._verbs = verbs

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(self._verbs)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        cmd_name: str,
    ) -> click.Command | None:
        verb = self._verbs.get(cmd_name)
        return verb.load() if verb is not None else None

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Verbs from the table: none is imported for it."""
        verbs = [
            CompletionItem(name, help=verb.help)
            for name, verb in self._verbs.items()
            if name.startswith(incomplete)
        ]
        return verbs + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        formatter: click.HelpFormatter,
    ) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.help) for name, verb in self._verbs.items()])

    def invoke(self, ctx: click.Context) -> object:
        """Run the verb; errors of the house become lines and an exit code."""
        try:
            done = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            _forget_output()
            ctx.exit(READER_GONE)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(INTERRUPTED)
        except click.UsageError as error:
            # `run` keeps its codes apart from the job's own.
            if ctx.invoked_subcommand != "run":
                raise
            error.show()
            ctx.exit(RUN_FAILED)
        except QuarterdeckError as error:
            show_error(error)
            ctx.exit(exit_code_of(error, ctx.invoked_subcommand))
        return done


def _server_option() -> click.Option:
    """`--server`, for all verbs: it is what `QD_SERVER` would be."""

    def choose(_ctx: click.Context, _parameter: click.Parameter, server: str | None) -> None:
        if server:
            os.environ["QD_SERVER"] = server

    return click.Option(
        ["-S", "--server"],
        metavar="URL|HOST",
        expose_value=False,
        callback=choose,
        help="Ask this server, by its address or the host of a `qd login` [QD_SERVER].",
    )


def _forget_output() -> None:
    """Nobody reads what is left: the interpreter must not try to write it at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def build_cli(extra: Mapping[str, LazyVerb]) -> click.Group:
    """The command with the client's verbs and those that are wired elsewhere."""
    group = _Group({**extra, **VERBS})
    return click.version_option(__version__, prog_name="qd")(group)
