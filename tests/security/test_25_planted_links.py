"""Links in the folders of jobs, for the server to follow: attack 25 of docs/security/attacks.md.

On a cluster a job has the server's account and not the server's machine. What it plants there leads
to files of the server alone, which must not be read, written, moved, opened to others or deleted.
"""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from quarterdeck.adapters.engines.slurm.requests import BatchRequest
from quarterdeck.adapters.engines.slurm.tickets import Ticket
from quarterdeck.adapters.spool.attempts import Attempts
from quarterdeck.adapters.spool.carried import carry_runner
from quarterdeck.adapters.spool.credentials import Credentials
from quarterdeck.adapters.spool.doors import make_door, shut_door
from quarterdeck.adapters.spool.files import SpoolFiles
from quarterdeck.adapters.spool.inside import make_inside
from quarterdeck.adapters.spool.metrics import SpoolMetrics
from quarterdeck.adapters.spool.news import News
from quarterdeck.adapters.spool.orders import poke, write_json
from quarterdeck.adapters.spool.paths import SitePaths
from quarterdeck.adapters.spool.plain import make_plain
from quarterdeck.adapters.spool.replica import Spool
from quarterdeck.adapters.spool.stock import SpoolStock
from quarterdeck.basics.errors import Unavailable
from quarterdeck.basics.ids import JobId
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.states import ReplicaState
from quarterdeck.ports.engine import AttemptRef

