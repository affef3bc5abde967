"""What a site lets go is gone whole, and whoever asks for it hears when it went."""

from __future__ import annotations

from pathlib import Path

import pytest

from quarterdeck.adapters.spool import stock as stock_module
from quarterdeck.adapters.spool.files import SpoolFiles
from quarterdeck.adapters.spool.paths import SitePaths
from quarterdeck.adapters.spool.stock import SpoolStock
from quarterdeck.basics.errors import NotFound
from quarterdeck.core.retention.rules import Kind, Stored
from quarterdeck.ports.keeping import Deletion
from quarterdeck.testing.builders import START_NS, a_job_id

JOB = a_job_id(1)
DELETION = Deletion(START_NS, "unused for more than 30d00h")


@pytest.fixture
def paths(tmp_path: Path) -> SitePaths:
    made = SitePaths(tmp_path / "site")
    made.make()
    for replica in ("0", "1"):
        write(made.ended / JOB / "1" / replica / "log", b"a line\n")
        write(made.root / "results" / JOB / "1" / replica / "deep" / "out", b"42")
    write(made.root / "checkpoints" / JOB / "step-1", b"weights")
    return made


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def find(stock: SpoolStock, kind: Kind) -> Stored:
    return next(one for one in stock.list_stored() if one.kind is kind)


def drop(paths: SitePaths, kind: Kind) -> bool:
    stock = SpoolStock(paths)
    return stock.drop(find(stock, kind), DELETION, lambda: True)


def test_everything_of_ended_attempts_is_listed_with_its_size(paths: SitePaths) -> None:
    listed = {(one.kind, one.name) for one in SpoolStock(paths).list_stored()}
    assert listed == {
        (Kind.LOGS, f"{JOB}/1"),
        (Kind.RESULTS, f"{JOB}/1"),
        (Kind.CHECKPOINTS, JOB),
    }
    assert all(one.size_bytes > 0 for one in SpoolStock(paths).list_stored())


def test_a_log_that_went_says_when_and_why(paths: SitePaths) -> None:
    files = SpoolFiles(paths)
    assert files.read_log(JOB, 1, 1, 0, 99).data == b"a line\n"
    assert drop(paths, Kind.LOGS)
    with pytest.raises(NotFound, match="deleted on 2023-11-14 by retention") as gone:
        files.read_log(JOB, 1, 1, 0, 99)
    assert gone.value.code == "deleted_by_retention"
    assert "30d" in gone.value.message
    assert files.list_results(JOB, 1)


def test_results_that_went_say_when_and_why(paths: SitePaths) -> None:
    files = SpoolFiles(paths)
    assert drop(paths, Kind.RESULTS)
    for ask in (
        lambda: files.list_results(JOB, 1),
        lambda: files.open_result(JOB, 1, 0, "deep/out"),
    ):
        with pytest.raises(NotFound, match="results of attempt 1 were deleted on 2023-11-14"):
            ask()
    assert files.read_log(JOB, 1, 0, 0, 99).data == b"a line\n"


def test_an_attempt_that_left_nothing_is_not_said_to_be_deleted(paths: SitePaths) -> None:
    files = SpoolFiles(paths)
    assert files.list_results(a_job_id(2), 1) == []
    assert files.read_log(a_job_id(2), 1, 0, 0, 99).data == b""


def test_the_engine_still_knows_that_the_attempt_was_run(paths: SitePaths) -> None:
    drop(paths, Kind.LOGS)
    assert (paths.ended / JOB / "1").is_dir()
    assert find(SpoolStock(paths), Kind.LEFTOVERS).name == JOB


def test_what_turns_out_to_be_in_use_is_put_back(paths: SitePaths) -> None:
    stock = SpoolStock(paths)
    for kind in (Kind.LOGS, Kind.RESULTS, Kind.CHECKPOINTS):
        assert not stock.drop(find(stock, kind), DELETION, lambda: False)
    assert SpoolFiles(paths).read_log(JOB, 1, 0, 0, 99).data == b"a line\n"
    assert len(SpoolFiles(paths).list_results(JOB, 1)) == 2
    assert (paths.root / "checkpoints" / JOB / "step-1").read_bytes() == b"weights"


def test_nothing_goes_while_the_engine_holds_the_attempt(paths: SitePaths) -> None:
    (paths.attempts / JOB / "1" / "0").mkdir(parents=True)
    assert not drop(paths, Kind.RESULTS)


def test_a_crash_in_the_middle_leaves_it_gone_and_its_rest_is_cleared_away(
    paths: SitePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Crash(Exception):
        pass

    def crash(path: Path) -> None:
        raise Crash(path)

    with monkeypatch.context() as patched:
        patched.setattr(stock_module, "_remove", crash)
        with pytest.raises(Crash):
            drop(paths, Kind.RESULTS)
    with pytest.raises(NotFound, match="deleted on"):
        SpoolFiles(paths).list_results(JOB, 1)
    assert list((paths.root / "trash").iterdir())
    list(SpoolStock(paths).list_stored())
    assert list((paths.root / "trash").iterdir()) == []


def test_folders_that_forbid_writing_and_links_that_lead_out_are_no_obstacle(
    paths: SitePaths, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    write(outside / "precious", b"x")
    folder = paths.root / "checkpoints" / JOB
    (folder / "link").symlink_to(outside)
    (folder / "locked").mkdir()
    write(folder / "locked" / "f", b"x")
    (folder / "locked").chmod(0o500)
    assert drop(paths, Kind.CHECKPOINTS)
    assert not folder.exists()
    assert (outside / "precious").read_bytes() == b"x"
    assert list((paths.root / "trash").iterdir()) == []


def test_strange_names_are_left_alone(paths: SitePaths) -> None:
    write(paths.ended / "notes" / "1" / "0" / "log", b"mine")
    write(paths.root / "results" / JOB / "other" / "x", b"mine")
    assert all(one.job_id == JOB for one in SpoolStock(paths).list_stored())
    assert len(list(SpoolStock(paths).list_stored())) == 3
