"""Locks, documents and change notes are well kept."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
DECISIONS = ROOT / "docs" / "decisions"
GLOSSARY = ROOT / "docs" / "glossary.md"
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
WORD_OF_DESIGN = [
    "allocation", "attempt", "claim", "cycle", "dataset", "demand", "device", "entry", "job",
    "label", "lease", "manifest", "node", "organization", "plan", "pool", "rate", "replica",
    "reservation", "result", "sample", "site", "slice", "snapshot", "statement", "team", "usage",
    "user", "verdict", "version", "workspace",
]  # fmt: skip


def documents() -> list[Path]:
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / line for line in sorted(set(done.stdout.splitlines())) if (ROOT / line).exists()]


def anchors(document: Path) -> set[str]:
    """Anchors of a document's headings, formed as the common forges do."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", document.read_text()), re.MULTILINE)
    kept = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.strip().replace(" ", "-") for heading in kept}


def test_there_is_a_lock_for_each_way_to_install() -> None:
    assert [lock.stem for lock in LOCKS] == ["base", "demo", "dev"]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_names_no_address(lock: Path) -> None:
    assert not re.search(
        r"https?:|file:/|index-url|find-links|trusted-host|/\w+/\w+/", lock.read_text()
    )


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_pins_every_package_with_a_hash(lock: Path) -> None:
    text = lock.read_text().replace("\\\n", " ")
    pins = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    assert pins
    assert [
        pin for pin in pins if not re.match(r"\S+==\S+ .*--hash=sha256:[0-9a-f]{64}", pin)
    ] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_holds_what_the_project_asks_for(lock: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = {"base": [], "demo": ["demo"], "dev": list(project["optional-dependencies"])}
    asked = list(project["dependencies"])
    for extra in extras[lock.stem]:
        asked += project["optional-dependencies"][extra]
    names = {re.match(r"[\w.\-]+", need)[0].lower().replace(".", "-") for need in asked}  # type: ignore[index]
    locked = set(re.findall(r"^([\w.\-]+)==", lock.read_text(), re.MULTILINE))
    assert names | {"hatchling", "editables"} <= {name.lower().replace(".", "-") for name in locked}


def test_relative_links_lead_somewhere() -> None:
    dead = []
    for document in documents():
        for link in LINK.findall(FENCE.sub("", document.read_text())):
            target, _, anchor = "".join(link).partition("#")
            if re.match(r"[a-z]+:", target):
                continue
            goal = (document.parent / target).resolve() if target else document
            if not goal.exists() or (
                anchor and goal.suffix == ".md" and anchor not in anchors(goal)
            ):
                dead.append(f"{document.relative_to(ROOT)}: {''.join(link)}")
    assert dead == []


def test_the_decision_index_lists_every_record_with_its_title() -> None:
    records = {
        path.name: path.read_text().splitlines()[0].removeprefix("# ")
        for path in DECISIONS.glob("[0-9]*.md")
    }
    listed = {
        name: title
        for title, name in re.findall(
            r"^- \[(.+?)\]\((.+?)\)", (DECISIONS / "README.md").read_text(), re.MULTILINE
        )
    }
    assert listed == records
    assert sorted(int(name[:4]) for name in records) == list(range(1, len(records) + 1))


def test_a_decision_record_has_its_parts_and_fits_a_page() -> None:
    for record in DECISIONS.glob("[0-9]*.md"):
        text = record.read_text()
        parts = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert parts == ["Context", "Decision", "Consequences", "What would change our mind"]
        assert len(text.splitlines()) <= 40, record.name


def test_the_glossary_defines_the_words_of_the_house_in_order() -> None:
    words = re.findall(r"^\*\*(.+?)\*\*", GLOSSARY.read_text(), re.MULTILINE)
    assert set(WORD_OF_DESIGN) <= {word.lower() for word in words}
    sections = re.split(r"^## ", GLOSSARY.read_text(), flags=re.MULTILINE)
    for section in sections:
        in_section = re.findall(r"^\*\*(.+?)\*\*", section, re.MULTILINE)
        assert in_section == sorted(in_section, key=str.lower)


def test_change_notes_have_a_known_kind() -> None:
    kinds = {
        kind["directory"]
        for kind in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["towncrier"][
            "type"
        ]
    }
    notes = [path for path in (ROOT / "changelog.d").glob("*.md") if path.name != "README.md"]
    wrong = [
        note.name
        for note in notes
        if not re.fullmatch(rf"\+?[\w-]+\.({'|'.join(kinds)})(\.\d+)?\.md", note.name)
    ]
    assert wrong == []
