"""docs/reference is what the code says: all verbs, paths, settings, variables and codes."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from docs.draw import errors, settings
from docs.draw.api import read_document
from docs.draw.codes import MEANINGS
from docs.draw.errors import draw_errors
from docs.draw.found_codes import UnreadableCodeError, find_codes
from docs.draw.pages import draw_pages
from docs.draw.settings import draw_settings
from docs.draw.variables import GIVEN, INNER, READ, find_variables
from quarterdeck.cli.main import LazyVerb, build_cli
from quarterdeck.wiring.entry import WIRED

ROOT = Path(__file__).parents[2]
PAGES = draw_pages(ROOT)


def page(name: str) -> str:
    return (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_page_is_what_the_code_gives(name: str) -> None:
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == PAGES[name], "make docs"


def test_nothing_lies_beside_the_pages_that_are_drawn() -> None:
    kept = {f"reference/{path.name}" for path in (ROOT / "docs" / "reference").iterdir()}
    assert kept == {name for name in PAGES if name.startswith("reference/")}


def test_every_verb_and_every_option_has_its_place() -> None:
    cli = build_cli(WIRED)
    context = click.Context(cli)
    sections = dict(
        section.split("\n", 1)
        for section in re.split(r"^## ", page("cli.md"), flags=re.MULTILINE)[1:]
    )
    for name in cli.list_commands(context):
        verb = cli.get_command(context, name)
        assert verb is not None
        told = sections[f"qd {name}"]
        for option in verb.params:
            if isinstance(option, click.Option):
                assert all(f"`{one}`" in told for one in option.opts), (name, option.opts)


def test_every_path_and_every_body_has_its_place() -> None:
    document = read_document()
    headings = set(re.findall(r"^### (.+)$", page("api.md"), re.MULTILINE))
    asked = {
        f"{method.upper()} {path}"
        for path, methods in document["paths"].items()
        for method in methods
    }
    assert headings == asked | set(document["components"]["schemas"])


def test_every_code_in_the_source_has_a_sentence_and_the_other_way_round() -> None:
    found = find_codes(ROOT)
    assert set(found) == set(MEANINGS)
    assert len(found) > 40
    for code, meaning in MEANINGS.items():
        assert re.fullmatch(r"[A-Z`].{10,}[.]", meaning), code
        assert code == "error" or f"| `{code}` |" in page("errors.md")


def a_house(folder: Path, text: str) -> Path:
    (folder / "src" / "quarterdeck" / "control").mkdir(parents=True)
    (folder / "src" / "quarterdeck" / "control" / "new.py").write_text(text)
    return folder


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("raise Conflict('x', code='too_late')", "too_late"),
        ("class TooLate(Conflict):\n    code = 'too_late'", "too_late"),
        ("raise Conflict('x', code='too_late' if late else None)", "too_late"),
        ("def refuse(code, message): ...\nrefuse('too_late', 'x')", "too_late"),
        ("raise Busy('x', code=f'late_{n}')", "late_…"),
    ],
)
def test_a_new_code_is_found_however_it_is_given(text: str, code: str, tmp_path: Path) -> None:
    house = a_house(tmp_path, text)
    assert set(find_codes(house)) == {code}
    with pytest.raises(AssertionError, match="without a sentence"):
        draw_errors(house)


def test_a_code_that_cannot_be_read_is_not_overlooked(tmp_path: Path) -> None:
    with pytest.raises(UnreadableCodeError, match="pick"):
        find_codes(a_house(tmp_path, "raise Conflict('x', code=pick())"))


def test_codes_have_the_status_and_the_exit_code_that_they_really_have() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (\d* \| \d+) \|", page("errors.md"), re.MULTILINE))
    assert rows["unknown_token"] == "401 | 3"
    assert rows["idempotency_key_reused"] == "409 | 3"
    assert rows["disk_full"] == "503 | 4"
    assert rows["internal_error"] == "500 | 4"
    assert rows["no_such_path"] == "404 | 3"
    assert rows["no_server"] == " | 4"
    assert {name for name, _ in errors.FAMILIES} == {"Refused", "Later", "Here"}


def test_every_variable_that_the_code_knows_is_described() -> None:
    described = READ.keys() | GIVEN.keys() | INNER.keys()
    assert find_variables(ROOT) == described
    for name in (*GIVEN, *(name for name, told in READ.items() if told)):
        assert f"`{name.removesuffix('_')}" in page("settings.md")


def test_a_setting_that_nobody_can_set_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(settings.OPTION_OF_FIELD, "port")
    with pytest.raises(AssertionError, match="port"):
        draw_settings(ROOT)


def test_a_new_verb_changes_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(WIRED, "up2", LazyVerb("quarterdeck.wiring.up:command", "Start."))
    assert "## qd up2" in draw_pages(ROOT)["reference/cli.md"]
