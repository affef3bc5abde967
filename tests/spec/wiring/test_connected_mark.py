"""A site's folder is used where it has the mark of its home, and is closed to others."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner

from quarterdeck.basics.errors import Conflict, Unavailable
from quarterdeck.ports.site import ControlLink, Desired, Report
from quarterdeck.wiring.connected import check
from quarterdeck.wiring.connected.command import add
from quarterdeck.wiring.connected.entry import SiteEntry, make_entry
from quarterdeck.wiring.connected.mark import MARK, check_mark, write_mark
from quarterdeck.wiring.connected.site import ConnectedSite
from quarterdeck.wiring.doctor.findings import Level
from quarterdeck.wiring.home import Home


class Link:
    """Nothing is wished of the site."""

    def exchange(self, report: Report) -> Desired:
        return Desired(report.cursor, is_complete=True)


def entry_of(folder: Path) -> SiteEntry:
    given: dict[str, Any] = {
        "engine": "slurm",
        "folder": str(folder / "shared"),
        "programs": "/none",
    }
    return make_entry("hpc", given)


def site_of(entry: SiteEntry, home: Path) -> ConnectedSite:
    return ConnectedSite(entry, home, "a1", cast("ControlLink", Link()), None)


def test_a_folder_that_is_not_mounted_is_neither_made_nor_used(tmp_path: Path) -> None:
    entry = entry_of(tmp_path)
    (tmp_path / "shared").mkdir()
    site = site_of(entry, tmp_path)
    with pytest.raises(Unavailable, match="has no mark of this site: is it mounted") as caught:
        site._turn()
    assert "qd site add hpc" in caught.value.hint
    assert "is it mounted?" in site.describe().problem
    assert list((tmp_path / "shared").iterdir()) == []
    write_mark(entry, "a1", force=False)
    site._turn()
    assert "on /none" in site.describe().problem


def test_a_folder_of_another_home_is_not_used_nor_taken_but_by_force(tmp_path: Path) -> None:
    entry = entry_of(tmp_path)
    write_mark(entry, "b2", force=False)
    with pytest.raises(Unavailable, match=r"the site of another home \(its id: b2\)"):
        site_of(entry, tmp_path)._turn()
    with pytest.raises(Conflict, match=r"folder is .*another home \(its id: b2\)"):
        write_mark(entry, "a1", force=False)
    write_mark(entry, "a1", force=True)
    check_mark(entry, "a1")
    write_mark(entry, "a1", force=False)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "shared").touch()
    with pytest.raises(Unavailable, match=r"folder is .*nothing can be written") as caught:
        write_mark(entry_of(tmp_path), "a1", force=False)
    assert caught.value.field == "folder"


def test_the_mark_is_a_file_and_no_link(tmp_path: Path) -> None:
    entry, other = entry_of(tmp_path), tmp_path / "other"
    other.write_text("a1\n")
    (tmp_path / "shared" / "hpc").mkdir(parents=True)
    (tmp_path / "shared" / "hpc" / MARK).symlink_to(other)
    with pytest.raises(Unavailable, match="no mark"):
        check_mark(entry, "a1")
    write_mark(entry, "c3", force=False)
    assert other.read_text() == "a1\n"


def test_others_are_kept_out_whatever_the_umask(tmp_path: Path) -> None:
    entry = entry_of(tmp_path)
    before = os.umask(0)
    try:
        write_mark(entry, "a1", force=False)
        root = tmp_path / "shared" / "hpc"
        assert root.stat().st_mode & 0o777 == 0o700
        root.chmod(0o777)
        site_of(entry, tmp_path)._turn()
    finally:
        os.umask(before)
    assert root.stat().st_mode & 0o777 == 0o700
    carried = [root / "run", *(root / "run").rglob("*")]
    assert len(carried) > 4
    assert [path for path in carried if path.name != "news" and path.stat().st_mode & 0o022] == []


def test_adding_it_without_a_look_marks_it_and_a_dry_run_does_not(tmp_path: Path) -> None:
    home, shared = tmp_path / "home", tmp_path / "shared"
    words = ["hpc", "--engine", "slurm", "--folder", str(shared), "--home", str(home)]
    assert CliRunner().invoke(add, [*words, "--no-check", "--dry-run"]).exit_code == 0
    assert not shared.exists()
    done = CliRunner().invoke(add, [*words, "--no-check"])
    assert done.exit_code == 0, done.output
    check_mark(entry_of(tmp_path), Home(home).home_id())


def test_a_check_finds_a_folder_without_a_mark_or_open_to_others(tmp_path: Path) -> None:
    entry = entry_of(tmp_path)
    found = check.check_site(entry, is_added=True)[0]
    assert (found.level, "is it mounted?" in found.told) == (Level.PROBLEM, True)
    assert not (tmp_path / "shared").exists()
    write_mark(entry, "a1", force=False)
    assert check.check_site(entry, is_added=True)[0].level is Level.OK
    root = tmp_path / "shared" / "hpc"
    root.chmod(0o770)
    found = check.check_site(entry, is_added=True)[0]
    assert (found.level, found.hint) == (Level.PROBLEM, f"chmod 700 {root}")
    assert "can be written by others (mode 0770)" in found.told


def test_a_look_does_not_write_through_a_link(tmp_path: Path) -> None:
    root, kept = tmp_path / "shared" / "hpc", tmp_path / "kept"
    root.mkdir(parents=True)
    kept.write_text("kept")
    (root / ".probe").symlink_to(kept)
    assert check.check_site(entry_of(tmp_path))[0].level is Level.OK
    assert kept.read_text() == "kept"
