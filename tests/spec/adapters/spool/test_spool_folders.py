"""Doors that can be shut, news that may be lost, and a runner that is carried along."""

from __future__ import annotations

import errno
import json
import stat
import subprocess
import sys
from importlib.util import MAGIC_NUMBER
from pathlib import Path

import pytest

from quarterdeck.adapters.spool.carried import RUNNER, carry_runner, start_words
from quarterdeck.adapters.spool.doors import make_door, shut_door
from quarterdeck.adapters.spool.news import News
from quarterdeck.adapters.spool.paths import SitePaths
from quarterdeck.basics.ids import JobId
from quarterdeck.ports.engine import AttemptRef


@pytest.fixture
def paths(tmp_path: Path) -> SitePaths:
    made = SitePaths(tmp_path / "site")
    made.make()
    return made


def order_of(folder: Path) -> dict[str, str]:
    return {
        "results_dir": str(folder / "kept" / "results"),
        "checkpoint_dir": str(folder / "kept" / "checkpoint"),
        "job_id": "j1",
    }


def test_a_job_is_told_of_a_door_that_leads_to_what_is_kept(tmp_path: Path) -> None:
    replica = tmp_path / "0"
    given = make_door(replica, order_of(tmp_path))
    assert given["job_id"] == "j1"
    for name in ("results", "checkpoint"):
        door = Path(given[f"{name}_dir"])
        assert door.parent == replica / "door"
        door.resolve().mkdir(parents=True)  # as the runner does
        (door / "file").write_text(name)
        assert (tmp_path / "kept" / name / "file").read_text() == name
    assert make_door(replica, order_of(tmp_path)) == given


def test_behind_a_shut_door_nothing_can_be_written_and_all_is_kept(tmp_path: Path) -> None:
    replica = tmp_path / "0"
    given = make_door(replica, order_of(tmp_path))
    results = Path(given["results_dir"])
    results.resolve().mkdir(parents=True)
    (results / "early").touch()
    shut_door(replica)
    with pytest.raises(OSError, match="Not a directory"):
        (results / "late").touch()
    with pytest.raises(OSError, match="Not a directory"):
        results.mkdir(parents=True)
    assert [path.name for path in (tmp_path / "kept" / "results").iterdir()] == ["early"]
    assert [list(shut.iterdir()) for shut in replica.glob("door.*.shut")] == [[]]
    told = json.loads((replica / "stop.json").read_text())
    assert told == {"grace_s": 0.0, "signal": "KILL"}
    shut_door(replica)
    assert (replica / "door").is_file()


def test_a_door_that_nobody_made_can_be_shut(tmp_path: Path) -> None:
    (tmp_path / "0").mkdir()
    shut_door(tmp_path / "0")
    assert (tmp_path / "0" / "door").is_file()


def test_news_are_told_once_for_each_attempt(paths: SitePaths) -> None:
    news = News(paths)
    assert news.take() == []
    for name in ("j1.2.0", "j1.2.1", "j-2_x.10.0"):
        (paths.news / name).touch()
    refs = {AttemptRef(JobId("j1"), 2), AttemptRef(JobId("j-2_x"), 10)}
    found = news.take()
    assert (len(found), set(found)) == (2, refs)
    assert news.take() == []


@pytest.mark.parametrize("name", ["j1.2", "j1.2.0.x", "j1.x.0", ".new", "a b.1.0", "j1.-1.0"])
def test_what_is_no_news_is_cleared_away(paths: SitePaths, name: str) -> None:
    news = News(paths)
    (paths.news / name).touch()
    assert news.take() == []
    assert list(paths.news.iterdir()) == []


def test_a_folder_of_news_that_is_gone_or_blocked_is_no_error(paths: SitePaths) -> None:
    news = News(paths)
    (paths.news / "j1.1.0").mkdir()
    assert news.take() == []
    (paths.news / "j1.1.0").rmdir()
    paths.news.rmdir()
    assert news.take() == []


def test_the_runner_is_a_folder_that_a_bare_python_runs(paths: SitePaths, tmp_path: Path) -> None:
    carried = carry_runner(paths)
    assert carried.parent == paths.run
    plain = [sys.executable, "-I", "-S", str(carried), "confinement"]
    for command in (plain, start_words(sys.executable, carried, ["confinement"])):
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
        assert set(json.loads(done.stdout)) >= {"memory"}
    assert {stat.S_IMODE(one.stat().st_mode) for one in (carried, *carried.rglob("*"))} == {
        *(0o755, 0o644),
    }


def _start(carried: Path) -> int:
    command = start_words(sys.executable, carried, ["confinement"])
    return subprocess.run(command, check=False, capture_output=True).returncode


def test_it_starts_from_what_is_compiled(paths: SitePaths) -> None:
    carried = carry_runner(paths)
    for source in (carried / "runner").glob("*.py"):
        source.write_text("raise SystemExit(9)\n")
    assert _start(carried) == 0


def test_another_version_starts_from_the_sources_and_keeps_what_it_compiled(
    paths: SitePaths,
) -> None:
    carried = carry_runner(paths)
    for compiled in (carried / "runner" / "__pycache__").iterdir():
        compiled.write_bytes(b"later\r\n\0" * 9)
    assert _start(carried) == 0
    main = carried / "runner" / "__pycache__" / f"__main__.{sys.implementation.cache_tag}.pyc"
    assert main.read_bytes().startswith(MAGIC_NUMBER)


def test_it_is_written_once_and_its_name_says_what_is_in_it(
    paths: SitePaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = carry_runner(paths)
    written_ns = first.stat().st_mtime_ns
    assert carry_runner(paths) == first
    assert first.stat().st_mtime_ns == written_ns
    assert [path.name for path in paths.run.iterdir()] == [first.name]
    other = tmp_path / "runner"
    other.mkdir()
    for source in RUNNER.glob("*.py"):
        (other / source.name).write_bytes(source.read_bytes())
    (other / "skew.py").write_text("# newer\n")
    monkeypatch.setattr("quarterdeck.adapters.spool.carried.RUNNER", other)
    assert carry_runner(paths) != first
    assert first.exists()


def test_of_two_servers_that_put_it_there_one_does_and_nothing_is_left_of_the_other(
    paths: SitePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = carry_runner(paths)
    made = first.stat().st_ino
    with monkeypatch.context() as patched:
        # It looked before the first had put it there.
        patched.setattr(Path, "exists", lambda _: False)
        assert carry_runner(paths) == first
    assert [path.name for path in paths.run.iterdir()] == [first.name]
    assert first.stat().st_ino == made
    assert _start(first) == 0


def test_nothing_is_left_of_one_that_the_disk_does_not_take(
    paths: SitePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, *_: object, **__: object) -> None:
        if path.name == "replica.py":
            raise OSError(errno.ENOSPC, "No space left on device")
        path.touch()

    with monkeypatch.context() as patched:
        patched.setattr("quarterdeck.adapters.spool.carried.write_plain", fail)
        with pytest.raises(OSError, match="No space left"):
            carry_runner(paths)
    assert list(paths.run.iterdir()) == []
    assert _start(carry_runner(paths)) == 0