REF = AttemptRef(JobId("j1"), 1)
SECRET = "the-token-of-the-owner\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """What only the server has, and what must be the same after everything."""
    home = tmp_path / "home"
    (home / "work").mkdir(parents=True)
    (home / "7").mkdir()
    for name in ("token", "quarterdeck.db", "results", "work/mine", "7/mine"):
        (home / name).write_text(SECRET)
    (home / "token").chmod(0o600)
    return home


@pytest.fixture
def paths(tmp_path: Path) -> SitePaths:
    made = SitePaths(tmp_path / "site")
    made.make()
    (made.replica(REF, 0) / "metrics").mkdir(parents=True)
    return made


@pytest.fixture
def replica(paths: SitePaths) -> Path:
    return paths.replica(REF, 0)


@pytest.fixture(autouse=True)
def untouched(home: Path) -> object:
    before = picture(home)
    yield
    assert picture(home) == before


def picture(home: Path) -> dict[str, tuple[int, str]]:
    return {
        str(path): (path.lstat().st_mode, path.read_text() if path.is_file() else "")
        for path in sorted(home.rglob("*"))
    }


def swap(folder: Path, target: Path) -> None:
    """What a job does with a folder of its own: another one is there now."""
    folder.rename(folder.with_name(f"{folder.name}.away"))
    folder.symlink_to(target)


def order_of(folder: Path) -> dict[str, str]:
    return {"results_dir": str(folder / "r"), "checkpoint_dir": str(folder / "c")}


def test_a_door_that_leads_into_the_home_is_shut_without_going_through(
    replica: Path, home: Path
) -> None:
    make_door(replica, order_of(replica))
    swap(replica / "door", home)
    shut_door(replica)
    assert (replica / "door").is_file()
    assert not (replica / "door").is_symlink()
    assert (replica / "stop.json").is_file()


def test_what_a_job_has_put_behind_its_door_stays(replica: Path, home: Path) -> None:
    make_door(replica, order_of(replica))
    (replica / "door" / "results").unlink()
    (replica / "door" / "results").mkdir()
    (replica / "door" / "more").symlink_to(home)
    shut_door(replica)
    assert (replica / "door").is_file()
    shut_door(replica)


def test_a_door_is_not_made_in_a_folder_of_others(replica: Path, home: Path) -> None:
    (replica / "door").symlink_to(home)
    with pytest.raises(Unavailable, match="a link or no folder"):
        make_door(replica, order_of(replica))


@pytest.mark.parametrize("name", ["stop.json", "peers.json", "order.json"])
def test_a_word_of_the_server_takes_the_place_of_a_link(
    replica: Path, home: Path, name: str
) -> None:
    for planted in (name, f".{name}.new"):
        (replica / planted).symlink_to(home / "quarterdeck.db")
    write_json(replica / name, {"a": 1})
    written = (replica / name).lstat()
    assert stat.S_ISREG(written.st_mode)
    assert stat.S_IMODE(written.st_mode) == 0o600


def test_an_end_and_credentials_too(paths: SitePaths, replica: Path, home: Path) -> None:
    for name in (".end.json.new", ".credentials.json.new", "end.json.new", "credentials.json"):
        (replica / name).symlink_to(home / "token")
    Spool(replica, 0).end(ReplicaState.LOST, Reason.NODE_FAILURE, "gone")
    credentials = Credentials("http://127.0.0.1:1", lambda ref: "signed")
    credentials.put(REF, [replica], is_fenced=True)
    assert stat.S_IMODE((replica / "credentials.json").lstat().st_mode) == 0o644
    credentials.drop(REF, [replica])
    assert not (replica / "credentials.json").exists()


def test_a_word_takes_the_place_of_a_folder(replica: Path) -> None:
    """Else nobody could ever end a job that has put one there."""
    (replica / "stop.json" / "mine").mkdir(parents=True)
    write_json(replica / "stop.json", {})
    assert (replica / "stop.json").read_text() == "{}"
    (aside,) = replica.glob(".stop.json.*")
    assert (aside / "mine").is_dir()


@pytest.mark.parametrize("levels", [1, 2, 3, 4])
def test_no_folder_of_a_job_may_be_a_link(
    replica: Path, tmp_path: Path, home: Path, levels: int
) -> None:
    folder = [replica, *replica.parents][levels - 1]
    elsewhere = tmp_path / "elsewhere"
    for path in ("j1/1/0", "1/0", "0"):
        (elsewhere / path).mkdir(parents=True)
    swap(folder, elsewhere)
    with pytest.raises(Unavailable, match="a link or no folder"):
        write_json(replica / "stop.json", {})
    with pytest.raises(Unavailable, match="a link or no folder"):
        shut_door(replica)
    assert [path for path in elsewhere.rglob("*") if path.is_file()] == []


def test_a_poke_goes_into_a_pipe_only(replica: Path, home: Path, tmp_path: Path) -> None:
    (replica / "control.fifo").symlink_to(home / "quarterdeck.db")
    poke(replica, "stop")
    (replica / "control.fifo").unlink()
    (replica / "control.fifo").write_text("mine")
    poke(replica, "stop")
    assert (replica / "control.fifo").read_text() == "mine"


def test_a_log_and_its_index_are_not_read_through_a_link(
    paths: SitePaths, replica: Path, home: Path
) -> None:
    for name in ("log", "log.index", "status.jsonl"):
        (replica / name).symlink_to(home / "token")
    files = SpoolFiles(paths)
    assert files.read_log(REF.job_id, 1, 0, 0, 1000).data == b""
    assert files.search_log(REF.job_id, 1, 0, 0, b"token", is_over=True).data == b""
    assert files.find_log_start(REF.job_id, 1, 0, tail=1, since_ns=2**62) == 0


def test_a_log_beside_a_folder_that_is_a_link_is_not_read(
    paths: SitePaths, replica: Path, home: Path
) -> None:
    (home / "log").symlink_to(home / "token")
    swap(replica, home)
    assert SpoolFiles(paths).read_log(REF.job_id, 1, 0, 0, 1000).data == b""
    (home / "log").unlink()


@pytest.mark.parametrize("name", ["log", "status.jsonl", "lock", "end.json", "order.json"])
def test_nobody_waits_for_a_pipe(paths: SitePaths, replica: Path, name: str) -> None:
    os.mkfifo(replica / name)
    spool = Spool(replica, 0)
    assert not spool.read()
    assert not spool.is_alive()
    assert SpoolFiles(paths).read_log(REF.job_id, 1, 0, 0, 10).data == b""


def test_facts_and_ends_are_not_read_through_a_link(replica: Path, tmp_path: Path) -> None:
    told = tmp_path / "told"
    told.write_text('{"kind": "exited", "at_ns": 1, "ranks": [], "reason": null}\n')
    (replica / "status.jsonl").symlink_to(told)
    (replica / "end.json").symlink_to(told)
    (replica / "beat").symlink_to(told)
    os.utime(told, ns=(5, 5))
    spool = Spool(replica, 0)
    assert not spool.read()
    assert spool.read_beat_ns() != 5


def test_metrics_are_not_read_through_a_link(paths: SitePaths, replica: Path, home: Path) -> None:
    sample = home.parent / "sample"
    sample.write_text('{"t": 1, "v": {"loss": 1.0}}\n')
    (replica / "metrics" / "rank-0.jsonl").symlink_to(sample)
    assert SpoolMetrics(paths).read_points(REF.job_id, 1) == {}


def test_what_sbatch_said_is_not_read_and_its_lock_not_emptied_through_a_link(
    paths: SitePaths, home: Path
) -> None:
    ticket = Ticket(paths.attempt(REF), BatchRequest("#!/bin/sh\n"))
    for name in ("slurm.out", "submitting"):
        (ticket.folder / name).symlink_to(home / "token")
    assert ticket.read_output() == ""
    with pytest.raises(Unavailable, match="a link is in its place"), ticket.submitting():
        pass


def test_a_mark_of_pilots_is_not_made_through_a_link(paths: SitePaths, home: Path) -> None:
    (paths.root / "watch").symlink_to(home / "new")
    with pytest.raises(OSError, match="a link is in its place"):
        make_plain(paths.root / "watch", levels=1)


def test_news_of_a_folder_of_others_are_not_taken(paths: SitePaths, home: Path) -> None:
    news = News(paths)
    swap(paths.news, home)
    assert news.take() == []


def test_a_work_folder_of_others_is_not_deleted(
    paths: SitePaths, replica: Path, home: Path
) -> None:
    attempts = Attempts(paths, None)
    tracked = attempts.write(REF, [{"nnodes": 1}])
    tracked.spools[0].end(ReplicaState.LOST, Reason.NODE_FAILURE, "gone")
    attempts.refresh(tracked)
    swap(replica, home)
    assert attempts.forget([REF]) == [REF]


def test_attempts_of_others_are_not_looked_for(paths: SitePaths, home: Path) -> None:
    (paths.attempts / "j7").symlink_to(home)
    (paths.attempts / "j8").mkdir()
    (paths.attempts / "j8" / "9").symlink_to(home)
    Attempts(paths, None).find()


def test_the_trash_of_a_site_is_not_that_of_others(paths: SitePaths, home: Path) -> None:
    (paths.root / "trash").symlink_to(home)
    list(SpoolStock(paths).list_stored())
    (paths.root / "trash").unlink()
    (paths.root / "trash").mkdir()
    (paths.root / "trash" / "a").symlink_to(home)
    list(SpoolStock(paths).list_stored())
    assert list((paths.root / "trash").iterdir()) == []


@pytest.mark.parametrize("is_there", [True, False])
def test_the_runner_is_not_what_somebody_has_linked_in_its_place(
    paths: SitePaths, home: Path, *, is_there: bool
) -> None:
    made = carry_runner(paths)
    shutil.rmtree(made)
    made.symlink_to(home if is_there else home / "nothing")
    before = sorted(home.iterdir())
    assert carry_runner(paths) == made
    assert (made / "runner" / "__main__.py").is_file()
    assert not made.is_symlink()
    assert sorted(home.iterdir()) == before


def test_what_is_brought_along_is_not_written_through_a_link(paths: SitePaths, home: Path) -> None:
    made = make_inside(paths)
    names = list((made / "quarterdeck").iterdir())
    for path in names:
        path.unlink()
        for planted in (path.with_suffix(".new"), path.with_name(f".{path.name}.new")):
            planted.symlink_to(home / "quarterdeck.db")
    assert make_inside(paths) == made
    assert all(path.is_file() for path in names)
