"""A store of a version without teams is opened: every job says whose it is and what of it waits."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from quarterdeck.adapters.stores.sql.codec import encode
from quarterdeck.adapters.stores.sql.database import open_database
from quarterdeck.adapters.stores.sql.store import open_store
from quarterdeck.adapters.stores.sql.upgrade import MIGRATIONS
from quarterdeck.control.restore import restore
from quarterdeck.core.governance.people import Organization, Team, User
from quarterdeck.core.jobs.array import parse_array
from quarterdeck.core.jobs.events import Cancelled, Ended, Held, JobEvent, Released
from quarterdeck.core.jobs.evolve import replay
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.states import JobState
from quarterdeck.ports.store import JobFilter
from quarterdeck.testing.builders import (
    START_NS,
    a_job_id,
    a_job_spec,
    a_placed,
    a_run,
    a_submitted,
)

if TYPE_CHECKING:
    from quarterdeck.adapters.stores.sql.database import Database
    from quarterdeck.core.jobs.job import Job
    from quarterdeck.testing.postgres import PostgresServer

LONG = "team-" + "x" * 123
NEVER_STARTED = Ended(START_NS, 1, JobState.FAILED, Reason.USER_ERROR, "code 1", 1, task=4)


def placed(attempt: int, task: int) -> JobEvent:
    return replace(a_placed(attempt), task=task)


def cancelled(state: JobState) -> JobEvent:
    return Cancelled(START_NS, "eve", next_state=state)


ARRAY: dict[str, Any] = {"array": parse_array("0-8:4%2")}
NASTY: dict[str, Any] = {"env": (("Q", "'é\u2028 q h"),), "name": "qqhh"}

# What it was asked with, by whom, what happened to it, and the row that should come of it.
JOBS: list[tuple[dict[str, Any], str, list[JobEvent], tuple[str, str, int]]] = [
    ({}, "ada", [], ("default", "ada", 1)),
    ({"team": "vision"}, "ada", [], ("vision", "ada", 1)),
    ({"team": LONG, **NASTY}, "queue'd \"hé\\", [], (LONG, "queue'd \"hé\\", 1)),
    ({}, "ada", [Held(START_NS, "bob")], ("default", "ada", 1)),
    ({}, "ada", [Held(START_NS, "bob"), Released(START_NS, "bob")], ("default", "ada", 1)),
    ({}, "ada", a_run()[:1], ("default", "ada", 0)),
    ({}, "ada", a_run()[:3], ("default", "ada", 0)),
    ({}, "bob", a_run(), ("default", "bob", 0)),
    ({}, "bob", a_run(code=1), ("default", "bob", 0)),
    (
        {},
        "bob",
        [a_placed(), replace(NEVER_STARTED, message="a\0b", task=None)],
        ("default", "bob", 0),
    ),
    ({}, "bob", [cancelled(JobState.CANCELLED)], ("default", "bob", 0)),
    (ARRAY, "ada", [], ("default", "ada", 3)),
    (ARRAY, "ada", [Held(START_NS, "ada")], ("default", "ada", 3)),
    (ARRAY, "ada", [placed(1, 4)], ("default", "ada", 2)),
    (ARRAY, "ada", [placed(1, 4), NEVER_STARTED, Held(START_NS, "a")], ("default", "ada", 2)),
    (ARRAY, "ada", [placed(1, 4), cancelled(JobState.STOPPING)], ("default", "ada", 0)),
    (ARRAY, "ada", [cancelled(JobState.CANCELLED)], ("default", "ada", 0)),
    ({"array": parse_array("1-1000"), "team": "vision"}, "bob", [], ("vision", "bob", 1000)),
]
EXPECTED = {a_job_id(number): row for number, (*_, row) in enumerate(JOBS)}


def fill_as_before(address: str) -> list[Job]:
    """A database at revision 0003 with these jobs and their log."""
    database = open_database(address)
    jobs = []
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.writing() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        seq = 0
        for number, (asked, actor, more, _) in enumerate(JOBS):
            events = [a_submitted(a_job_spec(**asked), actor=actor), *more]
            job = replay(a_job_id(number), events)
            assert job is not None
            jobs.append(job)
            submitted_seq = seq + 1
            for revision, event in enumerate(events, start=1):
                seq += 1
                row = {
                    "seq": seq,
                    "job_id": job.id,
                    "revision": revision,
                    "kind": type(event).__name__,
                    "at_ns": event.at_ns,
                    "data": encode(event),
                }
                connection.execute(insert("events", row), row)
            row = {
                "job_id": job.id,
                "revision": job.revision,
                "state": job.state.value,
                "name": job.spec.name,
                "submitted_seq": submitted_seq,
                "document": encode(job),
            }
            connection.execute(insert("jobs", row), row)
        connection.execute(sa.text("UPDATE meta SET value = :seq WHERE key = 'head'"), {"seq": seq})
    database.close()
    return jobs


def insert(table: str, row: dict[str, Any]) -> sa.TextClause:
    columns = ", ".join(row)
    values = ", ".join(f":{name}" for name in row)
    return sa.text(f"INSERT INTO {table} ({columns}) VALUES ({values})")


def rows_of(database: Database) -> dict[str, tuple[str, str, int]]:
    text = "SELECT job_id, team, owner, waiting FROM jobs"
    with database.connect() as connection:
        found = connection.exec_driver_sql(text).all()
    return {job_id: (team, owner, waiting) for job_id, team, owner, waiting in found}


def check_upgrade(address: str) -> None:
    jobs = fill_as_before(address)
    store = open_store(address)
    database = open_database(address)
    assert rows_of(database) == EXPECTED
    assert store.list_jobs(JobFilter()) == jobs[::-1]
    for team in ("default", "vision", LONG, "none"):
        mine = [job for job in jobs[::-1] if job.spec.team == team]
        assert store.list_jobs(JobFilter(teams=(team,))) == mine
        waits = sum(count for name, _, count in EXPECTED.values() if name == team)
        assert store.count_waiting("team", team) == waits
    for owner in ("ada", "bob", "eve"):
        waits = sum(count for _, name, count in EXPECTED.values() if name == owner)
        assert store.count_waiting("owner", owner) == waits
    # The log alone leads to the same: what the migration read out of the documents is no guess.
    restore(store)
    assert rows_of(database) == EXPECTED
    store.close()
    store = open_store(address)
    assert store.count_waiting("owner", "bob") == 1000
    check_teams(address)
    store.close()
    database.close()


def check_teams(address: str) -> None:
    """Teams that jobs named are teams now; people come with the first change."""
    store = open_store(address)
    assert (store.directory.load().people, store.directory.revision()) == (None, 0)
    store.directory.change(0, put=(Organization("ACME"), Team("default"), User("ada")))
    people = store.directory.load().people
    assert people is not None
    assert set(people.teams) == {"default", "vision", LONG}
    assert all(team.closed_at_ns is None for team in people.teams.values())
    store.close()


def test_jobs_of_a_version_without_teams_get_their_columns(tmp_path: Path) -> None:
    check_upgrade(f"sqlite:///{tmp_path / 'store.db'}")


@pytest.mark.needs_postgres
def test_jobs_of_a_version_without_teams_get_their_columns_on_postgres(
    postgres: PostgresServer,
) -> None:
    check_upgrade(postgres.new_database())


def test_a_store_of_many_jobs_is_filled_to_the_last_one(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path / 'store.db'}"
    (first, *_) = fill_as_before(address)
    count = 2345
    database = open_database(address)
    with database.writing() as connection:
        columns = "revision, state, name"
        more = sa.text(
            f"INSERT INTO jobs (job_id, {columns}, submitted_seq, document) "
            f"SELECT :new_id, {columns}, :seq, document FROM jobs WHERE job_id = :of_job"
        )
        numbers = range(100, 100 + count)
        rows = [{"new_id": a_job_id(n), "seq": 10_000 + n, "of_job": first.id} for n in numbers]
        connection.execute(more, rows)
    open_store(address).close()
    found = list(rows_of(database).values())
    assert found.count(("default", "ada", 1)) == count + 3
    assert len(found) == count + len(JOBS)
    database.close()


def check_bare_document(address: str) -> None:
    fill_as_before(address)
    database = open_database(address)
    with database.writing() as connection:
        for job_id, text in connection.exec_driver_sql("SELECT job_id, document FROM jobs").all():
            document = json.loads(text)
            del document["actor"], document["spec"]["team"], document["tasks"]
            row = {"of_job": job_id, "document": json.dumps(document)}
            query = sa.text("UPDATE jobs SET document = :document WHERE job_id = :of_job")
            connection.execute(query, row)
    open_store(address).close()
    rows = rows_of(database)
    assert {(team, owner) for team, owner, _ in rows.values()} == {("default", "")}
    assert rows[a_job_id(11)][2] == 1
    database.close()


def test_a_document_without_those_fields_is_of_the_default_team(tmp_path: Path) -> None:
    check_bare_document(f"sqlite:///{tmp_path / 'store.db'}")


@pytest.mark.needs_postgres
def test_a_document_without_those_fields_is_of_the_default_team_on_postgres(
    postgres: PostgresServer,
) -> None:
    check_bare_document(postgres.new_database())
