"""Every import contract holds, and every one of them can break.

Each case puts one forbidden import into a copy of the source tree; then that contract, and no
other, has to be red. A contract without a case fails the last test.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Offence:
    """Lines that break one contract, by the package whose `__init__` gets them."""

    contract: str
    lines: dict[str, str]


OFFENCES = [
    Offence("floors", {"agent": "import quarterdeck.api"}),
    Offence("core-is-pure", {"core/jobs": "import time"}),
    Offence("world-comes-through-ports", {"control": "from subprocess import run"}),
    Offence("clients-are-thin", {"cli": "from quarterdeck.core import jobs"}),
    Offence("server-is-no-client", {"api": "import quarterdeck.sdk"}),
    Offence("wire-stays-at-the-door", {"control": "from quarterdeck.wire import v1"}),
    Offence("agent-is-apart", {"agent": "from quarterdeck.control import submit"}),
    Offence("adapters-are-picked-above", {"sim": "from quarterdeck.adapters import stores"}),
    Offence("adapters-are-strangers", {"adapters/gauges": "import quarterdeck.adapters.stores"}),
    Offence("runner-stands-apart", {"runner": "from quarterdeck.basics import times"}),
    Offence("runner-is-left-alone", {"adapters/engines": "import quarterdeck.runner"}),
    Offence("web-framework-in-api", {"control": "import fastapi"}),
    Offence("command-line-in-cli", {"sdk": "import click"}),
    Offence("http-client-in-sdk", {"cli": "import httpx2"}),
    Offence("sql-in-its-store", {"control": "import sqlalchemy"}),
    Offence(
        "no-cycles",
        {
            "core/jobs": "import quarterdeck.core.cluster",
            "core/cluster": "import quarterdeck.core.jobs",
        },
    ),
]


def lint(tree: Path) -> dict[str, bool]:
    """Whether each contract, by its name, is kept in `tree/src`."""
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-logo", "--no-cache"],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree / "src"), "COLUMNS": "400"},
        capture_output=True,
        text=True,
        check=False,
    )
    verdicts = re.findall(r"^(.+?) (KEPT|BROKEN)(?: \(.*\))?$", done.stdout, re.MULTILINE)
    assert verdicts, done.stdout + done.stderr
    return {name: verdict == "KEPT" for name, verdict in verdicts}


@pytest.fixture(scope="module")
def names(root: Path) -> dict[str, str]:
    """Contract names by id, as configured."""
    settings = tomllib.loads((root / "pyproject.toml").read_text())
    contracts = settings["tool"]["importlinter"]["contracts"]
    return {contract["id"]: contract["name"] for contract in contracts}


@pytest.fixture
def tree(root: Path, tmp_path: Path) -> Path:
    """A copy of the source tree and of its contracts."""
    shutil.copytree(
        root / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "*.pyc")
    )
    shutil.copy(root / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_house_keeps_all_its_contracts(tree: Path, names: dict[str, str]) -> None:
    assert lint(tree) == dict.fromkeys(names.values(), True)


@pytest.mark.parametrize("offence", OFFENCES, ids=lambda offence: offence.contract)
def test_an_offending_import_breaks_exactly_its_contract(
    offence: Offence, tree: Path, names: dict[str, str]
) -> None:
    for package, line in offence.lines.items():
        init = tree / "src" / "quarterdeck" / package / "__init__.py"
        init.write_text(init.read_text() + f"\n{line}\n")
    broken = {name for name, is_kept in lint(tree).items() if not is_kept}
    assert broken == {names[offence.contract]}


def test_every_contract_is_seen_to_break(names: dict[str, str]) -> None:
    assert sorted(offence.contract for offence in OFFENCES) == sorted(names)
