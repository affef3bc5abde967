"""`qd sim replay` on the files of a home: what it prints, and what it says to bad input."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from quarterdeck.adapters.archives.jsonl import JsonlArchive
from quarterdeck.basics.times import to_iso
from quarterdeck.cli.main import build_cli
from quarterdeck.core.jobs.job import Job
from quarterdeck.ports.keeping import ArchivedJob
from quarterdeck.ports.store import JobRecord
from quarterdeck.testing.builders import START_NS, a_demand, a_job_spec
from quarterdeck.testing.postgres import running_postgres
from quarterdeck.wiring.entry import WIRED
from tests.spec.sim.recording import RecordingDesk, a_recorded_home

SMALL = a_job_spec(demand=a_demand(1, 1))
BIG = a_job_spec(demand=a_demand(2, 8))
BEGIN = to_iso(START_NS)


def qd(*arguments: str) -> Result:
    return CliRunner().invoke(build_cli(WIRED), ["sim", "replay", *arguments])


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def desk(home: Path) -> Iterator[RecordingDesk]:
    """A server that has made three plans and is still there."""
    with a_recorded_home(home) as desk:
        for spec in (SMALL, BIG, SMALL):
            desk.submit(spec)
            desk.turn()
        yield desk


def test_the_same_plans_are_told_in_one_line(home: Path, desk: RecordingDesk) -> None:
    done = qd("--home", str(home), "--from", BEGIN)
    assert done.exit_code == 0, done.output
    first, *notes = done.stdout.splitlines()
    assert first == "3 cycles, 3 the same; 2 placements as the log of events has them"
    assert "made by version 1; this is " in notes[0]


def test_json_has_it_all_and_a_difference_is_an_exit_code(home: Path, desk: RecordingDesk) -> None:
    with sqlite3.connect(home / "cycles.db") as file:
        file.execute("UPDATE cycles SET verdicts = 'other' WHERE number = 2")
    done = qd("--home", str(home), "--from", BEGIN, "-o", "json")
    told = json.loads(done.stdout)
    assert done.exit_code == 1
    assert (told["cycles"], told["same"]) == (3, 2)
    assert [one["cycle"] for one in told["differences"]] == [2]
    assert told["differences"][0]["what"][0].startswith("verdicts: ")
    shown = qd("--home", str(home), "--from", BEGIN)
    assert shown.exit_code == 1
    assert "cycle 1.2: verdicts: " in shown.stdout


def test_it_changes_nothing(home: Path, desk: RecordingDesk) -> None:
    before = desk.store.head(), [path.name for path in home.iterdir()]
    assert qd("--home", str(home), "--from", BEGIN).exit_code == 0
    assert (desk.store.head(), [path.name for path in home.iterdir()]) == before
    desk.submit(SMALL)
    assert desk.turn() == 1


def test_jobs_that_retention_has_dropped_are_counted(home: Path, desk: RecordingDesk) -> None:
    jobs = [desk.run(SMALL, code=1) for _ in range(3)]
    desk.submit(SMALL)
    desk.turn()
    begin = to_iso(desk.clock.now_ns())
    desk.submit(SMALL)
    desk.turn()
    archive = JsonlArchive(home / "archive")
    for job in jobs[:2]:
        records = desk.store.list_records(0, job_id=job.id)
        kept = tuple(one for one in records if isinstance(one, JobRecord))
        archive.append([ArchivedJob(desk.job(job.id), kept)])
        drop(desk, job)
    done = qd("--home", str(home), "--from", BEGIN)
    assert "the archive of the home has 2 that were there in this time" in done.stdout
    later = qd("--home", str(home), "--from", begin)
    assert later.exit_code == 0
    assert "has 0 that were there in this time" in later.stdout


def drop(desk: RecordingDesk, job: Job) -> None:
    desk.store.transact(lambda tx: tx.drop_jobs([desk.job(job.id)]))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--from", "soon"), "from is 'soon', which is not a duration with a unit"),
        (("--from", "2026-13-45T00:00"), "from is '2026-13-45T00:00', which is no time"),
        (("--from", "1h", "--to", "2h"), ", and to is before that, "),
        (("--from", "1h", "--to", "yesterday"), "to is 'yesterday'"),
        (("--from", "1s"), "no plan is recorded between"),
        (("--from", "1s"), "they begin at 2023-11-14T22:13:20."),
    ],
)
def test_times_that_cannot_be_are_refused(
    home: Path, desk: RecordingDesk, arguments: tuple[str, ...], told: str
) -> None:
    done = qd("--home", str(home), *arguments)
    assert done.exit_code not in (0, 1)
    assert told in done.output


def test_a_folder_that_is_no_home_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "none"):
        done = qd("--home", str(place), "--from", "1h")
        assert done.exit_code not in (0, 1)
        assert "there is no home" in done.output
    assert list(tmp_path.iterdir()) == []


def test_a_home_without_a_log_of_cycles_is_told_so(home: Path, desk: RecordingDesk) -> None:
    (home / "cycles.db").rename(home / "elsewhere.db")
    done = qd("--home", str(home), "--from", "1h")
    assert "has no log of cycles" in done.output
    assert not (home / "cycles.db").exists()


def test_a_log_of_cycles_that_is_none_is_refused(home: Path, desk: RecordingDesk) -> None:
    desk.cycle_log.close()
    (home / "cycles.db").write_bytes(b"rubbish " * 1000)
    done = qd("--home", str(home), "--from", "1h")
    assert done.exit_code not in (0, 1)
    assert "the log of cycles cannot be read" in done.output


def test_a_store_of_another_version_is_left_alone(home: Path, desk: RecordingDesk) -> None:
    with sqlite3.connect(home / "quarterdeck.db") as file:
        file.execute("UPDATE alembic_version SET version_num = '0001'")
    done = qd("--home", str(home), "--from", "1h")
    assert "the store is at revision 0001, and this version reads " in done.output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--cluster", "a.yaml", "--more-nodes", "4"), "both say which nodes there are"),
        (("--html", "r.html"), "--html is for --policy, --cluster or --more-nodes"),
    ],
)
def test_options_that_do_not_go_together_are_refused(arguments: tuple[str, ...], told: str) -> None:
    done = qd("--from", "1h", *arguments)
    assert done.exit_code == 2
    assert told in done.output


@pytest.mark.needs_postgres
def test_a_home_whose_store_is_postgresql_is_read_too(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with running_postgres() as server:
        address = server.new_database()
        with a_recorded_home(home, address) as desk:
            for _ in range(3):
                desk.submit(SMALL)
                desk.turn()
            (home / "store").write_text(f"{address}\n")
            done = qd("--home", str(home), "--from", BEGIN)
            assert done.exit_code == 0, done.output
            assert done.stdout.startswith("3 cycles, 3 the same; 3 placements")
