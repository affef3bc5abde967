"""Finds every error code in the source: where it is raised, as what, and with which status.

A code is what an error's `code` is given: as a class attribute, as a keyword, as the default of a
parameter named `code`, or as the argument in that parameter's place. What is passed on from another
error (`error.code`) is found where that one is raised.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_PASSED_ON: Final = re.compile(r"(\w+\.)*code|\w+\.get\('code'\)|None|DISK_FULL")
_BODIES: Final = ("View", "Request")
"""Bodies that travel: their `code` is an invitation's."""
_OUTSIDE: Final = ("sim", "testing", "runner", "batch")
"""Where `code` is an exit code, or a test's."""


@dataclass(slots=True)
class Found:
    """One code: `raisers` are the names that it is given to, `status` is said beside it, and
    `packages` are the parts of the house that do so."""

    raisers: set[str] = field(default_factory=set)
    statuses: set[int] = field(default_factory=set)
    packages: set[str] = field(default_factory=set)


class UnreadableCodeError(AssertionError):
    """A code is put together in a way that this module does not understand."""


def find_codes(root: Path) -> dict[str, Found]:
    """Every code, by itself."""
    house = root / "src" / "quarterdeck"
    trees = {
        path.relative_to(house): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(house.rglob("*.py"))
        if path.relative_to(house).parts[0] not in _OUTSIDE
    }
    places = _places_of_code(trees.values())
    found: dict[str, Found] = {}
    for path, tree in trees.items():
        for raiser, code, status in _codes_in(tree, places):
            one = found.setdefault(code, Found())
            one.raisers.add(raiser)
            one.packages.add(path.parts[0])
            if status is not None:
                one.statuses.add(status)
    return found


def _places_of_code(trees: Iterable[ast.AST]) -> dict[str, list[str]]:
    """Functions that take a `code` beside a message, with their parameters."""
    places = {}
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.FunctionDef):
            names = [one.arg for one in (*node.args.posonlyargs, *node.args.args)]
            names = names[1:] if names[:1] == ["self"] else names
            if "code" in names and {"message", "detail"} & set(names):
                places[node.name] = names
    return places


def _codes_in(tree: ast.AST, places: dict[str, list[str]]) -> Iterator[tuple[str, str, int | None]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for part in node.body:
                if isinstance(part, ast.Assign) and ast.unparse(part.targets[0]) == "code":
                    yield from ((node.name, code, None) for code in _texts(part.value))
        elif isinstance(node, ast.Call):
            raiser = ast.unparse(node.func).rpartition(".")[2]
            if raiser.endswith(_BODIES):
                continue
            given = dict(zip(places.get(raiser, []), node.args, strict=False))
            status = given.get("status")
            number = status.value if isinstance(status, ast.Constant) else None
            codes = [
                code for one in node.keywords if one.arg == "code" for code in _texts(one.value)
            ]
            if isinstance(given.get("code"), ast.Constant):
                codes += _texts(given["code"])
            for code in codes:
                yield raiser, code, number if isinstance(number, int) else None


def _texts(value: ast.expr) -> list[str]:
    """The texts that an expression may be."""
    if isinstance(value, ast.Constant):
        return [value.value] if isinstance(value.value, str) else []
    if isinstance(value, ast.IfExp):
        return [*_texts(value.body), *_texts(value.orelse)]
    if isinstance(value, ast.JoinedStr):
        parts = (part.value if isinstance(part, ast.Constant) else "…" for part in value.values)
        return ["".join(map(str, parts))]
    if _PASSED_ON.fullmatch(ast.unparse(value)):
        return []
    raise UnreadableCodeError(f"line {value.lineno}: code={ast.unparse(value)}")
