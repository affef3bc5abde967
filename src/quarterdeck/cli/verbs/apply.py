"""`qd apply`: people and teams as a file says; and the file that says what is the case."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from quarterdeck.basics.errors import Invalid, Refused
from quarterdeck.cli.output import dry_run_option, examples, output_option, print_json, say
from quarterdeck.cli.people import yes_option

if TYPE_CHECKING:
    from quarterdeck.sdk.client import Client
    from quarterdeck.sdk.peoplefile import ReadPeople
    from quarterdeck.wire.v1.people import PeopleChange, PeopleDiff

_SIGNS = {"add": "+", "activate": "+", "close": "-", "deactivate": "-", "change": "~"}


@click.command(
    epilog=examples(
        "qd apply --print > people.yaml",
        "qd apply -f people.yaml --dry-run",
        "qd apply -f people.yaml --yes",
    )
)
@click.option("-f", "--file", metavar="FILE|-", help="The people file; - reads it from stdin.")
@click.option("--print", "to_stdout", is_flag=True, help="Print the file as things are now.")
@yes_option
@dry_run_option
@output_option
def command(file: str | None, *, to_stdout: bool, yes: bool, dry_run: bool, output: str) -> None:
    """Make people and teams what FILE says: all of it, or nothing.

    What changes is printed first: + is added or let in, ~ changes, - is shut out. In a terminal it
    is asked for then. Who or what the file leaves out stays as it is.
    """
    from quarterdeck.sdk.client import Client

    if to_stdout == (file is not None):
        raise click.UsageError("give -f FILE, or --print")
    with Client() as client:
        if file is None:
            _print_file(client, output)
            return
        people = _read(file)
        diff = _send(client, people, dry_run=True)
        if output == "table":
            _print_diff(diff)
        if diff.changes and not dry_run:
            if not yes and file != "-" and sys.stdin.isatty():
                click.confirm("Apply this?", abort=True, err=True)
            diff = _send(client, people, dry_run=False)
            if output == "table":
                say(f"applied, {_counted(diff)}")
    if output == "json":
        print_json(diff)
    elif output == "name":
        for name in dict.fromkeys(f"{one.what}/{one.name}" for one in diff.changes):
            say(name)


def _read(file: str) -> ReadPeople:
    from quarterdeck.sdk.peoplefile import BYTES_MAX, read_people

    try:
        with click.open_file(file, "rb") as stream:
            content = stream.read(BYTES_MAX + 1)
    except OSError as error:
        raise Invalid(
            f"{file} cannot be read: {error.strerror}", field="file", hint="check the name"
        ) from None
    return read_people(content, "stdin" if file == "-" else file)


def _send(client: Client, people: ReadPeople, *, dry_run: bool) -> PeopleDiff:
    try:
        return client.people.apply_people(people.wanted, dry_run=dry_run)
    except Refused as error:
        raise people.locate(error) from None


def _print_file(client: Client, output: str) -> None:
    from quarterdeck.sdk.peoplefile import write_people

    people = client.people.export_people()
    if output == "json":
        print_json(people)
    elif output == "name":
        for name in (
            *(f"team/{one}" for one in people.teams),
            *(f"user/{u}" for u in people.users),
        ):
            say(name)
    else:
        click.echo(write_people(people), nl=False)


def _print_diff(diff: PeopleDiff) -> None:
    for change in diff.changes:
        say(_line(change))
    if not diff.changes:
        say("nothing to change")


def _line(change: PeopleChange) -> str:
    start = f"{_SIGNS[change.action]} {change.what} {change.name}"
    if change.action == "change":
        return f"{start} {change.field}: {change.before or 'none'} -> {change.after or 'none'}"
    if change.action == "add":
        return f"{start} ({change.after})" if change.after else start
    return f"{start} {change.action}d"


def _counted(diff: PeopleDiff) -> str:
    count = len(diff.changes)
    return "1 change" if count == 1 else f"{count} changes"
