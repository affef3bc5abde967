"""Type a page of the docs into a shell, and hold what it prints against what the page shows.

In a block of ```` ```console ```` a line that begins with `$ ` is typed, the others are what it
prints: `…` stands for anything, a line that is `…` alone for any lines, and spaces are alike.
A block whose opening line ends in `file=NAME` is first written into the folder as that file.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_BLOCK = re.compile(r"^```(\w+)(?: file=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ANYTHING = "…"


@dataclass(slots=True)
class Typed:
    """One command of a page, and what the page says that it prints."""

    command: str
    shown: list[str] = field(default_factory=list)


def read_page(text: str) -> list[Typed | tuple[str, str]]:
    """The page's commands and files (name and content), in order."""
    steps: list[Typed | tuple[str, str]] = []
    for kind, name, body in _BLOCK.findall(text):
        if name:
            steps.append((name, body))
        elif kind == "console":
            for line in body.splitlines():
                if line.startswith("$ "):
                    steps.append(Typed(line[2:]))
                else:
                    last = steps[-1]
                    assert isinstance(last, Typed), f"{line!r} comes before any command"
                    last.shown.append(line)
    return steps


class Shell:
    """A bash in a folder, to which one command after the other is given."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._bash = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def type(self, command: str) -> list[str]:
        """What the command prints, errors included."""
        stdin, stdout = self._bash.stdin, self._bash.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f"{command} </dev/null\necho; echo '== end of it =='\n")
        stdin.flush()
        lines: list[str] = []
        for line in stdout:
            if line == "== end of it ==\n":
                return lines[:-1] if lines and not lines[-1] else lines
            lines.append(line.rstrip("\n"))
        raise AssertionError(f"the shell ended during {command!r}: {lines}")

    def close(self) -> None:
        """End it."""
        assert self._bash.stdin is not None
        self._bash.stdin.close()
        self._bash.wait(timeout=30)
        assert self._bash.stdout is not None
        self._bash.stdout.close()


def fits(shown: list[str], printed: list[str]) -> bool:
    """Whether what was printed is what is shown."""
    pattern = "\n".join(_pattern(line) for line in shown)
    pattern = pattern.replace("\n@@LINES@@", r"(?:\n[^\n]*)*").replace("@@LINES@@", r"[\s\S]*")
    return re.fullmatch(pattern, "\n".join(_squeeze(line) for line in printed)) is not None


def _pattern(line: str) -> str:
    if line.strip() == ANYTHING:
        return "@@LINES@@"
    return ".*".join(re.escape(part) for part in _squeeze(line).split(ANYTHING))


def _squeeze(line: str) -> str:
    return " ".join(line.split())
