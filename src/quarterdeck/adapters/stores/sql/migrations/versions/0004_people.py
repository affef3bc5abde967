"""People, teams and tokens; every job says whose it is and what of it waits.

Jobs of earlier versions say in their documents which team they belong to: the default one, or one
that nobody checked. Those become teams, so that no job is left without one.
"""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_FINAL = ("succeeded", "failed", "cancelled")
_WAITING = ("queued", "held")


def upgrade() -> None:
    op.create_table(
        "people",
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_table(
        "tokens",
        sa.Column("token_id", sa.Text, primary_key=True),
        sa.Column("secret_digest", sa.Text, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("used_at_ns", sa.BigInteger),
        sa.Column("used_from", sa.Text, nullable=False),
        sa.UniqueConstraint("secret_digest", name="uq_tokens_secret_digest"),
    )
    op.execute("INSERT INTO meta (key, value) VALUES ('people', 0)")
    for column in ("team", "owner"):
        op.add_column("jobs", sa.Column(column, sa.Text, nullable=False, server_default=""))
    op.add_column("jobs", sa.Column("waiting", sa.BigInteger, nullable=False, server_default="0"))
    _fill()
    _make_teams()
    op.create_index("ix_jobs_team_submitted_seq", "jobs", ["team", "submitted_seq"])
    is_waiting = sa.text("waiting > 0")
    for column in ("team", "owner"):
        op.create_index(
            f"ix_jobs_{column}_waiting",
            "jobs",
            [column, "waiting"],
            sqlite_where=is_waiting,
            postgresql_where=is_waiting,
        )


def _fill() -> None:
    """From the documents, which are read here: PostgreSQL reads none in which a message has an
    escaped NUL. Of an array the letters of its waiting tasks are counted."""
    connection = op.get_bind()
    page = sa.text(
        "SELECT job_id, state, document FROM jobs WHERE job_id > :after ORDER BY job_id LIMIT 1000"
    )
    change = sa.text(
        "UPDATE jobs SET team = :team, owner = :owner, waiting = :waiting WHERE job_id = :of_job"
    )
    after = ""
    while rows := connection.execute(page, {"after": after}).all():
        connection.execute(change, [_columns(*row) for row in rows])
        after = rows[-1][0]


def _columns(job_id: str, state: str, document: str) -> dict[str, object]:
    job = json.loads(document)
    tasks = job.get("tasks")
    waiting = int(state in _WAITING)
    if tasks is not None and state not in _FINAL:
        waiting = sum(tasks["states"].count(letter) for letter in "qh")
    return {
        "of_job": job_id,
        "team": job["spec"].get("team", "default"),
        "owner": job.get("actor", ""),
        "waiting": waiting,
    }


def _make_teams() -> None:
    """With no members yet: an owner sees them, and adds who belongs there."""
    connection = op.get_bind()
    found = connection.execute(sa.text("SELECT DISTINCT team FROM jobs WHERE team <> 'default'"))
    add = sa.text("INSERT INTO people (kind, id, document) VALUES ('Team', :id, :document)")
    for (name,) in found.all():
        connection.execute(add, {"id": name, "document": json.dumps({"name": name})})
