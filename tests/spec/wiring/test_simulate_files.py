"""Whether a file can be written is known before what is to stand in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from quarterdeck.basics.errors import Invalid
from quarterdeck.wiring.simulate.files import check_writable, write


def test_a_new_file_and_an_old_one_may_be_written(tmp_path: Path) -> None:
    path = tmp_path / "r.html"
    for text in ("one", "zwei, größer"):
        check_writable(path, "html", [None, tmp_path / "w.csv"])
        write(path, text, "html")
        assert path.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (".", "it is a folder"),
        ("none/r.html", "there is no folder"),
        ("file/r.html", "cannot be written"),
        ("x" * 300, "cannot be written"),
    ],
)
def test_what_cannot_be_written_is_refused_and_nothing_is_made(
    tmp_path: Path, name: str, told: str
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Invalid, match=told) as refused:
        check_writable(tmp_path / name, "html", [])
    assert refused.value.field == "html"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_goes_meanwhile_is_told_all_the_same(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="cannot be written: No such file or directory"):
        write(tmp_path / "gone" / "r.html", "text", "html")


def test_a_file_that_is_read_is_not_written_over_by_whatever_name(tmp_path: Path) -> None:
    workload, link = tmp_path / "w.csv", tmp_path / "link.csv"
    workload.write_text("precious")
    link.symlink_to(workload)
    for path in (workload, link):
        with pytest.raises(Invalid, match="reads or writes already"):
            check_writable(path, "html", [None, workload])
    with pytest.raises(Invalid, match="reads or writes already"):
        check_writable(tmp_path / "new.csv", "outages", [tmp_path / "new.csv"])
