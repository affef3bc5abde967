"""The pages of security are complete, and what they name is there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

ASVS = {
    "1.2": (1, 2, 3, 4, 5),
    "1.3": (1, 2),
    "1.5": (1,),
    "2.1": (1,),
    "2.2": (1, 2),
    "2.3": (1,),
    "3.2": (1, 2),
    "3.3": (1,),
    "3.4": (1, 2),
    "3.5": (1, 2, 3),
    "4.1": (1,),
    "4.4": (1,),
    "5.2": (1, 2),
    "5.3": (1, 2),
    "6.1": (1, 2, 3),
    "6.2": (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12),
    "6.3": (1, 2, 3, 4),
    "6.4": (1, 2, 3, 4),
    "6.5": (1, 2, 3, 4, 5),
    "6.6": (1, 2, 3),
    "6.8": (1, 2, 3, 4),
    "7.1": (1, 2, 3),
    "7.2": (1, 2, 3, 4),
    "7.3": (1, 2),
    "7.4": (1, 2, 3, 4, 5),
    "7.5": (1, 2),
    "7.6": (1, 2),
    "8.1": (1, 2),
    "8.2": (1, 2, 3),
    "8.3": (1,),
    "8.4": (1,),
    "9.1": (1, 2, 3),
    "9.2": (1, 2, 3, 4),
    "10.1": (1, 2),
    "10.2": (1, 2),
    "10.3": (1, 2, 3, 4),
    "10.4": (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11),
    "10.5": (1, 2, 3, 4, 5),
    "10.6": (1, 2),
    "10.7": (1, 2, 3),
    "11.3": (1, 2),
    "11.4": (1,),
    "12.1": (1,),
    "12.2": (1, 2),
    "13.4": (1,),
    "14.2": (1,),
    "14.3": (1,),
    "15.1": (1,),
    "15.2": (1,),
    "15.3": (1,),
    "16.1": (1,),
    "16.2": (1, 2, 3, 4, 5),
    "16.3": (1, 2, 3, 4),
    "16.4": (1, 2, 3),
    "16.5": (1, 2, 3),
}  # fmt: skip
"""OWASP ASVS 5.0.0, 5.0/en of its repository: level 1, and level 2 of V6 to V10 and V16."""
FAMILIES = range(1, 26)


def numbers_of(cell: str) -> set[str]:
    """`6.2.1 to 6.2.12` and `1.2.1, 1.2.3` as numbers, those of the list that lie between."""
    if " to " not in cell:
        return {one.strip() for one in cell.split(",")}
    first, last = (tuple(map(int, one.split("."))) for one in cell.split(" to "))
    return {one for one in wanted() if first <= tuple(map(int, one.split("."))) <= last}


def wanted() -> list[str]:
    return [f"{section}.{number}" for section, numbers in ASVS.items() for number in numbers]


def rows_of(page: Path) -> list[list[str]]:
    lines = [line for line in page.read_text().splitlines() if re.match(r"\| \d", line)]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_every_requirement_of_the_asvs_is_there_once(root: Path) -> None:
    found: list[str] = []
    for number, *_ in rows_of(root / "docs" / "security" / "asvs.md"):
        found += numbers_of(number)
    assert sorted(found) == sorted(wanted())
    assert len(found) == 150


def test_every_requirement_has_a_test_a_page_or_a_reason(root: Path) -> None:
    page = root / "docs" / "security" / "asvs.md"
    for number, _, where in rows_of(page):
        links = re.findall(r"\]\(([^)#]+)", where)
        assert links or re.search(r"\b(n/a|open) (because|until)\b", where) or "`" in where, number
        assert all((page.parent / link).exists() for link in links), (number, links)


def test_every_family_of_attacks_is_there_with_its_test(root: Path) -> None:
    page = root / "docs" / "security" / "attacks.md"
    rows = rows_of(page)
    assert [int(number) for number, *_ in rows] == list(FAMILIES)
    for number, _, where in rows:
        links = re.findall(r"\]\(([^)#]+)", where)
        assert links or where.startswith("pending: "), number
        assert all((page.parent / link).exists() for link in links), (number, links)


def test_every_test_of_an_attack_is_in_the_list(root: Path) -> None:
    told = (root / "docs" / "security" / "attacks.md").read_text()
    tests = sorted((root / "tests" / "security").glob("test_[0-9]*.py"))
    assert len(tests) > 15
    assert [
        test.name for test in tests if f"({test.name}" not in told and test.name not in told
    ] == []
