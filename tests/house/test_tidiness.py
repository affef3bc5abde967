"""The rules of the house that a linter does not know."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

from quarterdeck.sdk.sbatch.script import CARRIED_BESIDE

ROOT = Path(__file__).parent.parent.parent
HOUSE = ROOT / "src" / "quarterdeck"
RUNNER = HOUSE / "runner"
CARRIED = (RUNNER, HOUSE / "batch")
"""Packages that run on the nodes: standard library only."""
LINES_MAX = 400
LINES_LIMIT = 500
BANNED_NAMES = {
    "common", "helper", "helpers", "impl", "info", "manager", "misc", "processor", "service",
    "util", "utils",
}  # fmt: skip
PLACEHOLDER = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def files_of_the_repository(*patterns: str) -> list[Path]:
    """Files that git tracks or would track, so that a new file is judged before it is added."""
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / line for line in sorted(set(done.stdout.splitlines())) if (ROOT / line).exists()]


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def python_files() -> list[Path]:
    return files_of_the_repository("*.py")


def comments_of(text: str) -> list[str]:
    """Comments only: a string that mentions a word is not a placeholder."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return [token.string for token in tokens if token.type == tokenize.COMMENT]


def imported_modules(tree: ast.AST) -> set[str]:
    """First names of everything that is imported, at any depth of the code."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add((node.module or "").partition(".")[0])
    return found


def sleep_calls(tree: ast.AST) -> list[int]:
    """Lines that call `time.sleep`, under whichever name it was imported."""
    aliases = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "time"
        for alias in node.names
        if alias.name == "sleep"
    }
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and (
            (isinstance(node.func, ast.Name) and node.func.id in aliases)
            or ast.unparse(node.func) == "time.sleep"
        )
    ]


def test_every_package_says_in_one_sentence_what_it_is_for() -> None:
    wrong = []
    for init in HOUSE.rglob("__init__.py"):
        sentence = ast.get_docstring(ast.parse(init.read_text())) or ""
        if not re.fullmatch(r"[^\n]{10,100}[.]", sentence):
            wrong.append(f"{shown(init)}: {sentence!r}")
    assert wrong == []


def test_a_package_without_exports_holds_its_sentence_and_nothing_else() -> None:
    exporting = {HOUSE, HOUSE / "sdk", HOUSE / "testing"}
    full = [
        shown(init)
        for init in HOUSE.rglob("__init__.py")
        if init.parent not in exporting and len(ast.parse(init.read_text()).body) > 1
    ]
    assert full == []


def test_every_folder_of_the_house_is_a_package_with_inhabitants() -> None:
    wrong = []
    for folder in sorted({path.parent for path in HOUSE.rglob("*.py")}):
        if "versions" in folder.parts or "migrations" in folder.parts:
            continue
        if not (folder / "__init__.py").exists():
            wrong.append(f"{shown(folder)} has no __init__.py")
        elif not any(path.name != "__init__.py" for path in folder.rglob("*.py")):
            wrong.append(f"{shown(folder)} is empty")
    assert wrong == []


@pytest.mark.parametrize("part", ["src", "tests", "benchmarks", "examples"])
def test_no_python_file_is_long(part: str) -> None:
    limit = LINES_MAX if part == "src" else LINES_LIMIT
    lengths = {shown(path): len(path.read_text().splitlines()) for path in python_files()}
    long = {
        name: lines
        for name, lines in lengths.items()
        if name.startswith(f"{part}/") and lines > limit
    }
    assert long == {}


def test_names_say_what_a_thing_is() -> None:
    vague = [
        shown(path)
        for path in python_files()
        if BANNED_NAMES & set(re.split(r"[_/]", path.relative_to(ROOT).with_suffix("").as_posix()))
    ]
    assert vague == []


def test_every_module_says_what_it_is() -> None:
    silent = [
        shown(path)
        for path in python_files()
        if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def test_nothing_is_left_for_later() -> None:
    left = [
        f"{shown(path)}: {comment}"
        for path in python_files()
        for comment in comments_of(path.read_text())
        if PLACEHOLDER.search(comment)
    ]
    assert left == []


def test_nothing_in_the_house_sleeps_where_it_could_wait() -> None:
    """A wait names what it waits for and ends when that comes; what runs on a node may have
    no other way."""
    sleeping = {
        shown(path): lines
        for path in HOUSE.rglob("*.py")
        if not {*CARRIED} & {*path.parents} and (lines := sleep_calls(ast.parse(path.read_text())))
    }
    assert sleeping == {}


def test_what_runs_on_the_nodes_is_python_3_9() -> None:
    files = [path for folder in CARRIED for path in folder.rglob("*.py")]
    files += [HOUSE / name for name in CARRIED_BESIDE]
    assert len(files) > len(CARRIED_BESIDE)
    for path in files:
        ast.parse(path.read_text(), filename=str(path), feature_version=(3, 9))


def test_what_runs_on_the_nodes_imports_the_standard_library_only() -> None:
    allowed = sys.stdlib_module_names | {"quarterdeck"}  # its own package; see the contracts
    foreign = {
        shown(path): found
        for folder in CARRIED
        for path in folder.rglob("*.py")
        if (found := imported_modules(ast.parse(path.read_text())) - allowed)
    }
    assert foreign == {}


def test_importing_the_house_imports_nothing_else() -> None:
    code = (
        "import sys; before = set(sys.modules); import quarterdeck;"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-c",
            f"import sys; sys.path.insert(0, {str(ROOT / 'src')!r}); {code}",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["quarterdeck"]
