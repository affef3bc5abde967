"""Every verb has the manners of the house: it can be tried dry, read by a program, and copied."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import get_args

import click
import pytest

from quarterdeck.cli.completion import STATES
from quarterdeck.cli.main import build_cli
from quarterdeck.cli.output import FORMATS
from quarterdeck.wire.v1.jobs import FINAL_STATES, StateName
from quarterdeck.wiring.entry import WIRED

CHANGES_NOTHING = {
    "audit export", "audit search", "audit verify", "calendar ls", "calendar show",
    "completion", "doctor", "explain", "invitation list", "lease ls", "logs", "metrics", "node ls",
    "node show", "openapi",
    "organization show", "plan", "policy check", "policy show", "policy try", "pool ls",
    "pool show", "pool tree", "ps", "queue",
    "results", "schema", "show", "sim export", "stats promises",
    "sim replay", "sim run", "site check", "site ls", "site show", "team list",
    "team show", "token list", "top",
    "user list", "user show", "validate", "wait", "webhook list", "whoami",
}  # fmt: skip
"""What of the server, its jobs and the files of others stays as it is. Any other verb is taken to
change something, so that one which is added later has to say what it would do."""

OWN_FORM = {
    "completion": "prints a script for a shell",
    "logs": "prints what the job wrote, byte by byte",
    "openapi": "prints JSON and nothing else",
    "schema": "prints JSON and nothing else",
    "site generate": "its -o names the file to write",
    "site import": "its -o names the file to write",
    "support-bundle": "its -o names the file to write",
    "results": "its -o may also name a folder to save in",
}
SHORTEST_FORM_IS_ALL = {"completion", "logs", "openapi", "schema"}


def walk(group: click.Group, names: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Every verb that does something, by the words that are typed."""
    context = click.Context(group)
    for name in group.list_commands(context):
        verb = group.get_command(context, name)
        assert verb is not None
        if isinstance(verb, click.Group):
            yield from walk(verb, (*names, name))
        else:
            yield " ".join((*names, name)), verb


CLI = build_cli(WIRED)
VERBS = dict(walk(CLI))


def options_of(verb: click.Command) -> dict[str, click.Option]:
    return {
        option: parameter
        for parameter in verb.params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
    }


def help_of(name: str) -> str:
    context = click.Context(CLI, info_name="qd")
    return VERBS[name].get_help(click.Context(VERBS[name], context, name))


def test_the_tables_name_verbs_that_there_are() -> None:
    assert (CHANGES_NOTHING | set(OWN_FORM)) <= set(VERBS)
    assert len(VERBS) > 25


@pytest.mark.parametrize("name", sorted(set(VERBS) - CHANGES_NOTHING))
def test_a_verb_that_changes_something_can_be_tried_dry(name: str) -> None:
    option = options_of(VERBS[name]).get("--dry-run")
    assert option is not None, f"qd {name} has no --dry-run: cli.output.dry_run_option"
    assert option.is_flag


@pytest.mark.parametrize("name", sorted(set(VERBS) - set(OWN_FORM)))
def test_every_verb_prints_a_table_json_or_names(name: str) -> None:
    option = options_of(VERBS[name]).get("--output")
    assert option is not None, f"qd {name} has no -o: cli.output.output_option"
    assert isinstance(option.type, click.Choice)
    assert tuple(option.type.choices) == FORMATS
    assert "-o" in option.opts


@pytest.mark.parametrize("name", sorted(set(VERBS) - SHORTEST_FORM_IS_ALL))
def test_every_verb_can_be_quiet(name: str) -> None:
    assert {"-q", "--quiet"} <= set(options_of(VERBS[name]))


@pytest.mark.parametrize("name", sorted(VERBS))
def test_every_help_shows_how_it_is_typed_and_that_is_right(name: str) -> None:
    _, heading, tail = help_of(name).partition("\n  Examples:\n")
    assert heading, f"qd {name} has no examples: epilog=examples(…)"
    lines = tail.rstrip().splitlines()
    assert all(len(line) <= 100 for line in lines)
    assert any(re.search(rf"\bqd {name}\b", line) for line in lines)
    for line in lines:
        for typed in re.findall(r"\bqd ([^|<>)#\"]*)", re.sub(r"\$\(qd [^)]*\)", "X", line)):
            parse(shlex.split(typed))


def parse(words: list[str]) -> None:
    """Let click read it, without calling the verb. `X` stands for what another command prints."""
    group, context = CLI, click.Context(CLI, info_name="qd")
    while True:
        verb = group.get_command(context, words[0])
        assert verb is not None, words
        if not isinstance(verb, click.Group):
            verb.make_context(words[0], words[1:], parent=context)
            return
        group, words = verb, words[1:]


@pytest.mark.parametrize("name", sorted(VERBS))
def test_every_option_says_what_it_does(name: str) -> None:
    silent = [
        parameter.opts[-1]
        for parameter in VERBS[name].params
        if isinstance(parameter, click.Option) and not parameter.help
    ]
    assert silent == []


def test_the_states_that_are_completed_are_those_of_the_server() -> None:
    assert set(STATES) == set(get_args(StateName))
    assert {state for state in STATES if state in FINAL_STATES} == set(FINAL_STATES)
