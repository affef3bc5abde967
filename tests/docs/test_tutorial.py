"""Every page of the tutorial, typed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.docs.console import Shell, Typed, fits, read_page
from tests.e2e.deck import Deck

PAGES = ("1-first-job", "2-checkpoint", "3-array", "4-multi-node")


def type_page(shell: Shell, page: Path, folder: Path) -> int:
    """Type all of it; how many commands there were."""
    typed = 0
    for step in read_page(page.read_text(encoding="utf-8")):
        if isinstance(step, Typed):
            printed = shell.type(step.command)
            assert fits(step.shown, printed), "\n".join(
                (f"{page.name}: $ {step.command}", "shown:", *step.shown, "printed:", *printed)
            )
            typed += 1
        else:
            (folder / step[0]).write_text(step[1], encoding="utf-8")
    return typed


def test_every_page_shows_what_is_seen(root: Path, tmp_path: Path) -> None:
    assert {path.stem for path in (root / "docs" / "tutorial").glob("[0-9]*.md")} == set(PAGES)
    deck = Deck(tmp_path / "home")
    scripts = Path(sys.executable).parent
    environment = {**deck.environment, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
    folder = tmp_path / "typed"
    folder.mkdir()
    shell = Shell(folder, environment)
    try:
        for page in PAGES:
            assert type_page(shell, root / "docs" / "tutorial" / f"{page}.md", folder) > 3
    finally:
        shell.close()
        deck.end()


@pytest.mark.parametrize(
    ("shown", "printed", "holds"),
    [
        (["job j…"], ["job j0123"], True),
        (["job j…"], ["jab j0123"], False),
        (["a  b"], ["a b"], True),
        (["a"], ["a", "b"], False),
        (["a", "…"], ["a", "b", "c"], True),
        (["a", "…", "c"], ["a", "c"], True),
        (["a", "…", "c"], ["a", "b"], False),
        ([], ["said"], False),
    ],
)
def test_what_is_shown_is_compared(shown: list[str], printed: list[str], *, holds: bool) -> None:
    assert fits(shown, printed) is holds
