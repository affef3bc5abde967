"""Every `qd` command that the docs show is one that `qd` knows, options included."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from quarterdeck.cli.main import build_cli
from quarterdeck.wiring.entry import WIRED

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md"))
    if path.name != "CHANGELOG.md"
)
_BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ENDS = frozenset({";", "&&", "||", "|", "&", "(", ")", ";;"})
_BEFORE = frozenset({"do", "then", "{", "!", "time"})


def commands_of(page: Path) -> list[list[str]]:
    """The arguments of each `qd`."""
    found: list[list[str]] = []
    for kind, body in _BLOCK.findall(page.read_text(encoding="utf-8")):
        if kind not in ("console", "", "sh", "bash"):
            continue
        for line in body.replace("\\\n", " ").splitlines():
            typed = line.removeprefix("$ ")
            if "qd " in typed and not (kind == "console" and typed == line):
                found += _split(re.sub(r"\s#.*$", "", typed))
    return found


def _split(line: str) -> list[list[str]]:
    """A line of shell at what ends a command; quotes hold together what is in them."""
    words = shlex.shlex(line.replace("[", "").replace("]", ""), posix=True, punctuation_chars=True)
    words.whitespace_split = True
    commands: list[list[str]] = [[]]
    for word in words:
        if word in _ENDS:
            commands.append([])
        elif commands[-1][-1:] in ([">"], ["<"]):
            commands[-1].pop()  # the file, which is the shell's business
        elif commands[-1] or word not in _BEFORE:
            commands[-1].append(word)
    return [command[1:] for command in commands if command[:1] == ["qd"]]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_is_known(page: Path) -> None:
    cli = build_cli(WIRED)
    for arguments in commands_of(page):
        line = shlex.join(arguments)
        context = click.Context(cli, info_name="qd")
        name = arguments[0] if arguments else ""
        if name.startswith("-"):
            continue
        verb = cli.get_command(context, name)
        assert verb is not None, f"{page.name}: qd {line}"
        try:
            verb.make_context(name, arguments[1:], parent=context)
        except click.UsageError as error:
            raise AssertionError(f"{page.name}: qd {line}: {error.message}") from None
        except (SystemExit, click.exceptions.Exit):
            continue  # --help and its like


def test_commands_are_found_at_all() -> None:
    assert sum(len(commands_of(page)) for page in PAGES) > 60
