"""What a script leaves in its folder is kept, within bounds, and never over a result."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from quarterdeck.batch import keep as module
from quarterdeck.batch.keep import keep, look


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    work, results = tmp_path / "work", tmp_path / "results"
    work.mkdir()
    results.mkdir()
    (work / "old").write_text("old")
    return work, results


def test_new_and_changed_files_move(places: tuple[Path, Path]) -> None:
    work, results = places
    before = look(str(work))
    (work / "deep" / "er").mkdir(parents=True)
    (work / "deep" / "er" / "new").write_text("new")
    os.utime(work / "old", ns=(1, 1))
    (work / ".quarterdeck").mkdir()
    (work / ".quarterdeck" / "ours").touch()
    assert keep(str(work), before, str(results)) == ""
    kept = sorted(str(path.relative_to(results)) for path in results.rglob("*") if path.is_file())
    assert kept == ["deep/er/new", "old"]


def test_a_result_is_not_written_over(places: tuple[Path, Path]) -> None:
    work, results = places
    (work / "same").write_text("left")
    (results / "same").write_text("result")
    told = keep(str(work), look(str(work / "..")), str(results))
    assert told == "not kept as results: same"
    assert (results / "same").read_text() == "result"


def test_too_many_are_told_and_left(
    places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    work, results = places
    monkeypatch.setattr(module, "FILES_MAX", 2)
    for number in range(3):
        (work / str(number)).touch()
    told = keep(str(work), {}, str(results))
    assert told.startswith("4 files with 0 MiB are left in the work folder")
    assert list(results.iterdir()) == []
