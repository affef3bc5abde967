"""docs/reference/cli.md: every verb of `qd`, from its own help."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import click

from docs.draw.markdown import code, head, table
from quarterdeck.cli import errors
from quarterdeck.cli.main import build_cli
from quarterdeck.wiring.entry import WIRED

if TYPE_CHECKING:
    from collections.abc import Iterator

ABOUT = """\
`qd VERB --help` says the same in the terminal. Where `-o` takes `table`, `json` and `name`, JSON is
what the API has and names are for pipes; `-q` is `-o name`, or silence where nothing has a name.
`--dry-run` checks everything and changes nothing."""
CODES = (
    (0, "done; of `wait` and `run`: the job succeeded"),
    (errors.JOB_FAILED, "the job failed; of `doctor`: something must be mended"),
    (2, "wrong usage"),
    (errors.REFUSED, "refused: something has to be changed before asking again"),
    (errors.UNREACHABLE, "no server answers, or it cannot now"),
    (errors.TIMED_OUT, "`wait --timeout` has passed"),
    (errors.RUN_FAILED, "of `run`: a failure that is not the job's"),
    (errors.INTERRUPTED, "ctrl-c"),
    (errors.READER_GONE, "whoever read the output has gone"),
)


def draw_cli() -> str:
    """The whole page."""
    cli = build_cli(WIRED)
    codes = table(("code", "meaning"), ((code(str(number)), meaning) for number, meaning in CODES))
    own = "`qd run` has the job's own code, 128 + n after signal n.\n"
    verbs = "\n".join(_section(name, verb, context) for name, verb, context in _walk(cli))
    return "\n".join((head("Command line", ABOUT), "## Exit codes\n", codes, own, verbs))


def _walk(
    group: click.Group, parent: click.Context | None = None, names: tuple[str, ...] = ()
) -> Iterator[tuple[str, click.Command, click.Context]]:
    context = click.Context(group, info_name=names[-1] if names else "qd", parent=parent)
    for name in group.list_commands(context):
        verb = group.get_command(context, name)
        assert verb is not None, name
        yield " ".join((*names, name)), verb, context
        if isinstance(verb, click.Group):
            yield from _walk(verb, context, (*names, name))


def _section(name: str, verb: click.Command, context: click.Context) -> str:
    own = click.Context(verb, info_name=name.rsplit(maxsplit=1)[-1], parent=context)
    usage = " ".join(verb.collect_usage_pieces(own))
    options = [param for param in verb.params if isinstance(param, click.Option)]
    parts = [
        f"## qd {name}\n",
        f"`qd {name} {usage}`\n",
        inspect.cleandoc(verb.help or "") + "\n",
        table(("option", "default", "what it does"), (_row(option) for option in options)),
    ]
    shown = _examples(verb)
    if shown:
        parts.append("\n".join(["```console", *(f"$ {line}" for line in shown), "```", ""]))
    return "\n".join(part for part in parts if part)


def _row(option: click.Option) -> tuple[str, str, str]:
    names = ", ".join(code(name) for name in (*option.opts, *option.secondary_opts))
    takes = ""
    if not option.is_flag:
        takes = " " + code(option.metavar or _kind(option.type))
    default = "" if option.is_flag or option.multiple else _default(option)
    return f"{names}{takes}", default, option.help or ""


def _kind(kind: click.ParamType[Any]) -> str:
    if isinstance(kind, click.Choice):
        return "|".join(map(str, kind.choices))
    return kind.name.upper().removesuffix(" RANGE")


def _default(option: click.Option) -> str:
    """What is taken when it is left out, unless that is nothing."""
    told = option.to_info_dict()["default"]
    return "" if told is None or callable(told) else code(str(told))


def _examples(verb: click.Command) -> list[str]:
    _, heading, lines = (verb.epilog or "").partition("Examples:\n")
    return [line.strip() for line in lines.splitlines()] if heading else []
